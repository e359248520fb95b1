"""A shop with a page of everything, and four of whatever belongs to a row: made in bulk, as imports make theirs.

The first row of every list has all that the others have. A page of one row asks as much as a page of many, then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import asyncpg

from api.graphql.kit.views import VIEWS
from domain import catalog, customers, fulfillment, ledger, orders, stock
from domain.catalog import NewProduct, NewVariant
from domain.customers import Address, NewCustomer
from domain.fulfillment import NewShipment, NewShipmentLine, Shipping
from domain.kernel.countries import CountryCode
from domain.kernel.database import Database
from domain.kernel.ids import ID, new_id
from domain.kernel.money import CurrencyCode, Money, Quantity
from domain.kernel.work import SYSTEM, Work, begin
from domain.ledger import (
    BudgetRevision,
    DocumentKind,
    NewBudget,
    NewBudgetLine,
    NewJournalEntry,
    NewLine,
    NewRecurringEntry,
    PlainLine,
    RecurringSchedule,
)
from domain.orders import NewOrder, NewOrderLine, OrderPayment
from domain.payments import NewPayment, PaymentMethod
from domain.stock import (
    LocationKind,
    NewAdjustment,
    NewAdjustmentLine,
    NewBin,
    NewBins,
    NewIncoming,
    NewIncomingLine,
    NewLocation,
    NewLot,
    NewReceipt,
    NewReceiptLine,
    NewReservation,
    NewReservationLine,
    StockAdjustmentReason,
)

PAGE = 250
MANY = 4
SIZES = (1, 10, PAGE)

_USD = CurrencyCode("USD")
_HOUSES = [
    Address(line1=f"{n} Quay", country_code=CountryCode("DE"), name="Zoë", city="Kiel", postal_code="24103")
    for n in range(MANY)
]
_NAMED = {
    "prd": "products",
    "var": "product_variants",
    "cus": "customers",
    "ord": "orders",
    "loc": "locations",
    "rct": "stock_receipts",
}
"""Tables whose rows other systems have names for, by the prefix of their ids."""

_OF_THE_OWNER = (
    """INSERT INTO accounts (id, code, name, type, parent_id, created_at)
       SELECT uuid7(), 'X' || lpad(n::text, 3, '0'), 'Account ' || n, 'EXPENSE', parent.id, now()
       FROM generate_series(1, 260) n, accounts parent WHERE parent.code = '6000'""",
    """INSERT INTO accounts (id, code, name, type, created_at)
       SELECT uuid7(), 'Y' || lpad(n::text, 3, '0'), 'Apart ' || n, 'EXPENSE', now()
       FROM generate_series(1, 260) n""",
    """INSERT INTO accounting_periods (id, starts_on, ends_on)
       SELECT uuid7(), (next.day + n * interval '1 month')::date, (next.day + (n + 1) * interval '1 month')::date - 1
       FROM generate_series(0, 259) AS n, (SELECT max(ends_on) + 1 AS day FROM accounting_periods) AS next""",
    """INSERT INTO fiscal_years (id, starts_on, ends_on, closed_at)
       SELECT uuid7(), make_date(1700 + n, 1, 1), make_date(1700 + n, 12, 31), now()
       FROM generate_series(1, 260) AS n""",
    """INSERT INTO sales_channels (id, name, kind, currency, locale, tax_mode, created_at, updated_at)
       SELECT uuid7(), 'Channel ' || n, 'PHONE', 'USD', 'en-US', 'EXCLUSIVE', now(), now()
       FROM generate_series(1, 260) n""",
    """INSERT INTO units (id, code, name, dimension, decimals, numerator, denominator)
       SELECT uuid7(), 'U' || n, 'Unit ' || n, 'COUNT', 0, n, 1 FROM generate_series(1, 260) n""",
)

# Contents of which some have been sold: whatever is below them has rows in every list.
_SOLD = """SELECT * FROM stock_contents AS content WHERE EXISTS (
  SELECT FROM stock_movements AS movement WHERE movement.variant_id = content.variant_id
    AND movement.location_id = content.location_id AND movement.lot_id = content.lot_id
    AND movement.kind = 'SHIPMENT')"""

# What a page of is needed, though nobody would make it by the hundred.
_AROUND_THE_GOODS = (
    """INSERT INTO stock_policies (id, variant_id, created_at, updated_at)
       SELECT uuid7(), id, now(), now() FROM product_variants""",
    f"""INSERT INTO stock_channel_rules (id, channel_id, variant_id, buffer, created_at, updated_at)
       SELECT uuid7(), channel.id, content.variant_id, 1, now(), now() FROM sales_channels AS channel
       CROSS JOIN (SELECT variant_id FROM ({_SOLD}) AS sold ORDER BY id LIMIT 1) AS content""",
    f"""INSERT INTO stock_pools (id, channel_id, variant_id, location_id, held, created_at, updated_at)
       SELECT uuid7(), channel.id, content.variant_id, content.location_id, 0, now(), now()
       FROM sales_channels AS channel
       CROSS JOIN (SELECT variant_id, location_id FROM ({_SOLD}) AS sold ORDER BY id LIMIT 1) AS content""",
    """INSERT INTO stock_transfers (id, status, origin_id, destination_id, transit_id, created_at, updated_at)
       SELECT uuid7(), 'DRAFT', place.ids[1], place.ids[2], place.ids[3], now(), now() FROM generate_series(1, 260)
       CROSS JOIN (SELECT array_agg(id ORDER BY priority) AS ids FROM locations WHERE name LIKE 'Place%') AS place""",
    """INSERT INTO stock_transfer_lines (id, transfer_id, position, variant_id, quantity)
       SELECT uuid7(), transfer.id, variant.n, variant.id, 1 FROM stock_transfers AS transfer CROSS JOIN (
         SELECT id, row_number() OVER (ORDER BY id) AS n FROM product_variants ORDER BY id LIMIT 4) AS variant""",
    f"""INSERT INTO stock_counts (id, location_id, kind, is_blind, status, cancelled_at, created_at, updated_at)
       SELECT uuid7(), place.id, 'CYCLE', false, 'CANCELLED', now(), now(), now() FROM generate_series(1, 260)
       CROSS JOIN (SELECT location_id AS id FROM ({_SOLD}) AS sold ORDER BY id LIMIT 1) AS place""",
    f"""INSERT INTO stock_count_lines (id, count_id, position, variant_id, bin_id, lot_id, expected)
       SELECT uuid7(), counts.id, lying.n, lying.variant_id, lying.bin_id, lying.lot_id, 1 FROM stock_counts AS counts
       CROSS JOIN LATERAL (
         SELECT variant_id, bin_id, lot_id, row_number() OVER (ORDER BY id) AS n FROM ({_SOLD}) AS sold
         WHERE location_id = counts.location_id ORDER BY id LIMIT 4) AS lying""",
    # In one statement: lines belong to a revaluation of the same act.
    f"""WITH made AS (
         INSERT INTO stock_revaluations (id, location_id, reason, entry_id, status, decided_at, created_at, updated_at)
         SELECT uuid7(), place.id, 'The price fell', entry.id, 'APPROVED', now(), now(), now()
         FROM generate_series(1, 260)
         CROSS JOIN (SELECT location_id AS id FROM ({_SOLD}) AS sold ORDER BY id LIMIT 1) AS place
         CROSS JOIN (SELECT entry_id AS id FROM journal_lines GROUP BY 1 ORDER BY count(*) DESC LIMIT 1) AS entry
         RETURNING id, location_id)
       INSERT INTO stock_revaluation_lines
         (id, revaluation_id, position, variant_id, unit_cost_amount, unit_cost_currency)
       SELECT uuid7(), made.id, there.n, there.variant_id, 1, 'USD' FROM made CROSS JOIN LATERAL (
         SELECT variant_id, row_number() OVER (ORDER BY id) AS n FROM stock_levels
         WHERE location_id = made.location_id ORDER BY id LIMIT 4) AS there""",
    """INSERT INTO exchange_rates (id, currency, starts_on, rate, recorded_at, act)
       SELECT uuid7(), 'EUR', date '2020-01-01' + n, 1.1, now(), uuid7() FROM generate_series(1, 260) AS n""",
    "INSERT INTO opening_balances (id, started_at) VALUES (uuid7(), now())",
    """INSERT INTO dimension_values (id, dimension, code, name, created_at)
       SELECT uuid7(), 'PROJECT', 'P' || n, 'Project ' || n, now() FROM generate_series(1, 260) AS n""",
    "ALTER TABLE open_items DISABLE TRIGGER open_items_founded",  # lists do not care
    """INSERT INTO open_items (id, account_id, party, currency, is_debit, opened_on, due_on, entry_id, created_at)
       SELECT uuid7(), account.id, 'Party ' || n, 'USD', false, date '2020-01-01' + n, date '2020-01-01' + n, entry.id,
         now()
       FROM generate_series(1, 260) AS n, (SELECT id FROM accounts WHERE role = 'PAYABLE') AS account,
         (SELECT entry_id AS id FROM journal_lines GROUP BY 1 ORDER BY count(*) DESC LIMIT 1) AS entry""",
)

# Each entry takes the one before it back. No operation does that; the lists should not care.
_CHAIN = """
INSERT INTO journal_entries (id, posted_on, effective_at, recorded_at, description, currency, manual, period_id,
  reversal_of_id, act)
SELECT link.id, first.posted_on, link.at, link.at, 'Link', first.currency, true, first.period_id, link.of, first.act
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS link(id, of, at), journal_entries first WHERE first.id = $4
"""
_CHAIN_LINES = """
INSERT INTO journal_lines
  (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base)
SELECT link, n, account_id, posted_on, currency, sides.debit, sides.credit, base_currency, sides.debit_base,
  sides.credit_base
FROM journal_lines AS line, unnest($1::uuid[]) WITH ORDINALITY AS taken_back(link, times), LATERAL (VALUES
  (0, debit, credit, debit_base, credit_base), (1, credit, debit, credit_base, debit_base)
) AS sides(odd, debit, credit, debit_base, credit_base)
WHERE entry_id = $2 AND times % 2 = odd
"""


@dataclass(frozen=True)
class Crowd:
    """What tests need to know of it."""

    act: ID
    """An act that announced, moved and posted a page and more."""
    wide: dict[int, ID]
    """Variants by the number of locations that have them."""
    days: dict[int, date]
    """Days by the number of accounts that had a balance by then."""
    years: dict[int, int]
    """Years by the number of series of numbers from them on."""
    ids: dict[str, list[ID]]
    """A page of ids by their prefix, the first rows first."""


async def fill(database: Database, owner: "asyncpg.Connection[asyncpg.Record]") -> Crowd:
    """The shop is there from now on."""
    for statement in _OF_THE_OWNER:
        await owner.execute(statement)
    async with database.connection() as connection:
        async with begin(connection, actor=SYSTEM) as work:
            days, chain = await _books(work)
            years = _numbers(work)
        async with begin(connection, actor=SYSTEM) as work:
            people = await customers.create_many(
                work, [NewCustomer(name=f"Person {n:03}", addresses=_HOUSES) for n in range(PAGE)]
            )
            places = await _places(work)
            shelves = await _bins(work, places)
            await _recurring(work, places)
            await _budgets(work, places)
            rows, lost, wide = await _products(work)
        async with begin(connection, actor=SYSTEM) as work:
            await stock.receive_many(work, _receipts(places, shelves, rows, lost, wide))
        async with begin(connection, actor=SYSTEM) as work:
            placed = await _orders(work, rows, people)
        acts = []
        for n in range(MANY):
            async with begin(connection, actor=SYSTEM) as work:
                await _ship(work, placed, n)
                acts.append(work.act)
        async with begin(connection, actor=SYSTEM) as work:
            await _plans(work, rows, lost, places[0])
        async with begin(connection, actor=SYSTEM) as work:
            await _names(work)
            await ledger.seal(work)
    for statement in _AROUND_THE_GOODS:
        await owner.execute(statement)
    await owner.execute("ANALYZE")
    ids = await _ids(owner)
    return Crowd(acts[0], wide, days, years, ids | {"jen": chain, "bin": shelves})


# --- products, places, goods ----------------------------------------------------------------------------------------


async def _places(work: Work) -> list[ID]:
    news = [NewLocation(f"Place {n:03}", LocationKind.WAREHOUSE, priority=n) for n in range(PAGE)]
    return [await stock.create_location(work, new) for new in news]


async def _bins(work: Work, places: Sequence[ID]) -> list[ID]:
    """A bin of each place, which is part of a larger one and has others in it."""
    named = [NewBin("A/1"), *(NewBin(f"A/1/{n}") for n in range(MANY))]
    return [(await stock.create_bins(work, NewBins(place, named)))[0] for place in places]


async def _products(work: Work) -> tuple[list[list[ID]], list[ID], dict[int, ID]]:
    """The variants of each ordinary product; those that will be missed; those that are in many places."""
    price = _money("10.00")

    def product(name: str, count: int) -> NewProduct:
        return NewProduct(name=name, variants=[NewVariant(sku=f"{name}-{n}", price=price) for n in range(count)])

    news = [*(product(f"THING-{n:03}", MANY) for n in range(PAGE)), product("LOST", PAGE), product("WIDE", len(SIZES))]
    made = await catalog.create_many(work, news)
    query = "SELECT id FROM product_variants WHERE product_id = $1 ORDER BY position"
    *rows, lost, wide = [
        [ID("var_" + record["id"]) for record in await work.raw.fetch(query, each[4:])] for each in made
    ]
    return rows, lost, dict(zip(SIZES, wide, strict=True))


def _receipts(
    places: Sequence[ID],
    shelves: Sequence[ID],
    rows: Sequence[Sequence[ID]],
    lost: Sequence[ID],
    wide: dict[int, ID],
) -> list[NewReceipt]:
    """Ordinary variants come in at the first few places, the wide ones at as many as they should; in a bin, and of one
    lot each.
    """
    receipts = []
    for n, (place, shelf) in enumerate(zip(places, shelves, strict=True)):
        wanted = [(row, 20) for each in rows for row in each] if n < MANY else []
        wanted += [(row, 20) for size, row in wide.items() if n < size]
        if n == 0:
            wanted += [(row, 3) for row in lost]
        lines = [
            NewReceiptLine(row, _pieces(many), _money("4.00"), bin_id=shelf, lot=NewLot("L1")) for row, many in wanted
        ]
        receipts.append(NewReceipt(place, lines, reference=f"Receipt {n}"))
    return receipts


async def _plans(work: Work, rows: Sequence[Sequence[ID]], lost: Sequence[ID], place: ID) -> None:
    """Goods to come, holds, and goods that were promised and are gone."""
    due_on = (work.now + timedelta(days=30)).date()
    coming = [NewIncomingLine(variants[0], _pieces(5)) for variants in rows]
    await stock.expect(work, NewIncoming(place, due_on, coming, reference="PO"))
    for n, variants in enumerate(rows):
        held = [NewReservationLine(row, _pieces(1)) for row in variants]
        await stock.reserve(work, NewReservation(held, expires_in_seconds=86_400, reference=f"Cart {n}"))
    wanted = [NewOrderLine(_pieces(3), variant_id=row) for row in lost]
    await orders.place(work, NewOrder(wanted, location_id=place))
    gone = [NewAdjustmentLine(row, _pieces(-1)) for row in lost]
    await stock.adjust(work, NewAdjustment(place, StockAdjustmentReason.SHRINKAGE, gone))


# --- orders ---------------------------------------------------------------------------------------------------------


async def _orders(work: Work, rows: Sequence[Sequence[ID]], people: Sequence[ID]) -> list[ID]:
    """One for each product, of all its variants, paid in parts."""
    news = [
        NewOrder(
            [NewOrderLine(_pieces(1), variant_id=row) for row in variants],
            customer_id=person,
            shipping_address=_HOUSES[0],
        )
        for variants, person in zip(rows, people, strict=True)
    ]
    placed = await orders.place_many(work, news)
    payment = NewPayment(_money("10.00"), PaymentMethod.CARD, reference="Card")
    await orders.record_payments(work, [OrderPayment(order, payment) for order in placed for _ in range(MANY)])
    return placed


async def _ship(work: Work, placed: Sequence[ID], n: int) -> None:
    """The n-th line of each order leaves."""
    lines = await work.raw.fetch("SELECT id, order_id FROM order_lines WHERE position = $1 + 1", n)
    by_order = {ID("ord_" + record["order_id"]): ID("oln_" + record["id"]) for record in lines}
    await fulfillment.ship_many(
        work,
        [
            Shipping(order, NewShipment([NewShipmentLine(by_order[order], _pieces(1))], tracking=f"1Z {n}"))
            for order in placed
        ],
    )


# --- books ----------------------------------------------------------------------------------------------------------


async def _books(work: Work) -> tuple[dict[int, date], list[ID]]:
    """Days by the number of accounts with a balance; and entries that take another back and are taken back."""
    today = (await ledger.books(work)).today
    days = {size: today - timedelta(days=3 - n) for n, size in enumerate(SIZES)}
    for size, day in days.items():
        credit = [NewLine(account_code=f"X{n + 2:03}", credit=_money("1.00")) for n in range(size - 1)]
        debit = NewLine(account_code="X001", debit=_money(f"{max(1, size - 1)}.00"))
        # An entry has two sides at least: the smallest has both on the one account.
        credit = credit or [NewLine(account_code="X001", credit=_money("1.00"))]
        await ledger.post_by_hand(work, NewJournalEntry(day, f"{size} accounts", [debit, *credit]))
    sides = [NewLine(account_code="X001", debit=_money("5.00")) for _ in range(MANY // 2)]
    sides += [NewLine(account_code="X002", credit=_money("5.00")) for _ in range(MANY // 2)]
    entry = await ledger.post_by_hand(work, NewJournalEntry(today, "Beginning", sides))
    chain = [new_id("jen")[4:] for _ in range(PAGE + 1)]
    long_ago = datetime(2024, 1, 1, tzinfo=UTC)
    instants = [long_ago + timedelta(seconds=n) for n in range(len(chain))]
    await work.raw.execute(_CHAIN, chain, [entry[4:], *chain[:-1]], instants, entry[4:])
    await work.raw.execute(_CHAIN_LINES, chain, entry[4:])
    links = [ID(f"jen_{link}") for link in chain]
    work.announce(*(ledger.JournalEntryPosted(link, source=None) for link in links))
    return days, links[:PAGE]


def _numbers(work: Work) -> dict[int, int]:
    """A series of invoices in each of the last ten years, and one of each kind in as many before as fill a page."""
    kinds, alone, last = list(DocumentKind), 10, work.now.year
    first = last + 1 - alone - (PAGE - alone) // len(kinds)
    for year in range(first, last + 1):
        for kind in kinds if year <= last - alone else [DocumentKind.INVOICE]:
            ledger.number(work, kind, [new_id("doc") for _ in range(MANY)], on=date(year, 1, 1))
    return dict(zip(SIZES, (last, last + 1 - alone, first), strict=True))


async def _recurring(work: Work, places: Sequence[ID]) -> None:
    """A page of entries that come again, each posted once."""
    today = (await ledger.books(work)).today
    for n, place in enumerate(places):
        sides = [PlainLine(account_code="X001", debit=_money("5.00"), location_id=place) for _ in range(MANY // 2)]
        sides += [PlainLine(account_code="X002", credit=_money("5.00"), location_id=place) for _ in range(MANY // 2)]
        await ledger.create_recurring(work, NewRecurringEntry(f"Again {n}", RecurringSchedule.MONTHLY, today, sides))
    while (await ledger.post_due(work)).entries:
        pass


async def _budgets(work: Work, places: Sequence[ID]) -> None:
    """A page of budgets of a year in which nothing is posted, each of several versions with lines about places. The
    first one plans a page of accounts, each about a place of its own.
    """
    year = date((await ledger.books(work)).today.year + 1, 1, 1)

    def lines(many: int) -> list[NewBudgetLine]:
        return [
            NewBudgetLine(year, _money("5.00"), account_code=f"Y{n + 1:03}", location_id=places[n]) for n in range(many)
        ]

    for n in range(PAGE):
        made = await ledger.create_budget(work, NewBudget(f"Plan {n}", year, lines(MANY if n else PAGE)))
        await ledger.revise_budget(work, made, BudgetRevision(1, "Again", lines(MANY if n else PAGE)))


# --- names and ids --------------------------------------------------------------------------------------------------


async def _names(work: Work) -> None:
    """Several other systems know every row that they may have a name for."""
    for prefix, table in _NAMED.items():
        await work.raw.execute(
            "INSERT INTO external_references (noun, system, external_id, row)"
            " SELECT $1, 'system ' || n, id::text, $1 || '_' || replace(id::text, '-', '')"
            f" FROM {table}, generate_series(1, $2) n",
            prefix,
            MANY,
        )


async def _ids(owner: "asyncpg.Connection[asyncpg.Record]") -> dict[str, list[ID]]:
    """A page of ids of each kind, in the order in which they were made."""
    found = {}
    for view in VIEWS.values():
        if view.prefix:
            query = f"SELECT replace(id::text, '-', '') FROM {view.row.__tablename__} ORDER BY id LIMIT {PAGE}"
            found[view.prefix] = [ID(f"{view.prefix}_{record[0]}") for record in await owner.fetch(query)]
    return found


def _pieces(many: int) -> Quantity:
    return Quantity(Decimal(many))


def _money(amount: str) -> Money:
    return Money(Decimal(amount), _USD)
