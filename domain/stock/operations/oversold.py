"""What was handed over before the books knew of it is booked as soon as they do.

Whatever brings goods to a place says `owed` before it serves those who wait, gives them only what is `beyond` that, and
says `settle` once its own movements and lines are written: all in one act.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain import ledger
from domain.kernel import bulk
from domain.kernel.ids import ID
from domain.kernel.money import currency_digits, format_quantity
from domain.kernel.work import Work
from domain.stock import costs, postings
from domain.stock.contents import Part, contents_of, for_sale, parts, pick
from domain.stock.events import StockDiscrepancySettled, StockDiscrepancyUpdated, StockShipped
from domain.stock.locked import Levels, Move
from domain.stock.tables import DiscrepancyKind, DiscrepancyResolution, Place, StockDiscrepancy, StockMovementKind


@dataclass
class Debt:
    """An open case, and how much of what it misses can be booked now."""

    case: ID
    place: Place
    missing: Decimal
    booked_before: Decimal
    source: ID | None
    version: int
    now: Decimal

    @property
    def rest(self) -> Decimal:
        """What is missing still."""
        return self.missing - self.now


_OPEN = """
SELECT cases.id, cases.variant_id, cases.location_id, cases.quantity, cases.expected, cases.source, cases.version
FROM stock_discrepancies AS cases
JOIN unnest($1::uuid[], $2::uuid[]) AS place(variant_id, location_id)
  ON place.variant_id = cases.variant_id AND place.location_id = cases.location_id
WHERE cases.kind = 'OVERSOLD' AND cases.settled_at IS NULL ORDER BY cases.opened_at, cases.id FOR UPDATE OF cases
"""


async def owed(work: Work, levels: Levels, coming: Mapping[Place, Decimal]) -> list[Debt]:
    """What can be booked of open cases at places that so much comes to, the oldest first. The levels are locked, and
    what comes is not on them yet.
    """
    places = [place for place, quantity in coming.items() if quantity + levels.by_place[place].available > 0]
    if not places:
        return []
    left = {place: coming[place] + levels.by_place[place].available for place in places}
    debts: list[Debt] = []
    found = await work.raw.fetch(_OPEN, [place[0][4:] for place in places], [place[1][4:] for place in places])
    for row in found:
        place = ID("var_" + row["variant_id"]), ID("loc_" + row["location_id"])
        part = min(left[place], row["quantity"])
        left[place] -= part
        if part > 0:
            case = ID("sdc_" + row["id"])
            debts.append(Debt(case, place, row["quantity"], row["expected"], row["source"], row["version"], part))
    return debts


def beyond(coming: Mapping[Place, Decimal], debts: Sequence[Debt]) -> dict[Place, Decimal]:
    """What comes to each place, less what is owed there."""
    rest = dict(coming)
    for debt in debts:
        rest[debt.place] -= debt.now
    return rest


async def settle(work: Work, levels: Levels, debts: Sequence[Debt]) -> None:
    """The debts leave the books, at the cost that goods have there now. A case that nothing is missing of any more is
    settled; of another one less is missing.
    """
    if not debts:
        return
    kept = await ledger.books(work)
    digits = currency_digits(kept.currency)
    places = sorted({debt.place for debt in debts})
    layers = await costs.live_layers(work, places)
    lying = await contents_of(work, [levels.by_place[place] for place in places])
    taken: list[tuple[Debt, list[Part]]] = []
    for debt in debts:
        picks = pick(for_sale(lying[debt.place], kept.today), debt.now)
        debt.now = sum((each.quantity for each in picks), Decimal(0))  # what has expired meanwhile cannot have left
        if debt.now:
            taken.append((debt, parts(costs.draw(layers[debt.place], debt.now, digits), picks, digits)))
    worth = [sum((each.value for each in mine), Decimal(0)) for _, mine in taken]
    drafts = [
        ledger.Draft(
            "Handed over earlier, booked now",
            debt.source,
            ledger.about(postings.handed_over(value), location=debt.place[1]),
        )
        for (debt, _), value in zip(taken, worth, strict=True)
        if value
    ]
    entries = await ledger.open_entries(work, drafts, kept)
    opened = iter(entries)
    moves: list[Move] = []
    for (debt, mine), value in zip(taken, worth, strict=True):
        entry = next(opened) if value else None
        moves += [
            Move(
                levels.by_place[debt.place],
                -each.quantity,
                -each.value,
                StockMovementKind.SHIPMENT,
                layer_id=each.layer_id,
                content=each.content,
                entry_id=entry,
                source=debt.source,
            )
            for each in mine
        ]
    await levels.move(moves, StockShipped)
    await ledger.write_lines(
        work, [(entry, draft.postings) for entry, draft in zip(entries, drafts, strict=True)], kept
    )
    await _write(work, [debt for debt, _ in taken])


async def _write(work: Work, debts: Sequence[Debt]) -> None:
    """The cases say what was booked. The quantity of a settled one stays what was missing last."""
    rows = [
        {
            "id": debt.case,
            "quantity": debt.rest or debt.missing,
            "expected": debt.booked_before + debt.now,
            "seen_at": work.now,
            "settled_at": None if debt.rest else work.now,
            "resolution": None if debt.rest else DiscrepancyResolution.ADJUSTED,
            "version": debt.version + 1,
        }
        for debt in debts
    ]
    await bulk.update(work, StockDiscrepancy, rows)
    for debt in debts:
        variant, location = debt.place
        kind = DiscrepancyKind.OVERSOLD
        if debt.rest:
            quantity = format_quantity(debt.rest)
            work.announce(
                StockDiscrepancyUpdated(debt.case, kind=kind, variant=variant, location=location, quantity=quantity)
            )
        else:
            resolution = DiscrepancyResolution.ADJUSTED
            work.announce(
                StockDiscrepancySettled(debt.case, kind=kind, variant=variant, location=location, resolution=resolution)
            )
