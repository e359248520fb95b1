"""Goods move within their location: to another bin, or into or out of what is not to be sold."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from domain import ledger
from domain.catalog import Sellable
from domain.kernel import words
from domain.kernel.absent import ABSENT, Absent
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.ids import ID
from domain.kernel.money import Quantity, format_quantity
from domain.kernel.work import Work
from domain.stock.contents import Content, Lying, contents_of, pick
from domain.stock.errors import InsufficientStock, NotForSale
from domain.stock.locked import Level, Levels
from domain.stock.operations import inputs
from domain.stock.operations.backorders import fill_backorders
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.reserve import free_expired
from domain.stock.operations.shelves import Shelved, contents_named
from domain.stock.operations.steps import Step, shortfall, take, withdrawn
from domain.stock.tables import Place, UnavailableState

LONGEST_REASON = 64


@dataclass(frozen=True)
class NewRelocationLine:
    """How much of one variant moves from where to where. Its lot stays what it is."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """How many, in the variant's unit; more than zero."""
    from_bin_id: ID | None = None
    """The bin that it comes from; from wherever it lies when left out, loose goods first."""
    from_lot_id: ID | None = None
    """The lot that it belongs to; any when left out, what expires first before the rest."""
    from_state: UnavailableState | None = None
    """The state that it is in; what may be sold when left out."""
    to_bin_id: ID | Absent | None = ABSENT
    """The bin that it goes to, null for no bin; it stays in its bin when left out."""
    to_state: UnavailableState | Absent | None = ABSENT
    """The state that it comes into, null for what may be sold; it keeps its state when left out."""


@dataclass(frozen=True)
class NewRelocation:
    """Goods to move within one location."""

    location_id: ID
    """Where."""
    lines: list[NewRelocationLine]
    """What moves; at most 10,000 lines, which are done in their order."""
    reason: str | None = None
    """Why, in a few words, for ever: at most 64 characters, and no name of a person."""


async def relocate(work: Work, new: NewRelocation) -> list[ID]:
    """The goods lie where the lines say, and in the state they say. Returns the levels. Nothing is posted: they are
    worth what they were.

    What comes out of a state goes to those who wait for it. Refused with NotFound and Invalid; with InsufficientStock
    when less lies there, or when what would come into a state is promised to somebody, once expired holds have given
    way; with NotForSale when what would come out of a state is past its date or was recalled.
    """
    there: Path = ("input", "lines")
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    inputs.counted(new.lines, path=there)
    reason = new.reason
    if reason is not None:
        reason = words.line(reason, path=("input", "reason"), longest=LONGEST_REASON)
    wanted = [Wanted(line.variant_id, line.quantity, (*there, n)) for n, line in enumerate(new.lines)]
    variants = await inputs.known_variants(work, wanted, least=Decimal(0))
    Refusals.raise_if_any(
        [
            Invalid("Nothing would change: say the bin it goes to, or the state it comes into.", path=(*there, n))
            for n, line in enumerate(new.lines)
            if _changes_nothing(line)
        ]
    )
    sources = await contents_named(work, _shelved(new.lines, location, path=there))
    levels = await Levels.lock(work, {(line.variant_id, location) for line in new.lines})
    steps = await _steps(work, levels, new, sources, variants)
    less = withdrawn([step for _, step in steps])
    freed = await _refuse_promised(work, levels, less, steps, variants)
    more = {place: -quantity for place, quantity in less.items() if quantity < 0 or place in freed}
    if more:
        await fill_backorders(work, levels, more)
    await take(work, levels, [replace(step, reason=reason) for _, step in steps])
    return list(dict.fromkeys(step.level.id for _, step in steps))


def _changes_nothing(line: NewRelocationLine) -> bool:
    stays = line.to_bin_id is ABSENT or (line.from_bin_id is not None and line.to_bin_id == line.from_bin_id)
    return stays and line.to_state in (ABSENT, line.from_state)


def _shelved(lines: Sequence[NewRelocationLine], location: ID, *, path: Path) -> list[Shelved]:
    """Where each line says that its goods are; behind them, the bins that lines say they go to."""
    sources = [
        Shelved(
            line.variant_id,
            location,
            (*path, n),
            line.from_bin_id,
            lot_id=line.from_lot_id,
            state=line.from_state,
            bin_name="fromBinId",
            lot_name="fromLotId",
        )
        for n, line in enumerate(lines)
    ]
    targets = [
        Shelved(line.variant_id, location, (*path, n), line.to_bin_id, bin_name="toBinId")
        for n, line in enumerate(lines)
        if line.to_bin_id is not ABSENT
    ]
    return [*sources, *targets]


async def _steps(
    work: Work,
    levels: Levels,
    new: NewRelocation,
    sources: Sequence[Content],
    variants: Mapping[ID, Sellable],
) -> list[tuple[Path, Step]]:
    """What each line moves. Refused with InsufficientStock and NotForSale when less than it says can be moved so."""
    today = (await ledger.books(work)).today
    lying = await contents_of(work, list(levels))
    refusals: list[Refusal] = []
    steps: list[tuple[Path, Step]] = []
    for n, line in enumerate(new.lines):
        path: Path = ("input", "lines", n)
        level = levels.by_place.get((line.variant_id, new.location_id))
        there = _lying_there(lying[level.place], line, sources[n]) if level is not None else []
        movable = [each for each in there if not _stays_unsold(each, line, today)]
        quantity = sum((each.quantity for each in there), Decimal(0))
        if level is None or quantity < line.quantity:
            refusals.append(
                InsufficientStock(
                    f"Only {format_quantity(quantity)} of {variants[line.variant_id].sku} lie there so.",
                    path=(*path, "quantity"),
                    variant=line.variant_id,
                    requested=line.quantity,
                    available=quantity,
                )
            )
        elif sum((each.quantity for each in movable), Decimal(0)) < line.quantity:
            sentence = "It is past its date or was recalled, so it cannot be sold: it stays in its state."
            refusals.append(NotForSale(sentence, path=(*path, "toState")))
        else:
            steps += [(path, each) for each in _taken(level, line, movable)]
    Refusals.raise_if_any(refusals)
    return steps


def _lying_there(lying: Sequence[Lying], line: NewRelocationLine, source: Content) -> list[Lying]:
    """What lies as the line says, and would not go where it is already."""
    return [
        each
        for each in lying
        if each.content.state == source.state
        and source.bin_id in (None, each.content.bin_id)
        and source.lot_id in (None, each.content.lot_id)
        and _target(line, each.content) != each.content
    ]


def _target(line: NewRelocationLine, source: Content) -> Content:
    return Content(
        source.bin_id if line.to_bin_id is ABSENT else line.to_bin_id,
        source.lot_id,
        source.state if line.to_state is ABSENT else line.to_state,
    )


def _stays_unsold(lying: Lying, line: NewRelocationLine, today: date) -> bool:
    """Whether it may not come out of its state, as the line wants it to."""
    return lying.content.state is not None and line.to_state is None and not lying.may_be_sold(today)


def _taken(level: Level, line: NewRelocationLine, movable: Sequence[Lying]) -> list[Step]:
    picks = pick(movable, line.quantity)
    return [Step(level, each.quantity, each.content, _target(line, each.content)) for each in picks]


async def _refuse_promised(
    work: Work,
    levels: Levels,
    less: Mapping[Place, Decimal],
    steps: Sequence[tuple[Path, Step]],
    variants: Mapping[ID, Sellable],
) -> Collection[Place]:
    """Refuse with InsufficientStock what would come into a state, but is promised to somebody. Returns the places where
    expired holds had to give way.
    """
    freed = shortfall(levels, less)
    if freed:
        await free_expired(work, levels, freed)
    refusals: dict[Place, Refusal] = {}
    for place in shortfall(levels, less):
        available = levels.by_place[place].available
        path = next(path for path, step in steps if step.level.place == place and step.withdrawn > 0)
        refusals[place] = InsufficientStock(
            f"Only {format_quantity(available)} of {variants[place[0]].sku} are not promised to anybody there.",
            path=(*path, "quantity"),
            variant=place[0],
            requested=less[place],
            available=available,
        )
    Refusals.raise_if_any(list(refusals.values()))
    return freed
