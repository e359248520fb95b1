"""What other currencies are worth in that of the books."""

from datetime import date, datetime

from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, derived, extends, pages, view
from api.graphql.ledger.journal import JournalEntry, same_day
from domain import ledger
from domain.kernel.money import CurrencyCode, Rate
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(ledger.NewExchangeRate, "ExchangeRateInput")


@view(ledger.ExchangeRate)
@access(Scope.LEDGER_READ)
class ExchangeRate(Node):
    """What one unit of a currency is worth in that of the books, from a day on until the next rate. Permanent."""

    currency: CurrencyCode
    """The other currency."""
    on: date = derived(same_day, needs=["starts_on"])
    """The first day it counts for."""
    rate: Rate
    """What one unit of it is worth in the currency of the books."""
    source: str | None
    """Who says so."""
    recorded_at: datetime
    """When it was written."""


@extends("Query")
class RateQueries:
    exchange_rates: Connection[ExchangeRate] = pages(ledger.rates)
    """Rates of exchange: by default the earliest first."""


@mutation(noun="journalEntries")
@access(Scope.LEDGER_WRITE)
async def currency_revalue(work: Work, input: ledger.NewRevaluation) -> list[JournalEntry]:
    """Shows accounts kept in other currencies, and open items in them, at the rates of a day. The difference is an
    unrealized gain or loss of that day; the day after takes it back. What is left of an account that is empty is
    realized for good. Done again it posts only what differs since.
    """
    return await ledger.revalue(work, input)  # type: ignore[return-value]


@mutation(noun="rates")
@access(Scope.LEDGER_WRITE)
async def exchange_rates_set(work: Work, input: ledger.NewExchangeRates) -> list[ExchangeRate]:
    """Says what currencies are worth from a day on. A day keeps its rate: what was posted by it stays explained."""
    return await ledger.set_rates(work, input)  # type: ignore[return-value]
