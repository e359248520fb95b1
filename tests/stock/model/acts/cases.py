"""Another system counts differently, and somebody settles cases."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Self

from domain import stock
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work
from domain.stock import CaseSettlement, DiscrepancySettlement, ReportedLine, Snapshot
from tests.stock.model.acts.base import Act, Seen, decimal, dollars, json, some, variants
from tests.stock.model.acts.corrections import Difference, booked
from tests.stock.model.exact import Many
from tests.stock.model.kept import NOTHING, Case, Content, No
from tests.stock.model.reference import Model
from tests.stock.model.world import CaseKey, Place, World

SYSTEMS = "3PL", "Market"


@dataclass(frozen=True)
class Reconcile(Act):
    """Another system says what is at a location, or was a while ago: what differs is an open case."""

    location: int
    system: str
    lines: tuple[tuple[int, Many], ...]
    taken_at: datetime | None = None
    by_sku: bool = False

    document = """mutation R($input: StockReconcileInput!, $key: String) {
      stockReconcile(input: $input, idempotencyKey: $key) { discrepancies { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        location = chance.randrange(len(model.world.locations))
        lines: list[tuple[int, Many]] = []
        for variant in variants(chance, model):
            said = model.figures((variant, location)).on_hand
            if chance.random() < 0.6:
                few = some(chance, model, variant, 3)
                said += few if chance.random() < 0.5 else -few
            lines.append((variant, said))
        if chance.random() < 0.03:
            lines.append(lines[0])
        taken_at = now - timedelta(seconds=chance.randint(1, 900)) if chance.random() < 0.4 else None
        return cls(location, chance.choice(SYSTEMS), tuple(lines), taken_at, chance.random() < 0.2)

    def new(self, world: World) -> Snapshot:
        """What is told."""
        lines = [
            ReportedLine(decimal(many), sku=world.skus[row])
            if self.by_sku
            else ReportedLine(decimal(many), world.variant_ids[row])
            for row, many in self.lines
        ]
        return Snapshot(world.location_ids[self.location], self.system, lines, self.taken_at)

    async def run(self, work: Work, world: World) -> None:
        await stock.reconcile(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        rows = [row for row, _ in self.lines]
        if len(set(rows)) < len(rows):
            raise No("INVALID")
        at = self.taken_at or seen.now
        books = {row: self._on_hand(model, (row, self.location), at) for row in rows}
        model.noticed["on hand"] = books
        for row, reported in self.lines:
            place, expected = (row, self.location), books[row]
            told = self._told(model, place)
            if self.taken_at is not None and any(self.taken_at < _taken(case) for case in told.values()):
                continue  # they have said something newer since
            mine = [key for key, case in told.items() if case.resolution is None]
            assert len(mine) < 2
            differs = abs(reported - expected)
            if not mine and differs:
                case = Case("EXTERNAL", place, differs, expected, reported, system=self.system, taken_at=at)
                model.open_case(case)
            for key in mine:
                newest = max(at, _taken(told[key]))
                if differs:
                    said = {"quantity": differs, "expected": expected, "reported": reported}
                    model.change_case(key, **said, taken_at=newest)
                else:
                    model.change_case(key, resolution="AGREED", taken_at=newest)

    def _told(self, model: Model, place: Place) -> dict[CaseKey, Case]:
        """What they ever said of the place that differed, settled or not."""
        return {
            key: case
            for key, case in model.cases.items()
            if (case.kind, case.system, case.place) == ("EXTERNAL", self.system, place)
        }

    @staticmethod
    def _on_hand(model: Model, place: Place, at: datetime) -> Many:
        """What was there then, as the books have it by now."""
        return sum((each.quantity for each in model.told.get(place, ()) if each.effective_at <= at), NOTHING)


def _taken(case: Case) -> datetime:
    assert case.taken_at is not None
    return case.taken_at


@dataclass(frozen=True)
class SettleCase(Act):
    """A case is closed. Where another system was right, the books are brought in line with it."""

    case: CaseKey
    adjusts: bool
    unit_cost: Fraction | None = None
    """In cents."""
    lot: int | None = None

    document = """mutation S($id: ID!, $input: StockDiscrepancySettleInput!, $key: String) {
      stockDiscrepancySettle(id: $id, input: $input, idempotencyKey: $key) {
        discrepancy { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        cases = [
            key
            for key, case in model.cases.items()
            if (case.resolution is None and (case.kind == "EXTERNAL" or chance.random() < 0.2))
            or chance.random() < 0.002
        ]
        if not cases:
            return None
        key = chance.choice(cases)
        kept = model.world.variants[key[2][0]]
        named = bool(kept.lots) and chance.random() < (0.9 if kept.tracked else 0.2)
        lot = chance.randrange(len(kept.lots)) if named else None
        cost = Fraction(chance.choice([0, 60, 333])) if chance.random() < 0.4 else None
        return cls(key, chance.random() < 0.7, cost, lot)

    def new(self, world: World) -> CaseSettlement:
        """What is told."""
        return CaseSettlement(
            DiscrepancySettlement.ADJUSTED if self.adjusts else DiscrepancySettlement.DISMISSED,
            unit_cost=None if self.unit_cost is None else Money(dollars(self.unit_cost), CurrencyCode("USD")),
            lot_id=None if self.lot is None else world.lot_ids[self.case[2][0]][self.lot],
        )

    def possible(self, world: World) -> bool:
        return self.case in world.cases

    async def run(self, work: Work, world: World) -> None:
        await stock.settle_case(work, world.cases[self.case], self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": world.cases[self.case], "input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        case = model.cases[self.case]
        if case.resolution is not None:
            raise No("NOT_ALLOWED_NOW")
        if self.adjusts and case.kind == "EXTERNAL":
            self._bring_in_line(model, case, seen)
        model.change_case(self.case, resolution="ADJUSTED" if self.adjusts else "DISMISSED")

    def _bring_in_line(self, model: Model, case: Case, seen: Seen) -> None:
        """By the difference that the case is about, whatever moved since. Less than nothing is nothing."""
        assert case.expected is not None
        assert case.reported is not None
        more, where = max(case.reported, NOTHING) - case.expected, Content(lot=self.lot)
        if not more:
            return
        if more > 0 and (
            (self.lot is None and model.world.variants[case.place[0]].tracked)
            or model.cannot_join(case.place[0], where)
        ):
            raise No("INVALID")
        model.versions.setdefault(case.place, 0)
        if model.figures(case.place).on_hand + more < 0:
            raise No("INSUFFICIENT_STOCK")
        cost = self.unit_cost if more > 0 else None
        booked(model, [Difference(case.place, more, where, cost)], "CORRECTION", seen.now, seen)
