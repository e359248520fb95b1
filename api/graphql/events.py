"""The event log as a list, as a live feed, and as part of what a mutation did."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from api.graphql.kit.access import access
from api.graphql.kit.context import Context
from api.graphql.kit.lists import Edge, Page
from api.graphql.kit.operations import query, subscription
from api.graphql.kit.reading import Record
from api.graphql.kit.scalars import JSON
from api.graphql.kit.views import VIEWS, Connection, Node, derived, extends, pages, view
from domain.kernel import events
from domain.kernel.events import Announced, LoggedEvent
from domain.kernel.ids import ID
from domain.kernel.listing import Listing, slice_of
from domain.kernel.scopes import Scope
from domain.kernel.work import Actor

_event = LoggedEvent.__table__.c


def _cursor(event_id: ID) -> str:
    """An event is its own cursor, so that a log which lacks it is noticed."""
    return event_id


def _visible_data(kind: str, data: dict[str, Any], actor: Actor) -> dict[str, Any]:
    return events.visible_data(kind, data, actor.scopes)


@view(LoggedEvent)
@access(Scope.EVENTS_READ)
class Event(Node):
    """Something that became true, as it stands in the log."""

    cursor: str = derived(_cursor, needs=["id"])
    """Where to resume after this event."""
    type: str
    """What happened, such as `product.created`."""
    subject: ID
    """What it happened to."""
    version: int
    """Its place among the events of the subject: from 1, without gaps."""
    at: datetime
    """When it became true."""
    actor: ID | None
    """The app that did it; null for Waterline itself."""
    cause: ID | None
    """The event that led to it, where it was a reaction."""
    act: ID
    """The transaction it was part of: all events, movements and entries of one act share it."""
    data: JSON = derived(_visible_data, needs=["type", "data"], for_actor=True)
    """Figures and ids that belong to it; the shape depends on the type. Costs need `costs:read`."""


def as_record(event: Announced) -> Record:
    """An event of the log as its view reads it."""
    values = {
        name: getattr(event, name)
        for name in ("id", "type", "subject", "version", "at", "actor", "cause", "act", "data")
    }
    return Record(VIEWS[Event], values)


_of_one_act = Listing(LoggedEvent, sorts={"RECORDED": _event.seq})


@extends("Effects")
class EventEffects:
    events: Connection[Event] = pages(_of_one_act, by=_event.act)
    """What the act announced."""


Types = Annotated[list[str] | None, "Only events of these types."]


@query
@access(Scope.EVENTS_READ)
async def events_(
    context: Context,
    after: Annotated[str | None, "Only what follows this event."] = None,
    first: Annotated[int | None, "How many; 50 by default, 250 at most."] = None,
    types: Types = None,
    subject: Annotated[ID | None, "Only what happened to this."] = None,
) -> Connection[Event]:
    """The event log, oldest first. Resume with `after`: nothing is lost and nothing comes twice."""
    size = slice_of(first=first).size

    async def read(connection: Any) -> list[Announced]:
        position = await events.position_of(connection, after) if after is not None else events.START
        return await events.read(connection, after=position, limit=size + 1, types=types, subject=subject)

    async def count() -> int:
        return await context.reading.run(lambda connection: events.count(connection, types=types, subject=subject))

    found = await context.reading.run(read)
    edges = [Edge(as_record(event), event.cursor) for event in found[:size]]
    return Page(edges, has_next_page=len(found) > size, has_previous_page=after is not None, count=count)  # type: ignore[return-value]


events_.__name__ = "events"


@subscription
@access(Scope.EVENTS_READ)
async def event_feed(
    context: Context,
    types: Types = None,
    after: Annotated[str | None, "Start right behind this event; without it, with what happens from now on."] = None,
) -> AsyncIterator[Event]:
    """Every event as it is committed: each once, each subject's in the order of their versions."""
    async for event in context.services.tail.follow(after=after, types=types):
        yield as_record(event)  # type: ignore[misc]
