"""Who has taken goods along that the books did not know of: that is booked as soon as they do.

It comes before those who wait: the goods are gone. The oldest case comes first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.stock.model.exact import Many
from tests.stock.model.kept import LOOSE, NOTHING, day
from tests.stock.model.reference import Model
from tests.stock.model.world import CaseKey, Place


@dataclass(frozen=True)
class Debt:
    """What can be booked of a case."""

    case: CaseKey
    place: Place
    quantity: Many


def owed(model: Model, coming: Mapping[Place, Many]) -> list[Debt]:
    """What can be booked of open cases when so much more comes for sale."""
    left = {place: many + model.available(place) for place, many in coming.items()}
    debts: list[Debt] = []
    for key, case in sorted(model.cases.items(), key=lambda item: (item[1].opened_at, item[0])):
        if case.kind == "OVERSOLD" and case.resolution is None and left.get(case.place, NOTHING) > 0:
            part = min(left[case.place], case.quantity)
            left[case.place] -= part
            debts.append(Debt(key, case.place, part))
    return debts


def beyond(coming: Mapping[Place, Many], debts: Sequence[Debt]) -> dict[Place, Many]:
    """What is left of it for others."""
    rest = dict(coming)
    for debt in debts:
        rest[debt.place] -= debt.quantity
    return rest


def pay(model: Model, debts: Sequence[Debt], now: datetime) -> None:
    """They leave the books at the cost that goods have there by now: what may be sold, for nothing else can have left.
    A case of which nothing is missing any more is settled.
    """
    for debt in debts:
        part = min(debt.quantity, for_sale(model, debt.place, now))
        if part:
            leave(model, debt.place, part, now)
            case = model.cases[debt.case]
            rest = case.quantity - part
            booked = (case.expected or NOTHING) + part
            if rest:
                model.change_case(debt.case, quantity=rest, expected=booked)
            else:
                model.change_case(debt.case, expected=booked, resolution="ADJUSTED")


def for_sale(model: Model, place: Place, now: datetime) -> Many:
    """How much may leave a place for a customer, promised or not."""
    return sum((many for _, many in model.matching(place, LOOSE, sellable_on=day(now))), NOTHING)


def leave(model: Model, place: Place, quantity: Many, now: datetime) -> None:
    """So much leaves for customers, and its cost is posted."""
    model.take_out(place, LOOSE, quantity, sellable_on=day(now))
    model.draw(place, quantity, "SHIPMENT", "COGS", now, now)
