"""What other currencies are worth in that of the books: permanent, from a day on until the next rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from domain.kernel import bulk, listing, words
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.ids import ID, new_id
from domain.kernel.money import RATE_DECIMALS, CurrencyCode, Rate, currency_codes
from domain.kernel.work import Work
from domain.ledger.events import ExchangeRateSet
from domain.ledger.operations import books
from domain.ledger.tables import ExchangeRate

LARGEST_RATE = Decimal(10) ** 10
"""Rates are below it."""
UNITS = (1, 10, 100, 1_000, 10_000)
MOST_RATES = 10_000
_rate = ExchangeRate.__table__.c


class NoExchangeRate(Invalid):
    """Nothing says what a currency was worth on a day."""

    code = "INVALID"


@dataclass(frozen=True)
class NewExchangeRate:
    """What a currency is worth from a day on."""

    currency: CurrencyCode
    """The other currency."""
    on: date
    """The first day it counts for."""
    rate: Rate
    """What it is worth in the currency of the books: less than 10,000,000,000 for one unit, with at most ten
    decimals."""
    per: int = 1
    """How many units of it the rate is for: 1, 10, 100, 1,000 or 10,000."""
    source: str | None = None
    """Who says so, such as a central bank."""


@dataclass(frozen=True)
class NewExchangeRates:
    """Rates to set."""

    rates: list[NewExchangeRate]
    """The rates, each currency once per day; at most 10,000."""


async def set_rates(work: Work, new: NewExchangeRates) -> list[ID]:
    """The rates count from their days on. Returns their ids, in the order given.

    Refused with Invalid for the currency of the books, for what is no currency or no rate, and for a day that has one:
    what was posted by it would not be explained any more.
    """
    kept = await books(work)
    news = new.rates
    if not 1 <= len(news) <= MOST_RATES:
        raise Invalid(f"Set 1 to {MOST_RATES:,} rates at once.", path=("input", "rates"))
    taken = await _taken(work, news)
    refusals: list[Refusal] = []
    for n, new_rate in enumerate(news):
        path = ("input", "rates", n)
        if new_rate.currency not in currency_codes():
            refusals.append(Invalid(f"{new_rate.currency} is no currency code of ISO 4217.", path=(*path, "currency")))
        elif new_rate.currency == kept.currency:
            refusals.append(Invalid("The books are kept in this currency.", path=(*path, "currency")))
        if new_rate.per not in UNITS:
            refusals.append(Invalid("A rate is for 1, 10, 100, 1,000 or 10,000 units.", path=(*path, "per")))
        elif (problem := problem_of(new_rate.rate / new_rate.per)) is not None:
            refusals.append(Invalid(problem, path=(*path, "rate")))
        if (new_rate.currency, new_rate.on) in taken:
            refusals.append(Invalid("There is a rate of this currency for this day already.", path=(*path, "on")))
        taken.add((new_rate.currency, new_rate.on))
    Refusals.raise_if_any(refusals)
    rows = [_row(work, n, each) for n, each in enumerate(news)]
    await bulk.insert(work, ExchangeRate, sorted(rows, key=lambda row: (row["currency"], row["starts_on"])))
    work.announce(*(ExchangeRateSet(row["id"], currency=row["currency"]) for row in rows))
    return [row["id"] for row in rows]


def problem_of(rate: Decimal) -> str | None:
    """Why this cannot be what one unit is worth, in a sentence; None where it can."""
    if not 0 < rate < LARGEST_RATE:
        return f"A rate is more than zero, and one unit is worth less than {LARGEST_RATE:,}."
    if -int(rate.normalize().as_tuple().exponent) > RATE_DECIMALS:
        return "A rate has at most ten decimals, counted for one unit."
    return None


_TAKEN = """
SELECT rate.currency, rate.starts_on FROM exchange_rates AS rate
JOIN unnest($1::text[], $2::date[]) AS wanted(currency, starts_on) USING (currency, starts_on)
"""


async def _taken(work: Work, news: Sequence[NewExchangeRate]) -> set[tuple[str, date]]:
    found = await work.raw.fetch(_TAKEN, [new.currency for new in news], [new.on for new in news])
    return {(record["currency"], record["starts_on"]) for record in found}


def _row(work: Work, n: int, new: NewExchangeRate) -> dict[str, Any]:
    path = ("input", "rates", n, "source")
    return {
        "id": new_id("fxr"),
        "currency": new.currency,
        "starts_on": new.on,
        "rate": new.rate / new.per,
        "source": None if new.source is None else words.line(new.source, path=path),
        "recorded_at": work.now,
        "act": work.act,
    }


_RATE_ON = """
SELECT rate FROM exchange_rates WHERE currency = $1 AND starts_on <= $2 ORDER BY starts_on DESC LIMIT 1
"""


async def rate_on(work: Work, currency: str, on: date, *, path: tuple[str | int, ...]) -> Decimal:
    """What one unit of a currency was worth on a day, in the currency of the books. Refused with NoExchangeRate."""
    rate = await work.raw.fetchval(_RATE_ON, currency, on)
    if rate is None:
        raise NoExchangeRate(f"There is no rate of {currency} for {on}: set one first (exchangeRatesSet).", path=path)
    return rate


rates = listing.Listing(
    ExchangeRate,
    filters={"id": listing.identity(_rate.id), "currency": listing.text(_rate.currency)},
    sorts={"STARTS_ON": _rate.starts_on},
)
