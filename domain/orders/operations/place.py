"""Somebody orders."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from asyncpg import Record

from domain import catalog, customers, ledger, pricing, stock
from domain.catalog import ProductStatus, Sellable
from domain.customers import Address
from domain.kernel import bulk, external
from domain.kernel.asking import AMONG, Ask, Query, together
from domain.kernel.constraints import TOO_MUCH
from domain.kernel.errors import Apart, Invalid, NotAllowedNow, NotFound, Refusal, Refusals, of_one
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import AMOUNT_LIMIT, CurrencyCode, Money, Quantity, currency_digits, format_amount
from domain.kernel.scopes import Scope
from domain.kernel.work import Done, Work
from domain.orders.events import OrderPlaced
from domain.orders.operations.locking import Path
from domain.orders.tables import (
    MOST_LINES,
    FulfillmentStatus,
    Order,
    OrderAddress,
    OrderLine,
    OrderStatus,
    PaymentStatus,
)
from domain.stock import Demand


@dataclass(frozen=True)
class NewOrderLine:
    """What is wanted of one variant: named by its id or its SKU."""

    quantity: Quantity
    """How many, in the variant's unit; more than zero."""
    variant_id: ID | None = None
    """The variant, by its id; or give `sku`."""
    sku: str | None = None
    """The variant, by its SKU."""
    unit_price: Money | None = None
    """A price instead of the variant's own, up to six decimals. Needs `prices:override`."""
    discount: Money | None = None
    """What is taken off the whole line. Needs `prices:override`."""


@dataclass(frozen=True)
class NewOrder:
    """An order to place."""

    lines: list[NewOrderLine]
    """What is wanted: 1 to 500 lines."""
    customer_id: ID | None = None
    """Who wants it, where that is a known customer."""
    email: str | None = None
    """Where to write about it; the customer's, when left out."""
    channel_id: ID | None = None
    """The sales channel; the default one, when left out."""
    external_id: ExternalId | None = None
    """What another system calls it."""
    currency: CurrencyCode | None = None
    """The currency of its amounts; the channel's, when left out."""
    shipping: Money | None = None
    """What the customer pays for delivery. Needs `prices:override`."""
    shipping_address: Address | None = None
    """Where it goes."""
    location_id: ID | None = None
    """Take the goods from here alone, as a store does; chosen when left out."""
    reservation_id: ID | None = None
    """The hold that becomes this order: its stock is used first; what is left of it goes to those who wait, and is
    free again."""


async def place(work: Work, new: NewOrder) -> ID:
    """The order is open, and the stock for all of it allocated; what a variant's policy lets customers wait for, they
    wait for. Returns its id.

    Refused with InsufficientStock for every variant that is short; with NoPrice, NotFound, NotAllowedNow (a product
    that is not on sale) and Invalid. Nothing is allocated then.
    """
    with of_one():
        return (await place_many(work, [new]))[0]


async def place_many(work: Work, news: Sequence[NewOrder], *, placed_at: Sequence[datetime] | None = None) -> list[ID]:
    """Place orders in one act, all or none. Returns their ids in the order given.

    Refused as `place` is, each path starting with the index of the order. `placed_at` says when each was placed, where
    that is not now.
    """
    plans = await _prepare(work, news, placed_at or [work.now] * len(news))
    await _allocate(work, news, plans)
    await _write(work, news, plans)
    work.announce(*(plan.event for plan in plans))
    return [plan.id for plan in plans]


async def place_each(work: Work, news: Sequence[NewOrder]) -> list[Done]:
    """Place orders that came at the same moment, each by an act of its own, committed together or not at all: what
    each does and announces is what it would do by itself after those before it. Returns what came of each, in the
    order given.

    Refused as `place_many` is: whichever order is at fault, none is placed. Refused with Apart where they are large,
    use up a hold, or take from what is set aside for a channel or was held until now; and with InsufficientStock also
    where some could wait.
    """
    if (
        any(new.reservation_id is not None for new in news)
        or len({new.location_id is None for new in news}) > 1  # who names a place is served first, whoever came first
        or sum(len(new.lines) for new in news) > MOST_LINES
    ):
        raise Apart
    plans = await _prepare(work, news, [work.now] * len(news))
    by_id = {plan.id: plan for plan in plans}
    done: list[Done] = []
    async for order in stock.allocate_each(work, [demand for plan in plans for demand in plan.demands]):
        work.announce(by_id[order].event)
        done.append(Done(order, await work.another()))
    await _write(work, news, plans)
    return done


async def _prepare(work: Work, news: Sequence[NewOrder], placed_at: Sequence[datetime]) -> "list[_Plan]":
    """All that orders will be, with what they refer to looked up, and nothing written."""
    paths: list[Path] = [(n, "input") for n in range(len(news))]
    surroundings = await _look_around(work, news, paths)
    plans = [
        _plan(work, new, instant, surroundings, path=path)
        for new, instant, path in zip(news, placed_at, paths, strict=True)
    ]
    await _refuse_taken(work, news, paths)
    return plans


async def _write(work: Work, news: Sequence[NewOrder], plans: "Sequence[_Plan]") -> None:
    links = [(plan.id, new.external_id) for plan, new in zip(plans, news, strict=True) if new.external_id]
    await external.link(work, links)
    await bulk.insert_later(work, OrderAddress, [plan.address for plan in plans if plan.address is not None])
    await bulk.insert_later(work, Order, [plan.order for plan in plans])
    await bulk.insert_later(work, OrderLine, [line for plan in plans for line in plan.lines])


# --- looking around -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Channel:
    id: ID
    currency: str
    is_default: bool
    ruled: bool
    """Whether it is offered less of some stock than there is."""


@dataclass(frozen=True)
class _Surroundings:
    """What orders refer to, as it was before anything was locked."""

    channels: Mapping[ID, _Channel]
    emails: Mapping[ID, str | None]
    """The email addresses of the customers named, by their ids."""
    by_id: Mapping[ID, Sellable]
    """The variants named by their ids."""
    by_sku: Mapping[str, Sellable]
    """The variants named by their SKUs, by the SKU as it was given."""
    base_currency: str


_CHANNELS = Query(
    """
SELECT id, currency, is_default,
  EXISTS (SELECT FROM stock_channel_rules AS rule WHERE rule.channel_id = channel.id) AS ruled
FROM sales_channels AS channel
""",
    "id uuid, currency text, is_default boolean, ruled boolean",
)
_CUSTOMERS = Query(f"SELECT id, email FROM customers WHERE id = {AMONG}", "id uuid, email text")  # noqa: S608  ours


async def _look_around(work: Work, news: Sequence[NewOrder], paths: Sequence[Path]) -> _Surroundings:
    for new, path in zip(news, paths, strict=True):
        if not new.lines:
            raise Invalid("An order has at least one line.", path=(*path, "lines"))
        if len(new.lines) > MOST_LINES:
            raise Invalid(f"An order has at most {MOST_LINES} lines.", path=(*path, "lines"))
    customers_named = [new.customer_id[4:] for new in news if new.customer_id and is_id(new.customer_id, "cus")]
    lines = [line for new in news for line in new.lines]
    ids = [line.variant_id for line in lines if line.variant_id is not None]
    skus = [line.sku for line in lines if line.sku is not None]
    places = {new.location_id: path for new, path in zip(news, paths, strict=True) if new.location_id is not None}
    if places:
        await stock.selling_locations(work, {each: (*path, "locationId") for each, path in places.items()})
    channels, emails, by_id, by_sku, kept, _ = await together(
        work,
        Ask(_CHANNELS, (), _channels),
        Ask(_CUSTOMERS, [customers_named], _emails, needed=bool(customers_named)),
        catalog.ask_sellables(ids),
        catalog.ask_sellables_by_sku(skus),
        ledger.ask_books(work),
        stock.Levels.ask_locked(work, _locked_at_once(news)),
    )
    return _Surroundings(channels, emails, by_id, by_sku, kept.currency)


def _locked_at_once(news: Sequence[NewOrder]) -> list[ID]:
    """The variants whose stock is locked while looking around, when it is sure that all is locked that will be, as the
    order of locks demands: every variant is named by its id, and no place is.
    """
    ids = [line.variant_id for new in news for line in new.lines if line.variant_id and is_id(line.variant_id, "var")]
    elsewhere = any(new.reservation_id is not None or new.location_id is not None for new in news)
    return ids if not elsewhere and len(ids) == sum(len(new.lines) for new in news) else []


def _channels(records: Sequence[Record]) -> dict[ID, _Channel]:
    found = (
        _Channel(ID("chn_" + record["id"]), record["currency"], record["is_default"], record["ruled"])
        for record in records
    )
    return {each.id: each for each in found}


def _emails(records: Sequence[Record]) -> dict[ID, str | None]:
    return {ID("cus_" + record["id"]): record["email"] for record in records}


async def _refuse_taken(work: Work, news: Sequence[NewOrder], paths: Sequence[Path]) -> None:
    by_system: dict[str, dict[str, Path]] = {}
    for new, path in zip(news, paths, strict=True):
        if new.external_id is not None:
            external.check(new.external_id, path=(*path, "externalId"))
            by_system.setdefault(new.external_id.system, {})[new.external_id.id] = (*path, "externalId")
    refusals: list[Refusal] = []
    for system, wanted in by_system.items():
        found = await external.find(work.connection, "ord", system, list(wanted))
        refusals += [Invalid(f"This external id is taken: {taken}.", path=wanted[taken]) for taken in found]
    Refusals.raise_if_any(refusals)


# --- planning -------------------------------------------------------------------------------------------------------


@dataclass
class _Plan:
    """The rows of an order to write."""

    order: dict[str, Any]
    lines: list[dict[str, Any]]
    address: dict[str, Any] | None
    path: Path
    demands: list[Demand] = field(default_factory=list)

    @property
    def id(self) -> ID:
        """The order's id."""
        return self.order["id"]

    @property
    def event(self) -> OrderPlaced:
        """What is announced of it."""
        return OrderPlaced(
            self.id,
            channel=self.order["channel_id"],
            customer=self.order["customer_id"],
            total=format_amount(Money(self.order["total"], self.order["currency"])),
            currency=self.order["currency"],
        )


def _plan(work: Work, new: NewOrder, placed_at: datetime, around: _Surroundings, *, path: Path) -> _Plan:
    channel = _channel(new, around, path=path)
    currency = _currency(new, channel, around, path=path)
    if new.customer_id is not None and new.customer_id not in around.emails:
        raise NotFound("There is no such customer.", path=(*path, "customerId"))
    email = new.email
    if email is not None:
        email = customers.checked_email(email, path=(*path, "email"))
    elif new.customer_id is not None:
        email = around.emails[new.customer_id]
    address = None
    if new.shipping_address is not None:
        checked = customers.checked_address(new.shipping_address, path=(*path, "shippingAddress"))
        address = {"id": new_id("oad"), **asdict(checked)}
    variants = _variants(new, around, path=path)
    asks = [
        pricing.Ask(variant, line.quantity, (*path, "lines", n), line.unit_price, line.discount)
        for n, (variant, line) in enumerate(zip(variants, new.lines, strict=True))
    ]
    quotes = pricing.quote(work, asks, currency)
    shipping = Decimal(0)
    if new.shipping is not None:
        work.require(Scope.PRICES_OVERRIDE)
        there = (*path, "shipping")
        shipping = pricing.charged(new.shipping, currency, decimals=currency_digits(currency), path=there)
    subtotal = sum((each.subtotal for each in quotes), Decimal(0))
    discount = sum((each.discount for each in quotes), Decimal(0))
    total = subtotal - discount + shipping
    if max(subtotal, total) >= AMOUNT_LIMIT:
        raise Invalid(TOO_MUCH, path=path)
    order_id = new_id("ord")
    plan = _Plan(
        order={
            "id": order_id,
            "status": OrderStatus.OPEN,
            "payment_status": PaymentStatus.UNPAID if total else PaymentStatus.PAID,
            "fulfillment_status": FulfillmentStatus.UNFULFILLED,
            "channel_id": channel.id,
            "customer_id": new.customer_id,
            "email": email,
            "shipping_address_id": address["id"] if address else None,
            "currency": currency,
            "subtotal": subtotal,
            "discount": discount,
            "shipping": shipping,
            "tax": Decimal(0),
            "total": total,
            "placed_at": placed_at,
            "created_at": work.now,
            "updated_at": work.now,
        },
        lines=[],
        address=address,
        path=path,
    )
    for n, (variant, line, price) in enumerate(zip(variants, new.lines, quotes, strict=True)):
        line_id = new_id("oln")
        plan.lines.append(
            {
                "id": line_id,
                "order_id": order_id,
                "position": n + 1,
                "variant_id": variant.id,
                "sku": variant.sku,
                "name": variant.name,
                "quantity": line.quantity,
                "currency": currency,
                "unit_price": price.unit_price,
                "subtotal": price.subtotal,
                "discount": price.discount,
                "tax": Decimal(0),
                "total": price.total,
            }
        )
        there = (*path, "lines", n)
        plan.demands.append(
            Demand(
                variant.id,
                line.quantity,
                there,
                variant.sku,
                new.location_id,
                source=line_id,
                document=order_id,
                channel_id=channel.id,
                ruled=channel.ruled,
            )
        )
    return plan


def _channel(new: NewOrder, around: _Surroundings, *, path: Path) -> _Channel:
    if new.channel_id is None:
        return next(channel for channel in around.channels.values() if channel.is_default)
    channel = around.channels.get(new.channel_id)
    if channel is None:
        raise NotFound("There is no such channel.", path=(*path, "channelId"))
    return channel


def _currency(new: NewOrder, channel: _Channel, around: _Surroundings, *, path: Path) -> CurrencyCode:
    currency = new.currency or channel.currency
    if currency != around.base_currency:
        sentence = (
            f"The books are kept in {around.base_currency}, and there are no exchange rates yet to post {currency}."
        )
        raise Invalid(sentence, path=(*path, "currency"))
    return CurrencyCode(currency)


def _variants(new: NewOrder, around: _Surroundings, *, path: Path) -> list[Sellable]:
    """The variants of the lines. Refused with all offences at once."""
    found: list[Sellable] = []
    refusals: list[Refusal] = []
    for n, line in enumerate(new.lines):
        there = (*path, "lines", n)
        name = "variantId" if line.variant_id is not None else "sku"
        if (line.variant_id is None) == (line.sku is None):
            refusals.append(Invalid("Name the variant by its id or by its SKU.", path=there))
            continue
        variant = (
            around.by_id.get(line.variant_id) if line.variant_id is not None else around.by_sku.get(line.sku or "")
        )
        if variant is None:
            refusals.append(NotFound("There is no such variant.", path=(*there, name)))
        elif variant.status not in (ProductStatus.ACTIVE, ProductStatus.DISCONTINUED):
            sentence = f"{variant.sku} is {variant.status.lower()}: only what is on sale can be ordered."
            refusals.append(NotAllowedNow(sentence, path=(*there, name)))
        elif line.quantity <= 0:
            refusals.append(Invalid("The quantity must be more than zero.", path=(*there, "quantity")))
        elif fault := variant.quantity_fault(line.quantity):
            refusals.append(Invalid(fault, path=(*there, "quantity")))
        else:
            found.append(variant)
    Refusals.raise_if_any(refusals)
    return found


async def _allocate(work: Work, news: Sequence[NewOrder], plans: Sequence[_Plan]) -> None:
    """Bind stock to all lines: the orders without a hold together, and each one with a hold by itself."""
    pairs = list(zip(news, plans, strict=True))
    free = [demand for new, plan in pairs if new.reservation_id is None for demand in plan.demands]
    if free:
        await stock.allocate(work, free, may_wait=True)
    for new, plan in pairs:
        if new.reservation_id is not None:
            path = (*plan.path, "reservationId")
            await stock.allocate(work, plan.demands, reservation_id=new.reservation_id, path=path, may_wait=True)
