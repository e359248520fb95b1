"""One document, answered twice: by the engine, and by graphql-core one object at a time."""

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import orjson

from api.graphql import execution
from api.graphql.execution import Request, Services
from api.graphql.kit.context import Unproven
from domain.identity import Caller
from domain.kernel.ids import new_id
from domain.kernel.scopes import Scope
from domain.kernel.work import Actor
from tests.engine.acts import Desk
from tests.engine.compare import difference, unexplained
from tests.engine.documents import Document
from tests.engine.oracle import every_error, steadied
from tests.engine.pool import Pool


class Bench:
    """A shop, what its rows are called, what a clerk knows of it, and who asks: callers by what they see."""

    def __init__(self, services: Services, pool: Pool, desk: Desk, callers: dict[int, Caller]) -> None:
        self.services, self.pool, self.desk, self.callers = services, pool, desk, callers

    def __repr__(self) -> str:
        return "Bench(…)"


@dataclass(frozen=True)
class Run:
    """What became of a document for one caller."""

    expected: dict[str, Any]
    difference: str | None
    proven: bool
    """Whether the statement that read the answer proved the caller's token as well."""


def stranger(name: str, scopes: frozenset[str] = frozenset(Scope)) -> Caller:
    """Somebody with these scopes, whose token the database does not know."""
    return Caller(Actor(id=new_id("app"), scopes=scopes), name=name, token=new_id("tok"), expires_at=None)


def request_of(document: Document) -> Request:
    """The document as the transports hand it over."""
    return Request(document.query, document.variables, document.operation_name, document.extensions)


async def answer(services: Services, request: Request, who: Caller, *, oracle: bool, **how: Any) -> dict[str, Any]:
    """What the transports send for a request, read back, and whether it was refused as a whole."""
    with steadied() if oracle else nullcontext():
        answered = await execution.run(services, request, who, by_oracle=oracle, **how)
    sent = orjson.loads(answered.as_bytes())
    return sent | {"refused": answered.refused}


async def both(services: Services, document: Document, who: Caller, *, proven: bool = True) -> Run:
    """Ask the oracle, then the engine, and compare. A caller who is not `proven` is remembered, as by the doors."""
    request = request_of(document)
    expected = await answer(services, request, who, oracle=True)
    try:
        actual = await answer(services, request, who, oracle=False, proven=proven)
    except Unproven:
        proven = True
        actual = await answer(services, request, who, oracle=False)
    found = difference(expected, actual)
    if found is None and (strange := unexplained(expected, actual)):
        possible = await every_error(services, request, who)
        made_up = [each for each in strange if each not in possible]
        found = f"the oracle knows of no error {made_up[0]}, but of {possible}" if made_up else None
    return Run(expected, found, proven=not proven)


def unplanned() -> Counter[str]:
    """How many operations the engine has left to graphql-core so far, by reason: those are compared with themselves."""
    samples = [each for metric in execution.UNPLANNED.collect() for each in metric.samples]
    return Counter({each.labels["reason"]: int(each.value) for each in samples if each.name.endswith("_total")})
