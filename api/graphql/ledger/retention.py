"""For how long the books must be kept."""

from datetime import datetime
from typing import Annotated

from sqlalchemy import true

from api.graphql.kit.access import access
from api.graphql.kit.context import Context
from api.graphql.kit.operations import mutation, query
from api.graphql.kit.views import VIEWS, view
from domain import ledger
from domain.kernel.scopes import Scope
from domain.kernel.work import Work


@view(ledger.RetentionPolicy)
@access(Scope.LEDGER_READ)
class RetentionPolicy:
    """For how long the books are kept."""

    years: int
    """How many years, from the last day of each fiscal year."""
    updated_at: datetime
    """When it was changed last."""


@query
@access(Scope.LEDGER_READ)
async def retention_policy(context: Context) -> RetentionPolicy:
    """For how long the books are kept. `FiscalYear.retentionEndsOn` is what it means for a year."""
    return await context.reading.find(VIEWS[RetentionPolicy], true())  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_CLOSE)
async def retention_policy_set(
    work: Work, years: Annotated[int, "How many years, from the last day of each fiscal year: 1 to 99."]
) -> RetentionPolicy:
    """Keeps the books for so many years. They can be kept for longer at any time; for less only as long as no fiscal
    year was closed with the promise of more (`RETENTION_PROMISED`), or once that time is over.
    """
    return await ledger.set_retention(work, years)  # type: ignore[return-value]
