"""Entries by hand, for tests that need some."""

from datetime import UTC, datetime
from typing import Any

from tests.support.api import Api

POST = """
mutation Post($input: JournalEntryPostInput!, $dryRun: Boolean! = false) {
  journalEntryPost(input: $input, dryRun: $dryRun) {
    journalEntry {
      id on kind exchangeRate
      lines {
        account { code } debit { amount currency } credit { amount } debitBase { amount } creditBase { amount }
        channel { id } location { id } brand { code } department { code } project { code }
        openItem { id party document dueOn status isOwedToUs balance { amount currency } foundedBy { id } }
      }
    }
    effects { events { nodes { type } } }
    userErrors { code message path }
  }
}"""
REVERSE = """
mutation Reverse($id: ID!, $on: Date) {
  journalEntryReverse(id: $id, on: $on) {
    journalEntry { id on reversalOf { id } lines { openItem { id } } } effects { events { nodes { type } } }
    userErrors { code message path }
  }
}"""
RATES = """
mutation Rates($input: ExchangeRatesSetInput!) {
  exchangeRatesSet(input: $input) { rates { id } userErrors { code message path } }
}"""
VALUE = """
mutation Value($input: DimensionValueCreateInput!) {
  dimensionValueCreate(input: $input) {
    dimensionValue { id code name dimension isActive } userErrors { code message path }
  }
}"""
ACCOUNT = """
mutation Account($input: AccountCreateInput!) {
  accountCreate(input: $input) { account { id code } userErrors { code message path } }
}"""
ACCOUNT_UPDATE = """
mutation Account($id: ID!, $input: AccountUpdateInput!) {
  accountUpdate(id: $id, input: $input) {
    account { id code currency requiredDimensions } userErrors { code message path }
  }
}"""


ANNOUNCED = """
WITH told AS (
  INSERT INTO public.event_heads (subject, epoch, version, order_key)
  SELECT 'jen_' || replace(id::text, '-', ''), epoch, 1, xid FROM public.journal_entries, public.event_epoch
  WHERE xid = pg_current_xact_id() ON CONFLICT DO NOTHING RETURNING *
)
INSERT INTO public.events (id, epoch, order_key, type, subject, version, act, at, data)
SELECT uuid7(), epoch, order_key, 'journal_entry.posted', subject, 1, uuid7(), now(), '{}' FROM told
"""
"""In SQL: the entries of this transaction are announced, as every entry has to be."""

RECURRING = """
mutation Recurring($input: RecurringEntryCreateInput!) {
  recurringEntryCreate(input: $input) { recurringEntry { id } userErrors { code message path } }
}"""
RECURRING_POST = """
mutation Post {
  recurringEntriesPost { entries { id } failed { id } userErrors { code message path } }
}"""
RECURRING_END = """
mutation End($id: ID!) {
  recurringEntryEnd(id: $id) { recurringEntry { id } userErrors { code message path } }
}"""

BUDGET = """
mutation Budget($input: BudgetCreateInput!) {
  budgetCreate(input: $input) { budget { id version status } userErrors { code message path } }
}"""
ACTIVATE = """
mutation Activate($id: ID!) {
  budgetActivate(id: $id) { budget { id status } userErrors { code message path } }
}"""


def money(amount: Any, currency: str = "USD") -> dict[str, str]:
    return {"amount": str(amount), "currency": currency}


def debit(code: str, amount: Any, currency: str = "USD", **more: Any) -> dict[str, Any]:
    return {"accountCode": code, "debit": money(amount, currency), **more}


def credit(code: str, amount: Any, currency: str = "USD", **more: Any) -> dict[str, Any]:
    return {"accountCode": code, "credit": money(amount, currency), **more}


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def entry(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The input of an entry by hand."""
    return {"on": today(), "description": "By hand", "lines": list(lines), **more}


def bill(party: str, amount: Any, currency: str = "USD", **more: Any) -> dict[str, Any]:
    """The input of an entry for a bill: an expense, and what is owed for it."""
    opens = {"party": party, "document": more.pop("document", None), "dueOn": more.pop("dueOn", None)}
    return entry(debit("6090", amount, currency), credit("2010", amount, currency, opens=opens), **more)


async def account_id(api: Api, code: str) -> str:
    """The id of an account."""
    query = "query A($code: String!) { account(by: {code: $code}) { id } }"
    return (await api.data(query, {"code": code}))["account"]["id"]


def in_base(made: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The lines of an entry: account, debit and credit in the currency of the books."""
    return [
        (each["account"]["code"], each["debitBase"]["amount"], each["creditBase"]["amount"]) for each in made["lines"]
    ]


def rent(**more: Any) -> dict[str, Any]:
    """The input of a rent that comes again each month, from today on."""
    lines = [debit("6010", "900.00"), credit("1020", "900.00")]
    return {"description": "Rent", "schedule": "MONTHLY", "startsOn": today(), "lines": lines, **more}


async def recurring_of_each_kind(api: Api) -> None:
    """Entries that come again: one posted, one that cannot be, one that is ended, and one that is due later."""
    foreign = [debit("6010", 1, "XOF"), credit("1020", 1, "XOF")]
    for given in (rent(), rent(lines=foreign), rent(endsOn=today()), rent(startsOn=f"{int(today()[:4]) + 1}-12-31")):
        (payload,) = (await api.data(RECURRING, {"input": given})).values()
        assert payload["userErrors"] == []
    (payload,) = (await api.data(RECURRING_POST)).values()
    assert (len(payload["entries"]), len(payload["failed"])) == (2, 1)


async def budgets_of_each_kind(api: Api) -> None:
    """A budget that is active, allows more than anybody spends and is at its second version; a draft of next year; a
    closed one.
    """
    year = int(today()[:4])

    def lines(of: int) -> list[dict[str, Any]]:
        return [
            {"accountCode": code, "month": f"{of}-{month:02}-01", "amount": money(1_000_000)}
            for code in ("6010", "6090")
            for month in (1, 2)
        ]

    made = []
    for control, of in (("REFUSE", year), ("WARN", year + 1), ("NONE", year)):
        given = {"name": f"Plan {control}", "startsOn": f"{of}-01-01", "control": control, "lines": lines(of)}
        made.append((await api.data(BUDGET, {"input": given}))["budgetCreate"]["budget"]["id"])
    revise = """mutation R($id: ID!, $input: BudgetReviseInput!) {
      budgetRevise(id: $id, input: $input) { userErrors { message } } }"""
    revision = {"expectedVersion": 1, "reason": "Less", "lines": lines(year)[:3]}
    close = "mutation C($id: ID!) { budgetClose(id: $id) { userErrors { message } } }"
    for document, given in (
        (ACTIVATE, {"id": made[0]}),
        (revise, {"id": made[0], "input": revision}),
        (close, {"id": made[2]}),
    ):
        (payload,) = (await api.data(document, given)).values()
        assert payload["userErrors"] == []
