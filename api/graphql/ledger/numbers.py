"""For those who audit the books: whether a number of a document is missing."""

from typing import Annotated

import strawberry

from api.graphql.kit.access import access, restrict
from api.graphql.kit.context import Context
from api.graphql.kit.enums import published
from api.graphql.kit.operations import query
from domain import ledger
from domain.kernel.scopes import Scope

published(ledger.DocumentKind)


@restrict(Scope.LEDGER_READ)
@strawberry.type(
    name="NumberSeries",
    description="The numbers of one kind of document in one calendar year: from 1, without gaps, in the order in which"
    " the documents were issued.",
)
class NumberSeries:
    kind: ledger.DocumentKind = strawberry.field(description="What sort of document.")
    year: int = strawberry.field(description="The calendar year of the documents' own days.")
    first: str | None = strawberry.field(description="The first number that stands.")
    last: str = strawberry.field(description="The last number that was given.")
    count: int = strawberry.field(description="How many stand.")
    gaps: list[str] = strawberry.field(
        description="Numbers that are missing, at most the first 100. None is, unless somebody changed the database"
        " behind its guards."
    )


@query
@access(Scope.LEDGER_READ)
async def number_series(
    context: Context,
    kind: Annotated[ledger.DocumentKind | None, "Only documents of this sort; all, when left out."] = None,
    since: Annotated[int | None, "Only from this year on; all, when left out."] = None,
) -> list[NumberSeries] | None:
    """Every series of numbers that may have no gap, with the gaps that it has: by kind and year."""
    found = await context.reading.run(lambda connection: ledger.number_series(connection, kind=kind, since=since))
    return [_shown(each) for each in found]


def _shown(each: ledger.Series) -> NumberSeries:
    def printed(n: int) -> str:
        return ledger.document_number(each.kind, each.year, n)

    return NumberSeries(
        kind=each.kind,
        year=each.year,
        first=None if each.first is None else printed(each.first),
        last=printed(each.last),
        count=each.count,
        gaps=[printed(n) for n in each.gaps],
    )
