"""Rows that some callers do not see, and fields that fail: what turns references into null and nulls into bigger ones.

Today every row is in everybody's sight, so these row scopes exist in the tests alone. They are of all sorts: conditions
that differ between callers in a value, in their number or altogether, and one that asks another table.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, func, select

from api.graphql.kit.views import Batch, Derived, view_named
from domain.identity import Caller
from domain.kernel.errors import Invalid
from domain.kernel.work import Actor
from domain.stock import Location

ALL, MOST, SOME = range(3)
"""How much of the shop somebody sees."""

BROKEN_DAY = "2031-02-28"
"""Nothing can be promised on this day: the function that is asked for it fails for all variants alike."""

_Sight = Callable[[Any, int], Sequence[ColumnElement[bool]]]

_near = Location.__table__.c
_SIGHTS: dict[str, _Sight] = {
    "Account": lambda c, sight: _none_of(c.code, sight, most=["5010"], some=["1150", "6010"]),
    "Address": lambda c, sight: [c.country_code != "FR"] if sight == SOME else [],
    "Customer": lambda c, sight: [c.name_folded < ("\U0010ffff", "zo", "k")[sight]],
    "Event": lambda c, sight: [] if sight == ALL else [c.version < 5 - sight],
    "JournalEntry": lambda c, sight: [] if sight == ALL else [c.description.not_like("By hand 7%")],
    "JournalLine": lambda c, sight: [c.n < 3, c.debit < 500] if sight == SOME else [],
    "Location": lambda c, sight: [[], [c.priority < 900], [c.priority < 900, c.kind != "STORE"]][sight],
    "Order": lambda c, sight: [] if sight == ALL else [c.total < (400, 200)[sight - 1]],
    "OrderAddress": lambda c, sight: [c.country_code != "NL"] if sight != ALL else [],
    "OrderLine": lambda c, sight: [c.position <= (500, 500, 2)[sight]],
    "Payment": lambda c, sight: [c.method != "GIFT_CARD"] if sight == SOME else [],
    "Product": lambda c, sight: _none_of(c.status, sight, most=["ARCHIVED"], some=["ARCHIVED", "DRAFT"]),
    "ProductVariant": lambda c, sight: [func.length(c.sku) < (1_000, 9, 8)[sight]],
    "SalesChannel": lambda c, sight: [c.name != "Wholesale"] if sight == SOME else [],
    "Shipment": lambda c, sight: [c.tracking.is_(None)] if sight == MOST else [],
    "StockLevel": lambda c, sight: [c.on_hand > 1] if sight == SOME else [c.version >= sight],
    "StockMovement": lambda c, sight: [c.kind != "ADJUSTMENT"] if sight == SOME else [],
    "StockReceipt": lambda c, sight: [
        c.location_id.in_(select(_near.id).where(_near.priority < (9_999, 900, 90)[sight]))
    ],
    "StockReservationLine": lambda c, sight: [c.held > 0] if sight == SOME else [],
    "Unit": lambda c, sight: [c.code != "KG"] if sight == SOME else [],
}


def _none_of(
    column: ColumnElement[Any], sight: int, *, most: Sequence[str], some: Sequence[str]
) -> list[ColumnElement[bool]]:
    return [] if sight == ALL else [column.not_in(most if sight == MOST else some)]


@contextmanager
def narrowed(sights: Mapping[str, int]) -> Iterator[None]:
    """Row scopes for the actors with these ids; whoever is not named sees everything."""
    before = {name: view_named(name).visible for name in _SIGHTS}
    for name, sight in _SIGHTS.items():
        view = view_named(name)
        view.visible = _visible(sight, view.row.__table__.c, sights)
    try:
        yield
    finally:
        for name, visible in before.items():
            view_named(name).visible = visible


def _visible(
    sight: _Sight, columns: Any, sights: Mapping[str, int]
) -> Callable[[Actor], Sequence[ColumnElement[bool]]]:
    return lambda actor: sight(columns, sights.get(str(actor.id), ALL))


def sights_of(callers: Mapping[int, Caller]) -> dict[str, int]:
    """What `narrowed` wants, from the callers by their sight."""
    return {str(each.actor.id): sight for sight, each in callers.items()}


@contextmanager
def failing() -> Iterator[None]:
    """Some functions behind fields fail for some rows: by our own fault, or with a refusal."""
    patched: dict[tuple[str, str], Callable[[Callable[..., Any]], Callable[..., Any]]] = {
        ("JournalEntry", "position"): _positions_are_no_numbers,
        ("Product", "available_actions"): _actions_fail,
        ("Order", "available_actions"): _actions_are_unknown,
        ("Order", "number"): _number_fails,
        ("ProductVariant", "availability"): _availability_fails,
    }
    fields: dict[tuple[str, str], Any] = {}
    for owner, name in patched:
        declared = view_named(owner).fields[name]
        assert isinstance(declared, (Batch, Derived))
        fields[owner, name] = declared
    before = {place: declared.function for place, declared in fields.items()}
    for place, breaking in patched.items():
        fields[place].function = breaking(fields[place].function)
    try:
        yield
    finally:
        for place, function in before.items():
            fields[place].function = function


def _positions_are_no_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def positions(ids: Any, reading: Any) -> Any:
        found = await function(ids, reading)
        return {row: "far behind" if each % 11 == 3 else each for row, each in found.items()}

    return positions


def _actions_are_unknown(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def available(*states: Any) -> Any:
        return [*function(*states), "DANCE"] if "PARTIALLY_PAID" in states else function(*states)

    return available


def _actions_fail(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def available(status: Any) -> Any:
        if status == "DISCONTINUED":
            raise RuntimeError("what can be done with it is not known")
        return function(status)

    return available


def _number_fails(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def number(number: int) -> Any:
        if number in (100_014, 100_031):
            raise Invalid("This number is broken.")
        return function(number)

    return number


def _availability_fails(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def availability(ids: Any, reading: Any, **given: Any) -> Any:
        if str(given.get("on")) == BROKEN_DAY:
            raise Invalid("Nobody knows that day.", path=("on",))
        return await function(ids, reading, **given)

    return availability
