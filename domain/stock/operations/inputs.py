"""What every act of stock checks of its input before it locks anything."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from domain import catalog, ledger
from domain.catalog import Sellable
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals
from domain.kernel.ids import ID, is_id
from domain.kernel.money import AMOUNT_LIMIT, Money, currency_codes
from domain.kernel.work import Work
from domain.stock.tables import LocationKind

Path = tuple[str | int, ...]

MOST_LINES = 10_000
"""Lines of one act."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""What is said to have happened before is a slip of the pen: no goods that are here came so long ago."""


@dataclass(frozen=True)
class Wanted:
    """A variant and a quantity that somebody wrote down, and where."""

    variant_id: str
    quantity: Decimal
    path: Path
    name: str = "quantity"
    """What the quantity is called there."""


async def existing_location(work: Work, location_id: str, *, path: Path) -> ID:
    """The location of that id. Refused with NotFound when there is none."""
    await existing_locations(work, {location_id: path})
    return ID(location_id)


async def existing_locations(work: Work, paths: Mapping[str, Path]) -> None:
    """Make sure that these locations exist, each named at a path. Refused with one NotFound per missing one."""
    await _kinds(work, paths)


async def selling_locations(work: Work, paths: Mapping[str, Path]) -> None:
    """Make sure that these are locations from which goods may be promised, each named at a path. Refused with one
    NotFound per missing one, and one Invalid for each that stands for goods in transit.
    """
    kinds = await _kinds(work, paths)
    sentence = "Nothing is sold from goods in transit: name the place where they arrive."
    on_the_road = [each for each, kind in kinds.items() if kind == LocationKind.TRANSIT]
    Refusals.raise_if_any([Invalid(sentence, path=paths[each]) for each in on_the_road])


async def _kinds(work: Work, paths: Mapping[str, Path]) -> dict[str, str]:
    """The kind of each location. Refused with one NotFound per missing one."""
    wanted = [each[4:] for each in paths if is_id(each, "loc")]
    records = await work.raw.fetch("SELECT id, kind FROM locations WHERE id = ANY($1)", wanted) if wanted else []
    kinds = {"loc_" + record["id"]: record["kind"] for record in records}
    missing = [NotFound("There is no such location.", path=path) for row, path in paths.items() if row not in kinds]
    Refusals.raise_if_any(missing)
    return kinds


def counted(lines: Sequence[Any], *, path: Path) -> None:
    """Refuse an act without lines, or with more than it may have."""
    if not lines:
        raise Invalid("Name at least one line.", path=path)
    if len(lines) > MOST_LINES:
        raise Invalid(f"At most {MOST_LINES:,} lines in one act.", path=path)


async def known_variants(work: Work, wanted: Collection[Wanted], *, least: Decimal | None = None) -> dict[ID, Sellable]:
    """The variants that lines name. Refused with one NotFound per unknown one, and one Invalid per quantity that
    cannot be: more decimals than its unit has, or not more than `least`.
    """
    variants = await catalog.sellables(work, [each.variant_id for each in wanted])
    refusals: list[Refusal] = []
    for each in wanted:
        variant = variants.get(ID(each.variant_id))
        if variant is None:
            refusals.append(NotFound("There is no such variant.", path=(*each.path, "variantId")))
        elif least is not None and each.quantity <= least:
            refusals.append(Invalid("The quantity must be more than zero.", path=(*each.path, each.name)))
        elif fault := variant.quantity_fault(each.quantity):
            refusals.append(Invalid(fault, path=(*each.path, each.name)))
    Refusals.raise_if_any(refusals)
    return variants


def refuse_twice(named: Sequence[Any], *, path: Path) -> None:
    """Refuse what is named by two lines: a variant, or a variant with its bin, lot and state."""
    seen: set[Any] = set()
    for n, each in enumerate(named):
        if each in seen:
            raise Invalid("This variant is named twice: say it in one line.", path=(*path, n, "variantId"))
        seen.add(each)


def check_happened(work: Work, instant: datetime | None, *, path: Path) -> None:
    """Refuse an instant at which nothing can have happened: one that has not come yet, or lies before EARLIEST."""
    if instant is not None and instant > work.now:
        raise Invalid("This cannot have happened later than now.", path=path)
    if instant is not None and instant < EARLIEST:
        raise Invalid(f"This cannot have happened before {EARLIEST.year}: look at the year again.", path=path)


def cost_fault(cost: Money, *, path: Path, quantity: Decimal = Decimal(1)) -> Refusal | None:
    """What is wrong with the unit cost of so many, in any currency: it is not negative, and together they come to less
    than AMOUNT_LIMIT. This bound is on what is stated alone: what follows from costs is never too much to be kept (see
    CARRIED_DIGITS), or whoever states some could learn others.
    """
    if cost.currency not in currency_codes():
        return Invalid(f"{cost.currency} is no currency code of ISO 4217.", path=(*path, "currency"))
    if cost.amount < 0:
        return Invalid("A cost cannot be negative.", path=(*path, "amount"))
    if quantity * cost.amount >= AMOUNT_LIMIT:
        return too_dear(path=path)
    return None


def too_dear(*, path: Path) -> Refusal:
    """So many at this cost are worth more than somebody may state."""
    return Invalid("At this cost they come to more than can be kept.", path=(*path, "amount"))


def unit_cost_fault(cost: Money, kept: ledger.Books, *, path: Path, quantity: Decimal = Decimal(1)) -> Refusal | None:
    """What is wrong with the unit cost of so many, which must be in the currency of the books."""
    fault = cost_fault(cost, path=path, quantity=quantity)
    if fault is None and cost.currency != kept.currency:
        sentence = f"The books are kept in {kept.currency}: say the cost in {kept.currency}."
        return Invalid(sentence, path=(*path, "currency"))
    return fault
