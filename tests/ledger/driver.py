"""Random acts on the books, many at once, and each told to the reference model: entries, reversals, closings, rates."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from domain import ledger
from domain.kernel.database import Database, raw
from domain.kernel.ids import ID
from tests.ledger.model import CENTS, Books, Entry, Line, in_order
from tests.support import books, shop
from tests.support.api import Api

AT_ONCE = 10
PLAIN = ("1010", "1020", "1500", "2500", "3010", "6010", "6020", "6030")
TODAY = date.fromisoformat(books.today())
MONTHS = [(TODAY.replace(day=1) - timedelta(days=31 * n)).replace(day=1) for n in range(3)]
FIRST = MONTHS[-1]
"""Acts are about the days from here on until today."""
CLOSED = {"PERIOD_CLOSED", "PERIOD_LOCKED"}

_ENTRY = """
id on recordedAt exchangeRate
lines { account { code } debit { amount currency } credit { amount } debitBase { amount } creditBase { amount }
  project { code } openItem { id } }
"""
POST = f"""mutation Post($input: JournalEntryPostInput!, $dryRun: Boolean! = false) {{
  journalEntryPost(input: $input, dryRun: $dryRun) {{ journalEntry {{ {_ENTRY} }} userErrors {{ code message }} }} }}"""
REVERSE = f"""mutation Reverse($id: ID!, $on: Date) {{
  journalEntryReverse(id: $id, on: $on) {{ journalEntry {{ {_ENTRY} }} userErrors {{ code message }} }} }}"""
REVALUE = f"""mutation Revalue($input: CurrencyRevalueInput!) {{
  currencyRevalue(input: $input) {{ journalEntries {{ {_ENTRY} reversedBy {{ {_ENTRY} }} }}
    userErrors {{ code message }} }} }}"""
PERIOD = """mutation Act($id: ID!) {{
  accountingPeriod{step}(id: $id{more}) {{ accountingPeriod {{ id }} userErrors {{ code message }} }} }}"""
TRIAL = """query Trial($on: Date!) {
  trialBalance(asOf: $on) { rows { account { code } debit { amount } credit { amount } } } }"""
PERIODS = "{ accountingPeriods(first: 250) { nodes { id startsOn state } } }"


class Driver:
    """Does random acts, and tells the model what came of them."""

    def __init__(self, api: Api, database: Database) -> None:
        self.api, self.database, self.model = api, database, Books()
        self.chance = random.Random(0)
        self.projects: dict[str, str] = {}
        self.periods: dict[date, str] = {}
        self.accounts: dict[str, str] = {}
        self.outcomes: Counter[str] = Counter()
        self.moving: set[str] = set()
        """Foreign items that an act of this burst settles: what they are carried at depends on the order."""
        self.bills = 0

    async def prepare(self) -> None:
        """An account in euros, projects, first rates."""
        parent = await books.account_id(self.api, "1000")
        new = {"code": "1030", "name": "Bank in euros", "parentId": parent, "currency": "EUR"}
        await shop.done(self.api, books.ACCOUNT, {"input": new})
        for code in ("P1", "P2"):
            value = {"dimension": "PROJECT", "code": code, "name": code}
            made = await shop.done(self.api, books.VALUE, {"input": value})
            self.projects[code] = made["dimensionValue"]["id"]
        for currency, rate in (("EUR", "1.1"), ("JPY", "0.0067")):
            await self.set_rate(currency, FIRST - timedelta(days=400), Decimal(rate))()
        listed = (await self.api.data("{ accounts(first: 250) { nodes { id code } } }"))["accounts"]["nodes"]
        self.accounts = {each["id"]: each["code"] for each in listed}
        await self.look_at_periods()

    async def look_at_periods(self) -> None:
        """What the months are now. Which of several closings came last is the database's to say."""
        for each in (await self.api.data(PERIODS))["accountingPeriods"]["nodes"]:
            self.periods[date.fromisoformat(each["startsOn"])] = each["id"]
            self.model.months[date.fromisoformat(each["startsOn"])] = each["state"]

    # --- acts: each is chosen now, and done when it is called ---------------------------------------------------------

    def act(self) -> Callable[[], Awaitable[None]]:
        """A random one."""
        makers = [self.entry] * 6 + [self.bill] * 3 + [self.settlement] * 5 + [self.reversal] * 3
        makers += [self.period] * 2 + [self.new_rate] * 2
        return self.chance.choice(makers)()

    def day(self, since: date = FIRST) -> date:
        return since + timedelta(days=self.chance.randrange((TODAY - since).days + 1))

    def amount(self, currency: str, most: int = 99_999) -> Decimal:
        return Decimal(self.chance.randrange(1, most)).scaleb(-CENTS[currency])

    def entry(self) -> Callable[[], Awaitable[None]]:
        currency = self.chance.choice(("USD", "USD", "EUR", "JPY"))
        names = [*PLAIN, "1030"] if currency == "EUR" else list(PLAIN)
        amounts = [self.amount(currency) for _ in range(self.chance.choice((1, 1, 2, 3)))]
        side = self.chance.choice((1, -1))
        lines = [Line(self.chance.choice(names), side * each, Decimal(0), self.project()) for each in amounts]
        lines.append(Line(self.chance.choice(names), -side * sum(amounts, Decimal(0)), Decimal(0), self.project()))
        return self.post(lines, currency)

    def project(self) -> str | None:
        return self.chance.choice((None, None, "P1", "P2"))

    def bill(self) -> Callable[[], Awaitable[None]]:
        currency = self.chance.choice(("USD", "USD", "EUR", "JPY"))
        amount = self.amount(currency)
        lines = [Line("6090", amount, Decimal(0), self.project()), Line("2010", -amount, Decimal(0), item="new")]
        return self.post(lines, currency)

    def settlement(self) -> Callable[[], Awaitable[None]]:
        items = [key for key, item in self.model.items.items() if item.balance and key not in self.moving]
        if not items:
            return self.bill()
        key = self.chance.choice(items)
        item = self.model.items[key]
        if item.currency != "USD":
            self.moving.add(key)
        most = int(abs(item.balance).scaleb(CENTS[item.currency]))
        amount = self.chance.choice((abs(item.balance), self.amount(item.currency, most + 2)))
        parts = self.parts(amount, item.currency)
        lines = [Line("2010", amount, Decimal(0), self.project(), key)]
        lines += [Line("1020", -part, Decimal(0)) for part in parts]
        return self.post(lines, item.currency, settles=key)

    def parts(self, amount: Decimal, currency: str) -> list[Decimal]:
        """An amount in one payment, or in up to three."""
        paid = sorted(min(self.amount(currency), amount) for _ in range(self.chance.choice((0, 0, 2))))
        return [part for part in (after - before for before, after in pairwise([Decimal(0), *paid, amount])) if part]

    def post(
        self, lines: list[Line], currency: str, settles: str | None = None, on: date | None = None
    ) -> Callable[[], Awaitable[None]]:
        on = on or (self.day() if settles is None else self.day(self.model.items[settles].opened_on))
        told = self.chance.random() < 0.3 and currency != "USD"
        rate = Decimal(self.chance.randrange(1, 30_000)).scaleb(-4) if told else None
        dry = self.chance.random() < 0.15
        self.bills += 1
        party = f"Party {self.bills}"
        given = {
            "on": on.isoformat(),
            "description": "A random entry",
            "lines": [self.line(each, currency, settles, party) for each in lines],
            "exchangeRate": None if rate is None else str(rate),
        }

        async def do() -> None:
            before = self.model.rate(currency, on)
            payload = await shop.act(self.api, POST, {"input": given, "dryRun": dry})
            codes = {each["code"] for each in payload["userErrors"]}
            self.outcomes[f"{'settle' if settles else 'post'} {'dry ' if dry else ''}{min(codes, default='done')}"] += 1
            if codes:
                assert codes <= CLOSED | ({"BEYOND_OPEN_ITEM"} if settles else set()), payload["userErrors"]
                return
            if dry:
                return
            made = self.told(payload["journalEntry"])
            used = payload["journalEntry"]["exchangeRate"]
            if currency == "USD":
                assert used is None
            else:
                assert Decimal(used) in {rate} if rate else {before, self.model.rate(currency, on)}
            assert made.on == on
            expected = [
                Line(each.account, each.amount, each.base, each.project, made.lines[n].item if each.item else None)
                for n, each in enumerate(lines)
            ]
            used_rate = None if used is None else Decimal(used)
            assert made.lines == self.model.posted(expected, used_rate, settles=settles if currency != "USD" else None)
            self.model.add(made)

        return do

    def line(self, line: Line, currency: str, settles: str | None, party: str) -> dict[str, Any]:
        side = "debit" if line.amount > 0 else "credit"
        about: dict[str, Any] = {"projectId": self.projects[line.project]} if line.project else {}
        if line.item is not None and line.item == settles:
            about["settles"] = settles
        elif line.item is not None:
            about["opens"] = {"party": party}
        return {"accountCode": line.account, side: books.money(f"{abs(line.amount):f}", currency), **about}

    def reversal(self) -> Callable[[], Awaitable[None]]:
        known = [each for each in self.model.entries.values() if not each.is_reversal]
        known = [each for each in known if not any(line.item in self.moving for line in each.lines)]
        if not known:
            return self.entry()
        entry = self.chance.choice(known)
        on = self.day(entry.on)
        foreign = {line.item for line in entry.lines if line.item and entry.currency != "USD"}
        self.moving |= {each for each in foreign if each}

        async def do() -> None:
            payload = await shop.act(self.api, REVERSE, {"id": entry.id, "on": on.isoformat()})
            codes = {each["code"] for each in payload["userErrors"]}
            self.outcomes[f"reverse {min(codes, default='done')}"] += 1
            if codes:
                assert codes <= CLOSED | {"NOT_ALLOWED_NOW"}
                return
            assert not entry.reversed, "an entry is reversed once"
            entry.reversed = True
            made = self.told(payload["journalEntry"])
            made.is_reversal = True
            assert (made.on, made.lines) == (on, self.model.taken_back(entry))
            self.model.add(made)

        return do

    def period(self) -> Callable[[], Awaitable[None]]:
        month = self.chance.choice(MONTHS[1:])
        step, more = self.chance.choice((("Close", ""), *[("Reopen", ', reason: "Forgotten"')] * 2))

        async def do() -> None:
            payload = await shop.act(self.api, PERIOD.format(step=step, more=more), {"id": self.periods[month]})
            codes = {each["code"] for each in payload["userErrors"]}
            assert codes <= {"NOT_ALLOWED_NOW"}
            self.outcomes[f"{step.lower()} {min(codes, default='done')}"] += 1

        return do

    def new_rate(self) -> Callable[[], Awaitable[None]]:
        currency = self.chance.choice(("EUR", "JPY"))
        return self.set_rate(currency, self.day(), Decimal(self.chance.randrange(1, 20_000)).scaleb(-4))

    def set_rate(self, currency: str, on: date, rate: Decimal) -> Callable[[], Awaitable[None]]:
        async def do() -> None:
            given = {"currency": currency, "on": on.isoformat(), "rate": f"{rate:f}"}
            payload = await shop.act(self.api, books.RATES, {"input": {"rates": [given]}})
            if payload["userErrors"]:
                assert on in self.model.rates[currency]
            else:
                assert on not in self.model.rates[currency]
                self.model.rates[currency][on] = rate
            self.outcomes[f"rate {'refused' if payload['userErrors'] else 'done'}"] += 1

        return do

    async def revalue(self) -> None:
        """Alone: what is shown depends on all that stands."""
        on = self.day() - timedelta(days=1)
        if self.chance.random() < 0.5:
            await self.empty(on)
        adjusting = self.chance.random() < 0.3
        payload = await shop.act(self.api, REVALUE, {"input": {"on": on.isoformat(), "isAdjusting": adjusting}})
        codes = {each["code"] for each in payload["userErrors"]}
        self.outcomes[f"revalue {min(codes, default='done')}"] += 1
        shown, for_good = self.model.revalued(on)
        if codes:
            assert codes <= CLOSED
            assert not adjusting, "no month is locked here"
            assert (
                "OPEN" not in {self.model.state(on), self.model.state(on + timedelta(days=1))}
                or len({self.model.state(on), self.model.state(on + timedelta(days=1))}) == 2
            )
            return
        made = {each["lines"][0]["debit"]["currency"]: each for each in payload["journalEntries"] if each["reversedBy"]}
        lasting = {
            each["lines"][0]["debit"]["currency"]: each for each in payload["journalEntries"] if not each["reversedBy"]
        }
        assert (made.keys(), lasting.keys()) == (shown.keys(), for_good.keys())
        for currency, each in made.items():
            entry, back = self.told(each), self.told(each["reversedBy"])
            assert in_order(entry.lines) == in_order(shown[currency])
            assert (entry.on, back.on) == (on, on + timedelta(days=1))
            assert in_order(back.lines) == in_order(self.model.taken_back(entry))
            entry.is_reversal = back.is_reversal = True  # nobody takes these back by hand
            entry.shows = True
            self.model.add(entry)
            self.model.add(back)
        for currency, each in lasting.items():
            entry = self.told(each)
            assert (entry.on, in_order(entry.lines)) == (on, in_order(for_good[currency]))
            entry.is_reversal = entry.realizes = True
            self.model.add(entry)
            self.outcomes["realize done"] += 1

    async def empty(self, on: date) -> None:
        """Something comes to the account in euros, and all that is there goes, by the end of a day."""
        came, day = self.amount("EUR"), on - timedelta(days=self.chance.randrange(20))
        await self.post([Line("1030", came, Decimal(0)), Line("3010", -came, Decimal(0))], "EUR", on=day)()
        lines = [line for each in self.model.entries.values() if each.on <= on for line in each.lines]
        if amount := sum((line.amount for line in lines if line.account == "1030"), Decimal(0)):
            moved = [Line("1030", -amount, Decimal(0)), Line("1020", amount, Decimal(0))]
            await self.post(moved, "EUR", on=on)()

    def told(self, made: dict[str, Any]) -> Entry:
        """An entry as the API tells it."""
        lines = [
            Line(
                each["account"]["code"],
                Decimal(each["debit"]["amount"]) - Decimal(each["credit"]["amount"]),
                Decimal(each["debitBase"]["amount"]) - Decimal(each["creditBase"]["amount"]),
                each["project"] and each["project"]["code"],
                each["openItem"] and each["openItem"]["id"],
            )
            for each in made["lines"]
        ]
        currency = made["lines"][0]["debit"]["currency"]
        return Entry(
            made["id"], date.fromisoformat(made["on"]), datetime.fromisoformat(made["recordedAt"]), currency, lines
        )

    # --- bursts -------------------------------------------------------------------------------------------------------

    async def burst(self) -> None:
        """Many acts at once; then everything is what the model says."""
        states = dict(self.model.months)
        self.moving = set()
        acts = [self.act() for _ in range(AT_ONCE)]
        entries = set(self.model.entries)
        await asyncio.gather(*(each() for each in acts))
        await self.look_at_periods()
        for key in self.model.entries.keys() - entries:
            month = self.model.entries[key].on.replace(day=1)
            opened = self.outcomes["reopen done"] > 0
            assert states[month] == "OPEN" or opened, "an entry stands in a month that was closed all the time"
        if self.chance.random() < 0.4:
            await self.revalue()
        if self.chance.random() < 0.5:
            await shop.sealed(self.api)
        await self.compare()

    async def compare(self) -> None:
        """Balances of every day, what was known at an instant, by project; open items; what the API tells."""
        days = [FIRST - timedelta(days=1) + timedelta(days=n) for n in range((TODAY - FIRST).days + 3)]
        instants = [each.recorded_at for each in self.model.entries.values()]
        known = self.chance.choice(instants) if instants else None
        about = {ledger.AccountingDimension.PROJECT: [ID(self.projects["P1"])]}
        spans = [ledger.Span(day) for day in days]
        spans += [ledger.Span(TODAY, known_at=known), ledger.Span(TODAY, about=about)]
        spans += [ledger.Span(TODAY, known_at=known, about=about)]
        async with self.database.snapshot() as connection:
            found = await ledger.turnovers(await raw(connection), spans)
        expected = [self.model.balances(day) for day in days]
        expected += [self.model.balances(TODAY, known_at=known), self.model.balances(TODAY, project="P1")]
        expected += [self.model.balances(TODAY, known_at=known, project="P1")]
        for span, sums, wanted in zip(spans, found, expected, strict=True):
            told = {self.accounts[account]: each.balance for account, each in sums.items() if each.balance}
            assert told == wanted, span
        query = "{ openItems(first: 250, sort: [OPENED_ON_DESC]) { nodes { id status balance { amount } } } }"
        for each in (await self.api.data(query))["openItems"]["nodes"]:
            item = self.model.items[each["id"]]
            assert Decimal(each["balance"]["amount"]) == item.balance
            assert (each["status"] == "SETTLED") == (item.balance == 0)
            assert item.balance or not item.base
        on = self.day()
        rows = (await self.api.data(TRIAL, {"on": on.isoformat()}))["trialBalance"]["rows"]
        told = {
            each["account"]["code"]: Decimal(each["debit"]["amount"]) - Decimal(each["credit"]["amount"])
            for each in rows
        }
        assert {code: amount for code, amount in told.items() if amount} == self.model.balances(on)
