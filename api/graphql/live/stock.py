"""Live stock: every level as it is, then every change of it.

The snapshot is what a reader of the event log would have arrived at by the last event that may be read: a level whose
row is ahead of the log is shown as its last readable event left it. So the stream goes on right behind the snapshot,
and resumes from any of its cursors, without a gap and without a repeat.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import strawberry
from sqlalchemy import Text, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from api.graphql.business import base_currency
from api.graphql.kit.access import access, restrict
from api.graphql.kit.context import Context
from api.graphql.kit.enums import published
from api.graphql.kit.errors import request_error
from api.graphql.kit.operations import subscription
from api.graphql.kit.reading import Reading, Record, among, columns_of
from api.graphql.kit.views import VIEWS
from api.graphql.stock import StockLevel
from domain import catalog, stock
from domain.kernel import events
from domain.kernel.events import Announced
from domain.kernel.ids import ID, is_id
from domain.kernel.scopes import Scope

LARGEST_SNAPSHOT = 1_000
"""Levels that a snapshot holds at most."""

_TYPES = [each.type for each in stock.LEVEL_CHANGES]
_level, _variant = stock.StockLevel.__table__.c, catalog.ProductVariant.__table__.c


@published
class StockChangeKind(StrEnum):
    """Why a level is told."""

    SNAPSHOT = "SNAPSHOT"
    """It is so when the subscription begins."""
    CHANGED = "CHANGED"
    """It has just become so."""


@restrict(Scope.STOCK_READ)
@strawberry.type(
    name="StockChange", description="A level as it is when a subscription begins, or right after a change."
)
class StockChange:
    cursor: str = strawberry.field(description="Where to resume after this: `stockChanged(after:)`.")
    kind: StockChangeKind = strawberry.field(description="Why it is told.")
    level: StockLevel = strawberry.field(
        description="The level. Its figures and its version are those right after the change; what hangs on it is"
        " read now."
    )
    at: datetime = strawberry.field(description="When it became so; for a snapshot, when it was taken.")


@dataclass(frozen=True)
class _Watched:
    """Which levels a subscription is about; None: whichever there are."""

    variants: frozenset[ID] | None
    locations: frozenset[ID] | None
    currency: str

    def includes(self, data: dict[str, Any]) -> bool:
        of_variant = self.variants is None or data["variant"] in self.variants
        return of_variant and (self.locations is None or data["location"] in self.locations)


@subscription
@access(Scope.STOCK_READ)
async def stock_changed(
    context: Context,
    *,
    variant_ids: Annotated[list[ID] | None, "Only these variants."] = None,
    skus: Annotated[list[str] | None, "Only the variants with these SKUs, beside those of `variantIds`."] = None,
    location_ids: Annotated[list[ID] | None, "Only at these locations."] = None,
    after: Annotated[str | None, "Resume right behind this cursor: without a snapshot, without a gap."] = None,
    snapshot: Annotated[bool, "Begin with one SNAPSHOT per level; not when resuming."] = True,
) -> AsyncIterator[StockChange]:
    """Stock as it changes: each level as it is first, then every change, once and in the order of its versions."""
    # A reading of its own, ended before anything is waited for: a subscription holds no connection.
    reading = Reading(context.database, context.caller.actor)
    try:
        watched = await _watched(reading, variant_ids, skus, location_ids)
        cursor, present = await reading.run(lambda it: _present(it, watched, wanted=snapshot and after is None))
    finally:
        await reading.aclose()
    assert cursor is not None  # the foundation has announced its channel, so the log is never empty
    for record in present:
        yield StockChange(cursor=cursor, kind=StockChangeKind.SNAPSHOT, level=record, at=context.now)  # type: ignore[arg-type]
    async for event in context.services.tail.follow(after=cursor if after is None else after, types=_TYPES):
        if watched.includes(event.data):
            yield _changed(event, watched)


async def _watched(
    reading: Reading, variant_ids: Sequence[ID] | None, skus: Sequence[str] | None, location_ids: Sequence[ID] | None
) -> _Watched:
    variants: set[ID] | None = None
    if variant_ids is not None or skus is not None:
        variants = set(variant_ids or ())
        if skus:
            asked = func.unnest(literal([sku.strip() for sku in skus], ARRAY(Text)))
            rows = await reading.execute(select(_variant.id).where(_variant.sku_folded.in_(select(func.lower(asked)))))
            variants |= {row["id"] for row in rows}
    return _Watched(
        variants=None if variants is None else frozenset(variants),
        locations=None if location_ids is None else frozenset(location_ids),
        currency=await base_currency(reading),
    )


async def _present(connection: Any, watched: _Watched, *, wanted: bool) -> tuple[str | None, list[Record]]:
    """The cursor of the last readable event, and the levels as a reader of the log knows them by then."""
    cursor = await events.last_readable(connection)
    if not wanted:
        return cursor, []
    statement = columns_of(VIEWS[StockLevel])
    for column, ids, prefix in (
        (_level.variant_id, watched.variants, "var"),
        (_level.location_id, watched.locations, "loc"),
    ):
        if ids is not None:
            statement = statement.where(among(column, [each for each in ids if is_id(each, prefix)]))
    found = (await connection.execute(statement.order_by(_level.id).limit(LARGEST_SNAPSHOT + 1))).mappings().all()
    if len(found) > LARGEST_SNAPSHOT:
        raise request_error(
            f"These are more than {LARGEST_SNAPSHOT:,} levels. Name variants or locations, or take no snapshot.",
            "TOO_COSTLY",
            limit=LARGEST_SNAPSHOT,
        )
    ahead = await events.as_read(connection, [row["id"] for row in found])
    present: list[Record] = []
    for row in found:
        if row["id"] not in ahead:
            present.append(_told(dict(row)))
        elif (known := ahead[row["id"]]) is not None:
            present.append(_record(row["id"], *known, watched))
    return cursor, present


def _changed(event: Announced, watched: _Watched) -> StockChange:
    record: Any = _record(event.subject, event.version, event.data, watched)
    return StockChange(cursor=event.cursor, kind=StockChangeKind.CHANGED, level=record, at=event.at)


def _record(level: ID, version: int, data: dict[str, Any], watched: _Watched) -> Record:
    """A level with the figures that an event carries."""
    values = {
        "id": level,
        "variant_id": data["variant"],
        "location_id": data["location"],
        "on_hand": Decimal(data["on_hand"]),
        "allocated": Decimal(data["allocated"]),
        "reserved": Decimal(data["reserved"]),
        "unavailable": Decimal(data["unavailable"]),
        "value_amount": Decimal(data["value"]),
        "value_currency": watched.currency,
        "version": version,
    }
    return _told(values)


def _told(values: dict[str, Any]) -> Record:
    """A level as it is told, with what the database would compute of it."""
    claimed = values["allocated"] + values["reserved"] + values["unavailable"]
    return Record(VIEWS[StockLevel], {**values, "available": values["on_hand"] - claimed})
