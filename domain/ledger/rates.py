"""What other currencies are worth in that of the books: permanent, from a day on until the next rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from domain.kernel import bulk, listing, words
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.ids import ID, new_id
from domain.kernel.money import CurrencyCode, currency_codes
from domain.kernel.work import Work
from domain.ledger.events import ExchangeRateSet
from domain.ledger.operations import books
from domain.ledger.tables import ExchangeRate

LARGEST_RATE = Decimal(10) ** 10
RATE_DECIMALS = 10
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
    rate: Decimal
    """What one unit of it is worth in the currency of the books; up to ten decimals."""
    source: str | None = None
    """Who says so, such as a central bank."""


async def set_rates(work: Work, news: Sequence[NewExchangeRate]) -> list[ID]:
    """The rates count from their days on. Returns their ids, in the order given.

    Refused with Invalid for the currency of the books, for what is no currency or no rate, and for a day that has one:
    what was posted by it would not be explained any more.
    """
    kept = await books(work)
    refusals: list[Refusal] = []
    for n, new in enumerate(news):
        path = ("input", "rates", n)
        if new.currency not in currency_codes():
            refusals.append(Invalid(f"{new.currency} is no currency code of ISO 4217.", path=(*path, "currency")))
        elif new.currency == kept.currency:
            refusals.append(Invalid("The books are kept in this currency.", path=(*path, "currency")))
        if not 0 < new.rate < LARGEST_RATE or -int(new.rate.normalize().as_tuple().exponent) > RATE_DECIMALS:
            sentence = f"A rate is more than zero, with at most {RATE_DECIMALS} decimals."
            refusals.append(Invalid(sentence, path=(*path, "rate")))
    Refusals.raise_if_any(refusals)
    rows = [_row(work, n, new) for n, new in enumerate(news)]
    await bulk.insert(work, ExchangeRate, sorted(rows, key=lambda row: (row["currency"], row["starts_on"])))
    work.announce(*(ExchangeRateSet(row["id"], currency=row["currency"]) for row in rows))
    return [row["id"] for row in rows]


def _row(work: Work, n: int, new: NewExchangeRate) -> dict[str, Any]:
    path = ("input", "rates", n, "source")
    return {
        "id": new_id("fxr"),
        "currency": new.currency,
        "starts_on": new.on,
        "rate": new.rate,
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
