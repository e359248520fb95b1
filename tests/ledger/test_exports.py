"""The books in the forms of others: complete, the same every time, and accepted by the tools they are for."""

import csv
import io
import os
import re
import subprocess
import zipfile
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.demo import seed
from domain import ledger
from domain.kernel.database import Database
from domain.kernel.errors import Invalid, Trouble
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money, Rate
from domain.kernel.work import SYSTEM, begin
from domain.ledger import (
    NewAccount,
    NewExchangeRate,
    NewExchangeRates,
    NewJournalEntry,
    NewLine,
    NewOpenItem,
    NewRevaluation,
    export,
)
from domain.ledger.export import Format, Span, journal, programs, spreadsheet
from domain.ledger.tables import AccountType
from tests.ledger.test_chain import field, post, sealed
from tests.support.process import path_of, waterline
from tests.support.server import Server

ODD = 'Zoë\'s "best"; 50% \\ off | * ! (new) @@'
FORMULA = '=HYPERLINK("http://example.com"; 1)'
MONTHS = 3


@pytest.fixture(scope="module")
async def shop(database: Database, server: Server, database_name: str) -> Database:
    """The demo shop, entries in other currencies, odd texts, and some of it in earlier months."""
    await seed(database)
    await post(database, ODD, "12.345678")
    await post(database, FORMULA, "3.00")
    await post(database, "In euros", "10.00", currency="EUR")
    await post(database, "In yen", "10.00", currency="JPY")
    owner = await asyncpg.connect(server.owner_url(database_name))
    async with owner.transaction():  # time cannot be waited for
        for table in ("journal_entries", "journal_lines", "accounting_periods"):
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        numbered = "(SELECT number % {0} FROM journal_entries WHERE id = {1})"
        for table, key in (("journal_lines", "entry_id"), ("journal_entries", "journal_entries.id")):
            months = numbered.format(MONTHS, key) if table == "journal_lines" else f"(number % {MONTHS})"
            await owner.execute(
                f"UPDATE {table} SET posted_on = (posted_on - make_interval(months => {months}::int))::date"
            )
        for table in ("journal_entries", "journal_lines", "accounting_periods"):
            await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    await owner.close()
    await _abroad(database)
    while await sealed(database):
        pass
    return database


async def _abroad(database: Database) -> None:
    """A bank account in euros, a bill that is paid at another rate, and a day at whose rates all is shown."""

    def line(code: str, amount: int, **more: Any) -> NewLine:
        money = Money(Decimal(abs(amount)), CurrencyCode("EUR"))
        side = {"debit": money} if amount > 0 else {"credit": money}
        return NewLine(account_code=code, **side, **more)

    async with database.connection() as connection:
        async with begin(connection, actor=SYSTEM) as work:
            day = (await ledger.books(work)).today - timedelta(days=1)
            parent = await work.raw.fetchval("SELECT id FROM accounts WHERE code = '1000'")
            await ledger.create_account(
                work, NewAccount("1030", "Bank in euros", ID("acc_" + parent), currency=CurrencyCode("EUR"))
            )
            rates = [NewExchangeRate(CurrencyCode("EUR"), day, Rate(Decimal("1.25")))]
            await ledger.set_rates(work, NewExchangeRates(rates))
            bill = [line("6090", 30), line("2010", -30, opens=NewOpenItem("Papier"))]
            for text, rate, lines in (("Capital", "1.1", [line("1030", 90), line("3010", -90)]), ("Bill", "1.1", bill)):
                entry = NewJournalEntry(day, text, lines, exchange_rate=Rate(Decimal(rate)))
                await ledger.post_by_hand(work, entry)
        async with begin(connection, actor=SYSTEM) as work:
            item = ID("itm_" + await work.raw.fetchval("SELECT id FROM open_items WHERE party = 'Papier'"))
            paid = [line("2010", 20, settles=item), line("1030", -20)]
            await ledger.post_by_hand(work, NewJournalEntry(day, "Paid", paid))
            await ledger.revalue(work, NewRevaluation(day))


async def written(database: Database, form: Format, span: Span | None = None) -> str:
    async with database.snapshot() as connection:
        return "".join([piece async for piece in export.write(connection, form, span or Span())])


async def balances(database: Database, on: date) -> dict[str, Decimal]:
    """The trial balance by account id: debits positive, credits negative."""
    async with database.snapshot() as connection:
        found = await ledger.trial_balance(connection, ledger.Span(on))
        return {each.account: each.debit - each.credit for each in found}


async def days(database: Database) -> tuple[date, date]:
    async with database.connection() as connection:
        found = await connection.exec_driver_sql("SELECT min(posted_on) AS a, max(posted_on) AS z FROM journal_entries")
        row = found.one()
    return row.a, row.z


async def spans(database: Database) -> list[Span]:
    first, last = await days(database)
    middle = first + (last - first) / 2
    return [Span(), Span(first=middle), Span(last=middle), Span(middle, middle + timedelta(days=20)), Span(last=last)]


def found(tool: str) -> str:
    """Where a tool is; skipped where it is not found."""
    path = path_of(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    return path


@pytest.mark.tool("bean-check")
async def test_beancount_accepts_it(shop: Database, tmp_path: Path) -> None:
    tool = found("bean-check")
    file = tmp_path / "books.beancount"
    for span in await spans(shop):
        file.write_text(await written(shop, Format.BEANCOUNT, span))
        checked = subprocess.run([tool, str(file)], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr[:3000]
    crooked = re.sub(r"(balance \S+  -?)(\d)", r"\g<1>9\2", file.read_text(), count=1)
    file.write_text(crooked)
    assert subprocess.run([tool, str(file)], capture_output=True, check=False).returncode != 0


@pytest.mark.tool("hledger")
async def test_hledger_accepts_it(shop: Database, tmp_path: Path) -> None:
    tool = found("hledger")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    file = tmp_path / "books.journal"
    command = [tool, "-f", str(file), "check", "--strict"]
    for span in await spans(shop):
        file.write_text(await written(shop, Format.HLEDGER, span))
        checked = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert checked.returncode == 0, checked.stderr[:3000]
    file.write_text(re.sub(r"(= -?)(\d)", r"\g<1>9\2", file.read_text(), count=1))
    assert subprocess.run(command, capture_output=True, check=False, env=environment).returncode != 0


async def test_assertions_are_the_trial_balance(shop: Database) -> None:
    """In the currency of the books: what is asserted, and what the total prices of other currencies add."""
    text = await written(shop, Format.BEANCOUNT)
    codes = dict(re.findall(r'open (\S+)\n  code: "(\S+)"', text))
    async with shop.connection() as connection:
        accounts = await connection.exec_driver_sql("SELECT code, 'acc_' || replace(id::text, '-', '') FROM accounts")
        ids = dict(tuple(row) for row in accounts.all())
    priced: dict[tuple[date, str], Decimal] = {}
    day = date.min
    for line in text.splitlines():
        if head := re.match(r"(\d{4}-\d\d-\d\d) \*", line):
            day = date.fromisoformat(head[1])
        elif foreign := re.match(r"  (\S+)  (-?)\S+ \w+ @@ (\S+) USD", line):
            key = (day, foreign[1])
            priced[key] = priced.get(key, Decimal(0)) + Decimal(foreign[2] + foreign[3])
    assert priced
    asserted: dict[date, dict[str, Decimal]] = {}
    for on, name, amount in re.findall(r"(\S+) balance (\S+)  (\S+) USD", text):
        asserted.setdefault(date.fromisoformat(on), {})[name] = Decimal(amount)
    assert len(asserted) == MONTHS
    for on, told in asserted.items():
        assert on.day == 1
        for (posted, name), amount in priced.items():
            if posted < on:
                told[name] = told.get(name, Decimal(0)) + amount
        assert {ids[codes[name]]: amount for name, amount in told.items()} == await balances(
            shop, on - timedelta(days=1)
        )


async def test_the_same_books_give_the_same_bytes(shop: Database, tmp_path: Path) -> None:
    for form in Format:
        assert await written(shop, form) == await written(shop, form)
    packages = []
    for name in ("one.zip", "two.zip"):
        async with shop.snapshot() as connection:
            await export.write_audit(connection, Span(), tmp_path / name)
        packages.append((tmp_path / name).read_bytes())
    assert packages[0] == packages[1]


async def test_every_line_is_a_row(shop: Database) -> None:
    text = await written(shop, Format.CSV)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    async with shop.connection() as connection:
        count = (await connection.exec_driver_sql("SELECT count(*) FROM journal_lines")).scalar_one()
    assert len(rows) == count
    order = [(row["posted_on"], int(row["entry_number"][3:]), int(row["line"])) for row in rows]
    assert order == sorted(order)
    (odd, _) = [row for row in rows if row["description"] == ODD]
    assert (odd["debit"], odd["credit"], odd["account_code"]) == ("12.345678", "0.00", "5010")
    (euros, _) = [row for row in rows if row["description"] == "In euros"]
    assert (euros["currency"], euros["debit"], euros["base_currency"], euros["debit_base"]) == (
        "EUR",
        "8.00",
        "USD",
        "10.00",
    )
    first, last = await days(shop)
    parts = [Span(last=first), Span(first=first + timedelta(days=1), last=last)]
    texts = [await written(shop, Format.CSV, span) for span in parts]
    assert sum(text.count("\r\n") - 1 for text in texts) == count


def parsed(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def signed(row: dict[str, str]) -> Decimal:
    """What a row of any of the programs says: debits positive."""
    if "*Amount" in row:
        return Decimal(row["*Amount"])
    if "Net Amount" in row:
        return Decimal(row["Net Amount"]) * {"JD": 1, "JC": -1}[row["Type"]]
    assert (row["*Debits"] == "") != (row["*Credits"] == "")
    return Decimal(row["*Debits"] or 0) - Decimal(row["*Credits"] or 0)


NUMBER = {Format.QUICKBOOKS: "*JournalNo", Format.XERO: "*Narration", Format.SAGE: "Reference"}
CODE = {Format.QUICKBOOKS: "*AccountName", Format.XERO: "*AccountCode", Format.SAGE: "Nominal A/C Ref"}
HEADERS = {
    Format.QUICKBOOKS: "*JournalNo,*JournalDate,*AccountName,*Debits,*Credits,Description,Name,Currency,Location,Class",
    Format.XERO: "*Narration,*Date,Description,*AccountCode,*TaxRate,*Amount,"
    "TrackingName1,TrackingOption1,TrackingName2,TrackingOption2",
    Format.SAGE: "Type,Account Reference,Nominal A/C Ref,Department Code,Date,Reference,Details,Net Amount,Tax Code,"
    "Tax Amount,Exchange Rate",
}


@pytest.mark.parametrize("form", HEADERS)
async def test_other_programs_get_the_journal_to_the_cent(shop: Database, form: Format) -> None:
    """Line by line what it is worth in the books, entry by entry zero, on the same accounts and days."""
    for span in await spans(shop):
        text = await written(shop, form, span)
        assert text.splitlines()[0] == HEADERS[form]
        rows = parsed(text)
        lines = [
            (row["entry_number"], row["account_code"], row["posted_on"], worth)
            for row in parsed(await written(shop, Format.CSV, span))
            if (worth := Decimal(row["debit_base"]) - Decimal(row["credit_base"]))
        ]
        assert len(rows) == len(lines) > 0
        sums: dict[str, Decimal] = {}
        for row, (number, code, on, worth) in zip(rows, lines, strict=True):
            assert row[NUMBER[form]].split(" ")[0] == number
            assert form is Format.QUICKBOOKS or row[CODE[form]] == code
            day = date.fromisoformat(on).strftime("%m/%d/%Y" if form is Format.QUICKBOOKS else "%d/%m/%Y")
            assert day in row.values()
            assert signed(row).as_tuple().exponent == -2
            assert abs(signed(row) - worth) < Decimal("0.01")
            assert signed(row) == worth or "12.34" in str(worth)
            sums[number] = sums.get(number, Decimal(0)) + signed(row)
        assert set(sums.values()) == {Decimal("0.00")}


async def test_other_programs_are_told_what_lines_are_about(shop: Database) -> None:
    """The party of an item, the channel and the place by their names, and what a document said in its own currency."""
    quickbooks, xero, sage = [parsed(await written(shop, form)) for form in HEADERS]
    (euros, _) = [row for row in quickbooks if row["Description"].startswith("In euros")]
    assert (euros["*AccountName"], euros["*Debits"], euros["Currency"], euros["Description"]) == (
        "Cost of sales:Cost of goods sold",
        "10.00",
        "USD",
        "In euros (8.00 EUR)",
    )
    bill = [row for row in quickbooks if row["Description"] == "Bill (30.00 EUR)"]
    assert [(row["*AccountName"], row["Name"]) for row in bill] == [
        ("Operating expenses:Other expenses", ""),
        ("Accounts payable", "Papier"),
    ]
    assert [row["Description"] for row in xero if row["*Narration"].endswith(" Bill")] == [
        "30.00 EUR",
        "Papier, 30.00 EUR",
    ]
    assert {row["*TaxRate"] for row in xero} == {"Tax Exempt"}
    async with shop.connection() as connection:
        named = await connection.exec_driver_sql(
            "SELECT (SELECT array_agg(name) FROM sales_channels), (SELECT array_agg(name) FROM locations)"
        )
        channels, places = tuple(named.one())
    assert {row["Class"] for row in quickbooks} - {""} <= set(channels)
    assert {row["Location"] for row in quickbooks} - {""} <= set(places)
    assert any(row["Class"] for row in quickbooks)
    assert any(row["Location"] for row in quickbooks)
    assert [(row["TrackingOption1"], row["TrackingOption2"]) for row in xero] == [
        (row["Location"], row["Class"]) for row in quickbooks
    ]
    assert {(row["TrackingName1"], bool(row["TrackingOption1"])) for row in xero} == {("Location", True), ("", False)}
    assert {(row["Tax Code"], row["Tax Amount"], row["Exchange Rate"], row["Account Reference"]) for row in sage} == {
        ("T9", "0.00", "1", "")
    }
    assert all(len(row["Details"]) <= 60 and len(row["Reference"]) <= 30 for row in sage)


async def test_no_spreadsheet_runs_what_somebody_wrote(shop: Database) -> None:
    for form in (Format.CSV, *HEADERS):
        cells = [cell for row in parsed(await written(shop, form)) for cell in row.values()]
        assert any(f"'{FORMULA}"[:60] in cell or FORMULA in cell for cell in cells)
        assert [cell for cell in cells if re.match(r"[=+@\t\r-]", cell) and not re.fullmatch(r"-\d+\.\d+", cell)] == []
    for text in ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"):
        assert spreadsheet.guarded(text) == f"'{text}"
    for text in ("", "-12.50", "+3", "plain", "a=b"):
        assert spreadsheet.guarded(text) == text


def test_what_a_program_has_no_room_for_is_left_out_or_cut() -> None:
    account = journal.Account("0" * 32, AccountType.EXPENSE, "6090", "Paper", "Expenses:Paper-6090", ("Paper",))
    side = programs.Side(
        "JE-000001", date(2026, 2, 1), "=" * 500, account, Decimal(-1), "GBP", "8.00 EUR", "", "", "7", "", ""
    )
    assert programs.SAGE["Department Code"](side) == "7"
    assert programs.SAGE["Department Code"](replace(side, department="1000")) == ""
    assert programs.SAGE["Department Code"](replace(side, department="MAIN")) == ""
    told = programs.SAGE["Details"](side)
    assert (len(told), told[:3], told[-11:]) == (60, "'==", " (8.00 EUR)")
    assert [programs.XERO["*TaxRate"](replace(side, currency=code)) for code in ("GBP", "AUD", "NZD", "EUR")] == [
        "No VAT",
        "BAS Excluded",
        "No GST",
        "Tax Exempt",
    ]
    assert (programs.SAGE["Type"](side), programs.SAGE["Net Amount"](side), programs.XERO["*Amount"](side)) == (
        "JC",
        "1.00",
        "-1.00",
    )


@given(
    values=st.lists(st.decimals(-(10**6), 10**6, places=6), min_size=1, max_size=30), digits=st.sampled_from([0, 2, 3])
)
def test_parts_of_a_cent_are_kept_in_the_entry(values: list[Decimal], digits: int) -> None:
    values.append(-sum(values, Decimal(0)))
    rounded = programs.in_digits(values, digits)
    assert sum(rounded) == 0
    for before, after in zip(values, rounded, strict=True):
        assert abs(before - after) < Decimal(1).scaleb(-digits)
        assert after == after.quantize(Decimal(1).scaleb(-digits))


async def test_accounts_of_one_name_stay_apart(fresh_database: Database) -> None:
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await work.raw.execute(
            "INSERT INTO accounts (id, code, name, type, parent_id, created_at)"
            " SELECT uuid7(), more.code, more.name, 'EXPENSE', id, now() FROM accounts,"
            " (VALUES ('5011', 'Cost of goods sold'), ('5012', 'Of \"others\": all')) AS more(code, name)"
            " WHERE accounts.code = '5000'"
        )
    async with fresh_database.snapshot() as connection:
        paths = {account.code: account.path for account in (await journal.chart(connection)).values()}
    assert len(paths) == len(set(paths.values()))
    assert paths["5010"] == ("Cost of sales", "Cost of goods sold")
    assert paths["5011"] == ("Cost of sales", "Cost of goods sold 5011")
    assert paths["5012"] == ("Cost of sales", "Of 'others'- all")
    assert paths["1010"] == ("Cash",)


def told(row: dict[str, str], until: str) -> list[str | None]:
    """The fields of a row up to a column, and those behind it that say something: each with its name."""
    names = list(row)
    always, sometimes = names[: names.index(until) + 1], names[names.index(until) + 1 :]
    return [row[name] or None for name in always] + [
        each for name in sometimes if row[name] for each in (name, row[name])
    ]


async def test_an_auditor_recomputes_the_package(shop: Database, tmp_path: Path) -> None:
    first, _ = await days(shop)
    for span in (Span(), Span(last=first + timedelta(days=20))):
        async with shop.snapshot() as connection:
            await export.write_audit(connection, span, tmp_path / "audit.zip")
        with zipfile.ZipFile(tmp_path / "audit.zip") as package:
            files = {name: package.read(name).decode() for name in package.namelist()}
        tables = {name: list(csv.DictReader(io.StringIO(text, newline=""))) for name, text in files.items()}
        entries = {row["id"]: row for row in tables["entries.csv"]}
        assert entries
        assert len(tables["digests.csv"]) == len(entries)
        for seal in tables["digests.csv"]:
            fields = told(entries[seal["entry_id"]], until="act")
            for line in tables["lines.csv"]:
                if line["entry_id"] == seal["entry_id"]:
                    fields += told({name: value for name, value in line.items() if name != "entry_id"}, "credit_base")
            content = b"".join(map(field, fields))
            assert sha256(bytes.fromhex(seal["digest_before"]) + content).hexdigest() == seal["digest"]
        for on in {row["on"] for row in tables["balances.csv"]}:
            mine = [row for row in tables["balances.csv"] if row["on"] == on]
            assert sum(Decimal(row["debit"]) for row in mine) == sum(Decimal(row["credit"]) for row in mine) > 0
            written_down = sorted(Decimal(row["debit"]) - Decimal(row["credit"]) for row in mine)
            assert written_down == sorted((await balances(shop, date.fromisoformat(on))).values())
    async with shop.snapshot() as connection:
        head = (await ledger.verify(connection)).head
    assert head is not None
    assert head.digest in files["README.txt"]


async def test_no_name_in_the_package_is_a_formula(fresh_database: Database, tmp_path: Path) -> None:
    """What digests are computed from is written as it is, and the README warns of it."""
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await work.raw.execute("UPDATE accounts SET name = $1 WHERE role = 'COGS'", FORMULA)
    await post(fresh_database, FORMULA, "1.00")
    async with fresh_database.snapshot() as connection:
        await export.write_audit(connection, Span(), tmp_path / "audit.zip")
    with zipfile.ZipFile(tmp_path / "audit.zip") as package:
        tables = {name: parsed(package.read(name).decode()) for name in package.namelist() if name.endswith(".csv")}
        readme = package.read("README.txt").decode()
    names = [row["name"] for row in tables["chart.csv"]] + [row["account_name"] for row in tables["balances.csv"]]
    assert names.count(f"'{FORMULA}") == 2
    assert FORMULA not in names
    assert [row["description"] for row in tables["entries.csv"]] == [FORMULA]
    assert "In entries.csv and lines.csv nothing is changed" in readme


async def test_codes_that_a_program_has_no_room_for_are_named(fresh_database: Database) -> None:
    await post(fresh_database, "Something", "1.00")
    assert await written(fresh_database, Format.SAGE)
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await work.raw.execute("UPDATE accounts SET code = 'GOODS-SOLD' WHERE role = 'COGS'")
        await work.raw.execute("UPDATE accounts SET code = 'NEVER-USED' WHERE role = 'DAMAGE'")
    with pytest.raises(Trouble) as trouble:
        await written(fresh_database, Format.SAGE)
    assert trouble.value.problem.endswith("have longer ones: GOODS-SOLD.")
    assert await written(fresh_database, Format.XERO)
    tomorrow = (await days(fresh_database))[1] + timedelta(days=1)
    assert await written(fresh_database, Format.SAGE, Span(first=tomorrow))


async def test_nothing_to_export(fresh_database: Database, tmp_path: Path) -> None:
    for form in (Format.CSV, *HEADERS):
        assert (await written(fresh_database, form)).count("\n") == 1
    for form in (Format.BEANCOUNT, Format.HLEDGER):
        assert (await written(fresh_database, form)).startswith(";")
    async with fresh_database.snapshot() as connection:
        await export.write_audit(connection, Span(), tmp_path / "audit.zip")
    with pytest.raises(Invalid):
        Span(date(2026, 2, 1), date(2026, 1, 1))


async def test_names_of_accounts_are_legal_and_their_own(fresh_database: Database) -> None:
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await work.raw.execute(
            "INSERT INTO accounts (id, code, name, type, created_at) VALUES"
            " (uuid7(), 'A.1', 'Über; \"x\"', 'ASSET', now()),"
            " (uuid7(), 'A-1', 'uber x', 'ASSET', now()), (uuid7(), 'Z9', '資産', 'ASSET', now())"
        )
    await post(fresh_database, "Something", "1.00")
    names = re.findall(r"open (\S+)", await written(fresh_database, Format.BEANCOUNT))
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+(:[A-Z0-9][A-Za-z0-9-]*)+", name) for name in names)
    assert {"Assets:Inventory-1200", "Expenses:Cost-of-sales-5000:Cost-of-goods-sold-5010"} <= set(names)


async def test_the_command_line_writes_them(shop: Database, server: Server, database_name: str, tmp_path: Path) -> None:
    urls = {"DATABASE_URL": server.app_url(database_name), "DATABASE_ADMIN_URL": server.owner_url(database_name)}
    told = waterline(tmp_path, "export", "ledger", "--format", "hledger", **urls)
    assert told.stdout == await written(shop, Format.HLEDGER), told.stderr
    first, _ = await days(shop)
    file = tmp_path / "books.csv"
    arguments = ("--format", "csv", "--to", first.isoformat(), "--output", str(file))
    assert waterline(tmp_path, "export", "ledger", *arguments, **urls).returncode == 0
    assert file.read_bytes().decode() == await written(shop, Format.CSV, Span(last=first))
    for form in HEADERS:
        told = waterline(tmp_path, "export", "ledger", "--format", form, "--output", str(file), **urls)
        assert told.returncode == 0, told.stderr
        assert file.read_bytes().decode() == await written(shop, form)
    refused = waterline(tmp_path, "export", "ledger", "--format", "csv", "--from", "2026-02-01", "--to", "2026-01-01")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "The first day lies after the last." in refused.stderr
    packed = waterline(tmp_path, "export", "audit", "--output", str(tmp_path / "audit.zip"), **urls)
    assert packed.returncode == 0, packed.stderr
    assert zipfile.is_zipfile(tmp_path / "audit.zip")
