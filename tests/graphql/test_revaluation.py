"""Foreign balances at the rates of a day: shown on that day, taken back on the day after."""

from datetime import date, timedelta
from typing import Any

import pytest

from domain.kernel.database import Database
from domain.kernel.work import SYSTEM, begin
from tests.support import books, shop
from tests.support.api import Api
from tests.support.books import POST, bill, credit, debit, entry, in_base

REVALUE = """
mutation Revalue($input: CurrencyRevalueInput!) {
  currencyRevalue(input: $input) {
    journalEntries {
      id on kind description source exchangeRate reversedBy { on kind }
      lines { account { code } debit { amount } debitBase { amount } creditBase { amount } openItem { party } }
    }
    userErrors { code message path }
  }
}"""
BALANCES = """query Balances($on: Date!) {
  trialBalance(asOf: $on) { rows { account { code } debit { amount } credit { amount } } }
}"""
TODAY = date.fromisoformat(books.today())
FIRST = TODAY - timedelta(days=20)
LAST = TODAY - timedelta(days=10)


async def balances(api: Api, on: date) -> dict[str, tuple[str, str]]:
    rows = (await api.data(BALANCES, {"on": on.isoformat()}))["trialBalance"]["rows"]
    return {row["account"]["code"]: (row["debit"]["amount"], row["credit"]["amount"]) for row in rows}


@pytest.fixture(scope="module")
async def abroad(api: Api) -> Api:
    """A bank account in euros with 100, a bill of 40 euros and one of 10 that was paid since."""
    given = {
        "code": "1030",
        "name": "Bank in euros",
        "parentId": await books.account_id(api, "1000"),
        "currency": "EUR",
    }
    await shop.done(api, books.ACCOUNT, {"input": given})
    rates = [("EUR", FIRST, "1.10"), ("EUR", LAST, "1.20"), ("EUR", TODAY, "1.00")]
    told = [{"currency": currency, "on": on.isoformat(), "rate": rate} for currency, on, rate in rates]
    await shop.done(api, books.RATES, {"input": {"rates": told}})
    first = FIRST.isoformat()
    await shop.done(api, POST, {"input": entry(debit("1030", 100, "EUR"), credit("3010", 100, "EUR"), on=first)})
    await shop.done(api, POST, {"input": bill("Papier", 40, "EUR", on=first)})
    settled = await shop.done(api, POST, {"input": bill("Encre", 10, "EUR", on=first)})
    item = settled["journalEntry"]["lines"][1]["openItem"]["id"]
    paid = entry({"debit": books.money(10, "EUR"), "settles": item}, credit("1030", 10, "EUR"))
    await shop.done(api, POST, {"input": paid})
    return api


def told(payload: dict[str, Any]) -> list[tuple[str, str, str]]:
    (made,) = payload["journalEntries"]
    return in_base(made)


async def test_a_day_is_shown_at_its_rates_and_taken_back_the_day_after(abroad: Api) -> None:
    before = await balances(abroad, LAST)
    assert (before["1030"], before["2010"]) == (("110.00", "0.00"), ("0.00", "55.00"))
    payload = await shop.done(abroad, REVALUE, {"input": {"on": LAST.isoformat()}})
    # The bill that is paid by now was open on that day.
    assert sorted(told(payload)) == [
        ("1030", "10.00", "0.00"),
        ("2010", "0.00", "1.00"),
        ("2010", "0.00", "4.00"),
        ("4810", "0.00", "5.00"),
    ]
    (made,) = payload["journalEntries"]
    assert made["reversedBy"]["on"] == (LAST + timedelta(days=1)).isoformat()
    assert made["exchangeRate"] == "1.2"
    assert made["source"].startswith("fxr_")
    after = await balances(abroad, LAST)
    assert (after["1030"], after["2010"], after["4810"]) == (("120.00", "0.00"), ("0.00", "60.00"), ("0.00", "5.00"))
    next_day = await balances(abroad, LAST + timedelta(days=1))
    assert (next_day["1030"], next_day["2010"], next_day["4810"]) == (
        ("110.00", "0.00"),
        ("0.00", "55.00"),
        ("0.00", "0.00"),
    )
    again = await shop.done(abroad, REVALUE, {"input": {"on": LAST.isoformat()}})
    assert again["journalEntries"] == []
    await shop.invariants_hold(abroad)


async def test_a_settlement_is_measured_by_what_was_founded(abroad: Api) -> None:
    await shop.done(abroad, REVALUE, {"input": {"on": (TODAY - timedelta(days=1)).isoformat()}})
    query = '{ openItems(filter: {party: {eq: "Papier"}}) { nodes { id } } }'
    (item,) = (await abroad.data(query))["openItems"]["nodes"]
    paid = entry({"debit": books.money(40, "EUR"), "settles": item["id"]}, credit("1020", 40, "EUR"))
    assert in_base((await shop.done(abroad, POST, {"input": paid}))["journalEntry"]) == [
        ("2010", "44.00", "0.00"),
        ("1020", "0.00", "40.00"),
        ("4800", "0.00", "4.00"),
    ]
    await shop.invariants_hold(abroad)


async def test_a_month_is_revalued_when_the_next_one_is_closed_too(fresh_api: Api, fresh_database: Database) -> None:
    """Who closes late puts both right: what is taken back in the closed month is an adjusting entry as well."""
    last_month = TODAY.replace(day=1) - timedelta(days=1)
    rates = [{"currency": "EUR", "on": "2000-01-01", "rate": "2"}]
    await shop.done(fresh_api, books.RATES, {"input": {"rates": rates}})
    owed = bill("Papier", 40, "EUR", on=last_month.isoformat(), exchangeRate="1.5")
    await shop.done(fresh_api, POST, {"input": owed})
    await _in_months(fresh_database, "SOFT_CLOSED", TODAY)
    on = {"on": last_month.isoformat()}
    assert await shop.refused(fresh_api, REVALUE, {"input": on}) == [("PERIOD_CLOSED", "input.on")]
    (made,) = (await shop.done(fresh_api, REVALUE, {"input": on | {"isAdjusting": True}}))["journalEntries"]
    assert (made["kind"], made["reversedBy"]["kind"]) == ("ADJUSTING", "ADJUSTING")
    await shop.invariants_hold(fresh_api)


async def test_what_is_taken_back_in_an_open_month_is_an_ordinary_entry(
    fresh_api: Api, fresh_database: Database
) -> None:
    last_month = TODAY.replace(day=1) - timedelta(days=1)
    rates = [{"currency": "EUR", "on": "2000-01-01", "rate": "2"}]
    await shop.done(fresh_api, books.RATES, {"input": {"rates": rates}})
    owed = bill("Papier", 40, "EUR", on=last_month.isoformat(), exchangeRate="1.5")
    await shop.done(fresh_api, POST, {"input": owed})
    await _in_months(fresh_database, "SOFT_CLOSED", last_month)
    given = {"on": last_month.isoformat(), "isAdjusting": True}
    (made,) = (await shop.done(fresh_api, REVALUE, {"input": given}))["journalEntries"]
    assert (made["kind"], made["reversedBy"]["kind"]) == ("ADJUSTING", "ORDINARY")
    await _in_months(fresh_database, "LOCKED", TODAY)
    given = {"on": TODAY.isoformat(), "isAdjusting": True}
    assert await shop.refused(fresh_api, REVALUE, {"input": given}) == [("PERIOD_LOCKED", "input.on")]


async def test_what_is_left_of_an_empty_account_is_realized_for_good(fresh_api: Api) -> None:
    """100 euros that came at 1.10 and went at 1.20 have gained ten dollars, though nothing of them is there."""
    first, last = FIRST.isoformat(), LAST.isoformat()
    parent = await books.account_id(fresh_api, "1000")
    given = {"code": "1030", "name": "Bank in euros", "parentId": parent, "currency": "EUR"}
    await shop.done(fresh_api, books.ACCOUNT, {"input": given})
    rates = [{"currency": "EUR", "on": on, "rate": rate} for on, rate in ((first, "1.10"), (last, "1.20"))]
    await shop.done(fresh_api, books.RATES, {"input": {"rates": rates}})
    came, went = (
        (debit("1030", 100, "EUR"), credit("3010", 100, "EUR")),
        (debit("3010", 100, "EUR"), credit("1030", 100, "EUR")),
    )
    await shop.done(fresh_api, POST, {"input": entry(*came, on=first)})
    # Shown at the rates of the day first: what is taken back tomorrow is not realized.
    shown = await shop.done(fresh_api, REVALUE, {"input": {"on": last}})
    assert told(shown) == [("1030", "10.00", "0.00"), ("4810", "0.00", "10.00")]
    await shop.done(fresh_api, POST, {"input": entry(*went, on=last)})
    payload = await shop.done(fresh_api, REVALUE, {"input": {"on": last}})
    assert payload["journalEntries"] == [], "until tomorrow it is shown already"
    on = LAST + timedelta(days=1)
    payload = await shop.done(fresh_api, REVALUE, {"input": {"on": on.isoformat()}})
    assert told(payload) == [("1030", "10.00", "0.00"), ("4800", "0.00", "10.00")]
    assert payload["journalEntries"][0]["reversedBy"] is None
    for day in (on, on + timedelta(days=1), TODAY):
        standing = await balances(fresh_api, day)
        assert (standing["1030"], standing["4800"]) == (("0.00", "0.00"), ("0.00", "10.00"))
    assert (await shop.done(fresh_api, REVALUE, {"input": {"on": on.isoformat()}}))["journalEntries"] == []
    # Somebody tells late of days on which it was empty as well. A later day has realized something: not twice.
    empty, back = (FIRST + timedelta(days=1)).isoformat(), (FIRST + timedelta(days=2)).isoformat()
    await shop.done(fresh_api, POST, {"input": entry(*went, on=empty, exchangeRate="1.00")})
    await shop.done(fresh_api, POST, {"input": entry(*came, on=back, exchangeRate="1.00")})
    payload = await shop.done(fresh_api, REVALUE, {"input": {"on": empty}})
    assert told(payload) == [("1030", "0.00", "10.00"), ("4810", "10.00", "0.00")]
    assert payload["journalEntries"][0]["reversedBy"] is not None
    assert (await balances(fresh_api, TODAY))["4800"] == ("0.00", "10.00")
    await shop.invariants_hold(fresh_api)


async def _in_months(database: Database, state: str, day: date) -> None:
    """All months up to that of a day are closed, or locked."""
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await work.raw.execute("UPDATE accounting_periods SET state = $1 WHERE starts_on <= $2", state, day)


async def test_a_day_without_a_rate_is_refused(abroad: Api) -> None:
    day = (FIRST - timedelta(days=300)).isoformat()
    francs = entry(
        debit("6090", 1, "CHF"), credit("2010", 1, "CHF", opens={"party": "Suisse"}), on=day, exchangeRate="1"
    )
    await shop.done(abroad, POST, {"input": francs})
    assert await shop.refused(abroad, REVALUE, {"input": {"on": day}}) == [("INVALID", "input.on")]
