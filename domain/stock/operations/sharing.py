"""What of the stock is for which sales channel: pools, buffers and caps."""

from dataclasses import dataclass
from decimal import Decimal

from domain import catalog
from domain.catalog import Sellable
from domain.kernel import bulk
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import Quantity, format_quantity
from domain.kernel.work import Work
from domain.stock.errors import InsufficientStock
from domain.stock.events import StockChannelRuleRemoved, StockChannelRuleSet, StockReleased, StockReserved
from domain.stock.locked import Level, Levels
from domain.stock.operations import inputs
from domain.stock.operations.backorders import serve_waiting
from domain.stock.operations.inputs import Wanted
from domain.stock.operations.reserve import free_expired
from domain.stock.tables import LocationKind, StockPool


@dataclass(frozen=True)
class NewChannelRule:
    """How much of what is available to everybody a sales channel is offered. It replaces the rule that was there."""

    channel_id: ID
    """The sales channel."""
    variant_id: ID | None = None
    """The variant; every variant that has no rule of its own, when left out."""
    buffer: Quantity | None = None
    """So much of what is available is not offered there, in the variant's unit; nothing, when left out."""
    cap: Quantity | None = None
    """One order is offered at most so much there; all there is, when left out."""


@dataclass(frozen=True)
class NewPool:
    """How much of the stock of a place is for one sales channel alone."""

    channel_id: ID
    """The sales channel."""
    variant_id: ID
    """The variant."""
    location_id: ID
    """The place."""
    quantity: Quantity
    """What the pool holds from now on, in the variant's unit; zero empties it."""


_SET = """
INSERT INTO stock_channel_rules AS rule (id, channel_id, variant_id, buffer, cap, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (channel_id, variant_id) DO UPDATE
SET buffer = excluded.buffer, cap = excluded.cap, updated_at = excluded.updated_at
RETURNING id
"""
_REMOVE = """
DELETE FROM stock_channel_rules WHERE channel_id = $1 AND variant_id IS NOT DISTINCT FROM $2 RETURNING id
"""
_PRESENT = """
SELECT id, buffer, cap FROM stock_channel_rules WHERE channel_id = $1 AND variant_id IS NOT DISTINCT FROM $2
FOR NO KEY UPDATE
"""


async def set_channel_rule(work: Work, new: NewChannelRule) -> ID | None:
    """The channel is offered so much from now on. Returns the rule's id; None where neither a buffer nor a cap is
    given: then the channel is offered everything. A call that changes nothing changes nothing.

    Orders that are being placed keep the rule they have read; who waits keeps to the new one when something becomes
    available next. Refused with NotFound and Invalid.
    """
    await _existing_channel(work, new.channel_id)
    sellable = None if new.variant_id is None else await _existing_variant(work, new.variant_id)
    buffer = Decimal(0) if new.buffer is None else new.buffer
    Refusals.raise_if_any(_faults(sellable, buffer, new.cap))
    channel, variant = new.channel_id[4:], None if new.variant_id is None else new.variant_id[4:]
    if not buffer and new.cap is None:
        removed = await work.raw.fetchval(_REMOVE, channel, variant)
        if removed is not None:
            work.announce(StockChannelRuleRemoved(ID("scr_" + removed), channel=new.channel_id, variant=new.variant_id))
        return None
    present = await work.raw.fetchrow(_PRESENT, channel, variant)
    if present is not None and (present["buffer"], present["cap"]) == (buffer, new.cap):
        return ID("scr_" + present["id"])
    row = await work.raw.fetchval(_SET, new_id("scr")[4:], channel, variant, buffer, new.cap, work.now)
    rule = ID("scr_" + row)
    work.announce(
        StockChannelRuleSet(
            rule,
            channel=new.channel_id,
            variant=new.variant_id,
            buffer=format_quantity(buffer),
            cap=None if new.cap is None else format_quantity(new.cap),
        )
    )
    return rule


def _faults(sellable: Sellable | None, buffer: Decimal, cap: Decimal | None) -> list[Refusal]:
    faults: list[Refusal] = []
    for name, value in (("buffer", buffer), ("cap", cap)):
        if value is None:
            continue
        if value < 0:
            faults.append(Invalid("Less than nothing cannot be offered.", path=("input", name)))
        elif sellable is not None and (fault := sellable.quantity_fault(value)):
            faults.append(Invalid(fault, path=("input", name)))
    return faults


async def _existing_channel(work: Work, channel: str) -> None:
    known = is_id(channel, "chn") and await work.raw.fetchval(
        "SELECT true FROM sales_channels WHERE id = $1", channel[4:]
    )
    if not known:
        raise NotFound("There is no such channel.", path=("input", "channelId"))


async def _existing_variant(work: Work, variant: ID) -> Sellable:
    found = (await catalog.sellables(work, [variant])).get(variant)
    if found is None:
        raise NotFound("There is no such variant.", path=("input", "variantId"))
    return found


_POOL = """
SELECT id, held FROM stock_pools WHERE channel_id = $1 AND variant_id = $2 AND location_id = $3 FOR NO KEY UPDATE
"""


async def set_pool(work: Work, new: NewPool) -> ID | None:
    """So much of what is there is for the channel alone from now on: taken from what is available to everybody, or
    given back to it, and then first to those who wait. Returns the pool's id; None where there was none to be emptied.

    Refused with InsufficientStock when less is available than it would take, once expired holds have given way to those
    who wait; with NotFound and Invalid.
    """
    await _existing_channel(work, new.channel_id)
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    wanted = Wanted(new.variant_id, new.quantity, ("input",))
    sku = (await inputs.known_variants(work, [wanted]))[new.variant_id].sku
    if new.quantity < 0:
        raise Invalid("Less than nothing cannot be held.", path=("input", "quantity"))
    levels = await Levels.lock(work, [(new.variant_id, location)], create=True)
    level = levels.by_place[new.variant_id, location]
    if level.kind == LocationKind.TRANSIT and new.quantity:
        raise Invalid("Nothing is sold from goods in transit: keep it where they arrive.", path=("input", "locationId"))
    row = await work.raw.fetchrow(_POOL, new.channel_id[4:], new.variant_id[4:], location[4:])
    if row is None and not new.quantity:
        return None
    held = Decimal(0) if row is None else row["held"]
    more = new.quantity - held
    if row is not None and not more:
        return ID("spl_" + row["id"])
    if more > level.available:
        await serve_waiting(work, levels, await free_expired(work, levels, [level.place]))
        _refuse_more(level, sku, new.quantity, held)
    pool = await _write(work, new, None if row is None else ID("spl_" + row["id"]))
    level.claim(reserved=more)
    if more < 0:
        await serve_waiting(work, levels, [level.place])
    levels.save(StockReserved if more > 0 else StockReleased)
    return pool


def _refuse_more(level: Level, sku: str, quantity: Decimal, held: Decimal) -> None:
    if quantity - held > level.available:
        most = held + level.available
        raise InsufficientStock(
            f"Only {format_quantity(most)} of {sku} can be kept for one channel there.",
            path=("input", "quantity"),
            variant=level.place[0],
            requested=quantity,
            available=most,
        )


async def _write(work: Work, new: NewPool, known: ID | None) -> ID:
    pool = known or new_id("spl")
    values = {"id": pool, "held": new.quantity, "updated_at": work.now}
    if known is not None:
        await bulk.update(work, StockPool, [values])
        return pool
    place = {"channel_id": new.channel_id, "variant_id": new.variant_id, "location_id": new.location_id}
    await bulk.insert(work, StockPool, [{**values, **place, "created_at": work.now}])
    return pool
