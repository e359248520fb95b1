"""Goods are a customer's at once, as at a till: nothing was allocated before."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from domain import ledger
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals
from domain.kernel.ids import ID, is_id
from domain.kernel.money import Quantity, currency_digits, format_quantity
from domain.kernel.work import Work
from domain.stock import contents, costs, postings
from domain.stock.contents import Contents, Part
from domain.stock.errors import InsufficientStock, NotForSale
from domain.stock.events import StockShipped
from domain.stock.locked import Level, Levels, Move
from domain.stock.operations import inputs
from domain.stock.operations.backorders import fill_backorders, give_way, lock_queues
from domain.stock.operations.cases import NewCase, open_cases
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.reserve import free_expired
from domain.stock.tables import DiscrepancyKind, LocationKind, Place, StockMovementKind


@dataclass(frozen=True)
class Handed:
    """How much of a variant a customer takes along."""

    variant_id: ID
    quantity: Decimal
    path: Path
    """Where in the input it was said."""
    sku: str


@dataclass
class HandedOver:
    """What came of it."""

    costs: list[Decimal]
    """What the books say that each line cost, in their currency; in the order of the lines. What is booked later costs
    later."""
    cases: list[ID] = field(default_factory=list)
    """The cases that were opened, where the location allows more to be handed over than the books know of."""


async def hand_over(work: Work, location_id: ID, lines: Sequence[Handed], *, source: ID) -> HandedOver:
    """The goods have left the location for the document `source`, and their cost is in the books.

    Refused with NotFound, and with Invalid for goods in transit; with InsufficientStock for every variant of which less
    is available there, and with NotForSale where what is there is past its date. Where the location allows it, nothing
    is refused of these two, as the goods are in the customer's hand: what is promised to others gives way, and for what
    the books do not have at all a case of kind OVERSOLD is opened. Only what is there moves; the rest is booked as soon
    as it comes in. What expired holds held is the customer's first, too; the rest goes to those who wait.
    """
    path = ("input", "locationId")
    record = await work.raw.fetchrow(_LOCATION, location_id[4:]) if is_id(location_id, "loc") else None
    if record is None:
        raise NotFound("There is no such location.", path=path)
    if record["kind"] == LocationKind.TRANSIT:
        raise Invalid("Nothing is sold from goods in transit: hand them over where they arrive.", path=path)
    allowed = record["allows_oversell"]
    wanted: dict[Place, Decimal] = {}
    for line in lines:
        place = line.variant_id, location_id
        wanted[place] = wanted.get(place, Decimal(0)) + line.quantity
    levels = await Levels.lock(work, list(wanted), create=allowed)
    there = {place: level for place in wanted if (level := levels.by_place.get(place)) is not None}
    freed: Collection[Place] = ()
    if any(wanted[place] > level.available for place, level in there.items()):
        freed = await free_expired(work, levels, list(there))
    kept = await ledger.books(work)
    lying = {
        place: contents.for_sale(each, kept.today)
        for place, each in (await contents.contents_of(work, list(there.values()))).items()
    }
    if not allowed:
        Refusals.raise_if_any(_shortages(lines, location_id, wanted, there, lying))
    else:
        await _make_room(work, levels, wanted, lying, freed=freed)
    taken = await _take(work, location_id, lines, lying, digits=currency_digits(kept.currency))
    if freed:
        booked = _booked(location_id, lines, taken)
        await fill_backorders(work, levels, {place: -booked[place] for place in freed})
    value = sum((part.value for mine in taken for part in mine), Decimal(0))
    handed = ledger.about(postings.handed_over(value), location=location_id)
    drafts = [ledger.Draft("Goods handed over", source, handed)] if value else []
    entries = await ledger.open_entries(work, drafts, kept)
    moves = [
        Move(
            levels.by_place[line.variant_id, location_id],
            -part.quantity,
            -part.value,
            StockMovementKind.SHIPMENT,
            layer_id=part.layer_id,
            content=part.content,
            entry_id=entries[0] if entries else None,
            source=source,
        )
        for line, mine in zip(lines, taken, strict=True)
        for part in mine
    ]
    await levels.move(moves, StockShipped)
    await ledger.write_lines(
        work, [(entry, draft.postings) for entry, draft in zip(entries, drafts, strict=True)], kept
    )
    found = HandedOver([sum((part.value for part in mine), Decimal(0)) for mine in taken])
    found.cases = await open_cases(work, _oversold(location_id, lines, taken, wanted, source))
    return found


@dataclass(frozen=True)
class NewHandOverLine:
    """How much of one variant a customer takes along."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """How many, in the variant's unit; more than zero."""


@dataclass(frozen=True)
class NewHandOver:
    """Goods that a customer takes along."""

    location_id: ID
    """Where they are handed over."""
    lines: list[NewHandOverLine]
    """What is taken along; at most 10,000 lines."""


@dataclass(frozen=True)
class TakenAlong:
    """The levels that changed, and the cases that were opened."""

    levels: list[ID]
    cases: list[ID]


async def take_along(work: Work, new: NewHandOver) -> TakenAlong:
    """The goods have left with a customer: the act itself is the document. Refused as `hand_over` is, and with Invalid
    and NotFound for lines that cannot be.
    """
    inputs.counted(new.lines, path=("input", "lines"))
    wanted = [Wanted(line.variant_id, line.quantity, ("input", "lines", n)) for n, line in enumerate(new.lines)]
    variants = await inputs.known_variants(work, wanted, least=Decimal(0))
    handed = [
        Handed(line.variant_id, line.quantity, each.path, variants[line.variant_id].sku)
        for line, each in zip(new.lines, wanted, strict=True)
    ]
    found = await hand_over(work, new.location_id, handed, source=work.act)
    levels = await Levels.lock(work, {(line.variant_id, new.location_id) for line in new.lines})
    return TakenAlong([level.id for level in levels], found.cases)


_LOCATION = "SELECT kind, allows_oversell FROM locations WHERE id = $1"


def _shortages(
    lines: Sequence[Handed],
    location_id: ID,
    wanted: dict[Place, Decimal],
    there: dict[Place, Level],
    lying: Contents,
) -> list[Refusal]:
    """One refusal per variant of which less is there."""
    refusals: dict[ID, Refusal] = {}
    for line in lines:
        place = line.variant_id, location_id
        available = there[place].available if place in there else Decimal(0)
        path = (*line.path, "quantity")
        if line.variant_id in refusals:
            continue
        if wanted[place] > available:
            refusals[line.variant_id] = InsufficientStock(
                f"Only {format_quantity(available)} of {line.sku} are available here, and"
                f" {format_quantity(wanted[place])} were asked for.",
                path=path,
                variant=line.variant_id,
                requested=wanted[place],
                available=available,
            )
        elif wanted[place] > _sum(lying, place):
            sentence = f"Of {line.sku}, what is left here is past its date."
            refusals[line.variant_id] = NotForSale(sentence, path=path)
    return list(refusals.values())


def _sum(lying: Contents, place: Place) -> Decimal:
    """How much may be sold of what lies there, promised or not."""
    return sum((each.quantity for each in lying[place]), Decimal(0))


async def _make_room(
    work: Work, levels: Levels, wanted: dict[Place, Decimal], lying: Contents, *, freed: Collection[Place]
) -> None:
    """What the customer holds in his hand is nobody else's any more: promises give way, as for any loss. Those who wait
    at the places `freed` are served by the same act, later.
    """
    short = {
        place: rest
        for place, quantity in wanted.items()
        if (rest := min(quantity, _sum(lying, place)) - levels.by_place[place].available) > 0
    }
    if short:
        if freed:
            await lock_queues(work, {variant for variant, _ in (*freed, *short)})
        await give_way(work, levels, short)


async def _take(
    work: Work, location_id: ID, lines: Sequence[Handed], lying: Contents, *, digits: int
) -> list[list[Part]]:
    """What each line takes of what is there."""
    layers = await costs.live_layers(work, list(lying))
    taken: list[list[Part]] = []
    for line in lines:
        place = line.variant_id, location_id
        picks = contents.pick(lying[place], line.quantity)
        part = sum((each.quantity for each in picks), Decimal(0))
        taken.append(contents.parts(costs.draw(layers[place], part, digits), picks, digits) if part else [])
    return taken


def _booked(location_id: ID, lines: Sequence[Handed], taken: Sequence[Sequence[Part]]) -> dict[Place, Decimal]:
    """How much of each variant is taken of what is there."""
    booked: dict[Place, Decimal] = {}
    for line, mine in zip(lines, taken, strict=True):
        place = line.variant_id, location_id
        booked[place] = booked.get(place, Decimal(0)) + sum((part.quantity for part in mine), Decimal(0))
    return booked


def _oversold(
    location_id: ID,
    lines: Sequence[Handed],
    taken: Sequence[Sequence[Part]],
    wanted: dict[Place, Decimal],
    source: ID,
) -> list[NewCase]:
    """A case for each variant of which more was handed over than the books had."""
    booked = _booked(location_id, lines, taken)
    return [
        NewCase(
            DiscrepancyKind.OVERSOLD,
            place,
            quantity - booked[place],
            expected=booked[place],
            reported=quantity,
            source=source,
        )
        for place, quantity in wanted.items()
        if quantity > booked[place]
    ]
