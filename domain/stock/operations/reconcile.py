"""Somebody else counts our goods too: their figures are compared with ours, and differences become cases.

Nothing of this touches stock: a difference stays a case until somebody settles it, or until both sides agree again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain import catalog
from domain.catalog import Sellable
from domain.kernel import bulk, words
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals
from domain.kernel.ids import ID
from domain.kernel.money import Quantity, format_quantity
from domain.kernel.work import Work
from domain.stock.events import StockDiscrepancySettled, StockDiscrepancyUpdated
from domain.stock.operations import inputs
from domain.stock.operations.cases import NewCase, open_cases
from domain.stock.tables import DiscrepancyKind, DiscrepancyResolution, StockDiscrepancy


@dataclass(frozen=True)
class ReportedLine:
    """How much somebody else says is there of one variant, named by its id or its SKU."""

    quantity: Quantity
    """How many they say are there, in the variant's unit. Some systems say less than nothing: that is kept as it is."""
    variant_id: ID | None = None
    """The variant, by its id; or give `sku`."""
    sku: str | None = None
    """The variant, by its SKU."""


@dataclass(frozen=True)
class Snapshot:
    """What another system says is at a location."""

    location_id: ID
    """Where."""
    system: str
    """Who says so, such as the fulfillment house; always the same name for the same system."""
    lines: list[ReportedLine]
    """The variants, each once; at most 10,000. Those that are not named are not compared."""
    taken_at: datetime | None = None
    """When it was so; now, when left out. Never in the future, nor before 1970. Ours is what was on hand then. Of a
    variant of which the same system has said something later already, it changes nothing."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """What both sides say of a variant."""

    variant_id: ID
    expected: Decimal
    reported: Decimal

    @property
    def quantity(self) -> Decimal:
        return abs(self.reported - self.expected)


_LOCK = """
SELECT id, variant_id, version, taken_at FROM stock_discrepancies
WHERE kind = 'EXTERNAL' AND settled_at IS NULL AND system = $1 AND location_id = $2 AND variant_id = ANY($3)
ORDER BY id FOR NO KEY UPDATE
"""
_OVERTAKEN = """
SELECT DISTINCT variant_id FROM stock_discrepancies
WHERE kind = 'EXTERNAL' AND system = $1 AND location_id = $2 AND variant_id = ANY($3) AND taken_at > $4
"""
"""Settled cases, too: what an older snapshot says was looked at with them, and booked perhaps."""


@dataclass(frozen=True, slots=True)
class _Open:
    """An open case, as it is now."""

    id: ID
    version: int
    taken_at: datetime


async def reconcile(work: Work, snapshot: Snapshot) -> list[ID]:
    """Every difference is an open case, one for each variant, place and system: an open one is brought up to date and
    stays as old as it is, and what agrees by now is settled as AGREED. The latest word stays: a snapshot that was taken
    before the one that a case stands for, be it settled or open, leaves all as it is. Returns the cases that this is
    about, in the order of the lines. Stock is left as it is.

    Refused with NotFound and Invalid.
    """
    location = await inputs.existing_location(work, snapshot.location_id, path=("input", "locationId"))
    system = words.line(snapshot.system, path=("input", "system"))
    inputs.counted(snapshot.lines, path=("input", "lines"))
    inputs.check_happened(work, snapshot.taken_at, path=("input", "takenAt"))
    variants = await _variants(work, snapshot.lines)
    # Two snapshots of one system wait for each other: otherwise both would open the same case.
    await work.raw.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"stock.reconcile {location} {system}"
    )
    wanted = [variant.id[4:] for variant in variants]
    records = await work.raw.fetch(_LOCK, system, location[4:], wanted)
    cases = {
        ID("var_" + each["variant_id"]): _Open(ID("sdc_" + each["id"]), each["version"], each["taken_at"])
        for each in records
    }
    # What is true now is never old, even where somebody who began later had his turn before.
    overtaken = await _overtaken(work, location, system, wanted, snapshot.taken_at) if snapshot.taken_at else set()
    taken_at = snapshot.taken_at or work.now
    books = await _on_hand(work, location, variants, taken_at)
    compared = [
        _Compared(variant.id, books[variant.id], line.quantity)
        for variant, line in zip(variants, snapshot.lines, strict=True)
    ]
    news = [each for each in compared if each.variant_id not in overtaken]
    fresh = [each for each in news if each.quantity and each.variant_id not in cases]
    opened = await open_cases(work, [_new_case(each, location, system, taken_at) for each in fresh])
    known = [(each, cases[each.variant_id]) for each in news if each.variant_id in cases]
    await _update(work, location, [(each, case) for each, case in known if each.quantity], taken_at)
    await _agree(work, location, [(each, case) for each, case in known if not each.quantity], taken_at)
    ids = {variant: case.id for variant, case in cases.items()}
    ids |= {each.variant_id: case for each, case in zip(fresh, opened, strict=True)}
    return [ids[each.variant_id] for each in compared if each.variant_id in ids]


async def _overtaken(work: Work, location: ID, system: str, variants: Sequence[str], taken_at: datetime) -> set[ID]:
    """Of which of these variants the system has said something already that is later than this instant."""
    records = await work.raw.fetch(_OVERTAKEN, system, location[4:], variants, taken_at)
    return {ID("var_" + record["variant_id"]) for record in records}


def _new_case(each: _Compared, location: ID, system: str, taken_at: datetime) -> NewCase:
    return NewCase(
        DiscrepancyKind.EXTERNAL,
        (each.variant_id, location),
        each.quantity,
        expected=each.expected,
        reported=each.reported,
        system=system,
        taken_at=taken_at,
    )


async def _variants(work: Work, lines: Sequence[ReportedLine]) -> list[Sellable]:
    """The variants that lines name, each once. Refused with NotFound and Invalid."""
    by_id = await catalog.sellables(work, [line.variant_id for line in lines if line.variant_id is not None])
    by_sku = await catalog.sellables_by_sku(work, [line.sku for line in lines if line.sku is not None])
    refusals: list[Refusal] = []
    found: list[Sellable] = []
    seen: set[ID] = set()
    for n, line in enumerate(lines):
        path = ("input", "lines", n)
        name = "variantId" if line.variant_id is not None else "sku"
        if (line.variant_id is None) == (line.sku is None):
            refusals.append(Invalid("Name the variant by its id or by its SKU.", path=path))
            continue
        variant = by_id.get(line.variant_id) if line.variant_id is not None else by_sku.get(line.sku or "")
        if variant is None:
            refusals.append(NotFound("There is no such variant.", path=(*path, name)))
        elif variant.id in seen:
            refusals.append(Invalid("This variant is named twice: say it in one line.", path=(*path, name)))
        elif fault := variant.quantity_fault(line.quantity):
            refusals.append(Invalid(fault, path=(*path, "quantity")))
        else:
            seen.add(variant.id)
            found.append(variant)
    Refusals.raise_if_any(refusals)
    return found


_ON_HAND = """
SELECT wanted.variant_id, coalesce(level.on_hand, 0) - coalesce(later.quantity, 0) AS on_hand
FROM unnest($1::uuid[]) AS wanted(variant_id)
LEFT JOIN stock_levels AS level ON level.variant_id = wanted.variant_id AND level.location_id = $2
CROSS JOIN LATERAL (
  SELECT sum(quantity) AS quantity FROM stock_movements
  WHERE variant_id = wanted.variant_id AND location_id = $2 AND effective_at > $3) AS later
"""
"""What is there less what came later: a snapshot is young, and few movements are younger."""


async def _on_hand(work: Work, location: ID, variants: Sequence[Sellable], instant: datetime) -> Mapping[ID, Decimal]:
    """What was on hand at an instant, as the books have it by now."""
    records = await work.raw.fetch(_ON_HAND, [variant.id[4:] for variant in variants], location[4:], instant)
    return {ID("var_" + record["variant_id"]): record["on_hand"] for record in records}


async def _update(
    work: Work,
    location: ID,
    known: Sequence[tuple[_Compared, _Open]],
    taken_at: datetime,
) -> None:
    """These cases are open still, with other figures."""
    rows: list[dict[str, Any]] = []
    for each, case in known:
        figures = {"quantity": each.quantity, "expected": each.expected, "reported": each.reported}
        rows.append({**_told(case, taken_at), **figures, "seen_at": work.now})
        work.announce(
            StockDiscrepancyUpdated(
                case.id,
                kind=DiscrepancyKind.EXTERNAL,
                variant=each.variant_id,
                location=location,
                quantity=format_quantity(each.quantity),
            )
        )
    await bulk.update(work, StockDiscrepancy, rows)


async def _agree(
    work: Work,
    location: ID,
    known: Sequence[tuple[_Compared, _Open]],
    taken_at: datetime,
) -> None:
    """Both sides say the same by now. The cases keep the figures for which they were open."""
    rows: list[dict[str, Any]] = []
    for each, case in known:
        settled = {"settled_at": work.now, "resolution": DiscrepancyResolution.AGREED}
        rows.append({**_told(case, taken_at), **settled})
        work.announce(
            StockDiscrepancySettled(
                case.id,
                kind=DiscrepancyKind.EXTERNAL,
                variant=each.variant_id,
                location=location,
                resolution=DiscrepancyResolution.AGREED,
            )
        )
    await bulk.update(work, StockDiscrepancy, rows)


def _told(case: _Open, taken_at: datetime) -> dict[str, Any]:
    """The case is one version on, and stands for the latest snapshot."""
    return {"id": case.id, "version": case.version + 1, "taken_at": max(taken_at, case.taken_at)}
