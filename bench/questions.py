"""What is asked: documents of a fixed text, their variables, and how an answer must begin."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import orjson

from bench.dataset import LINES
from domain.kernel.ids import ID

PAGE = 50
"""Products or orders on a page."""
DEEP_PAGE_SIZE = 100
"""Customers on a page of the long list."""
ORDERS = 20_000
"""Different orders or entries that are sent in turn; a run begins anew when it has sent them all."""

_PRODUCT = (
    "id name slug description variants { id sku price { amount currency }"
    " stockLevels { onHand allocated available location { name } } }"
)


@dataclass(frozen=True)
class Question:
    """A document, and how the answer begins when it is a good one."""

    name: str
    document: str
    begins: str

    def body(self, variables: Mapping[str, Any]) -> bytes:
        """The request's body, on one line."""
        return orjson.dumps({"query": self.document, "variables": variables})


CATALOG_PAGE = Question(
    "catalog_page",
    f"query CatalogPage($first: Int!) {{ products(first: $first) {{ nodes {{ {_PRODUCT} }} }} }}",
    '{"data":{"products":{"nodes":[{"id":"prd_',
)
PRODUCT_BY_ID = Question(
    "product_by_id",
    f"query ProductById($id: ID!) {{ product(by: {{id: $id}}) {{ {_PRODUCT} }} }}",
    '{"data":{"product":{"id":"prd_',
)
ORDER_PAGE = Question(
    "order_page",
    "query OrderPage($first: Int!) { orders(first: $first, sort: [PLACED_AT_DESC]) { nodes {"
    " number status total { amount currency } customer { name email }"
    " lines { quantity variant { sku name } total { amount currency } } } } }",
    '{"data":{"orders":{"nodes":[{"number":"SO-',
)
DEEP_PAGE = Question(
    "deep_page",
    "query DeepPage($first: Int!, $after: String) { customers(first: $first, after: $after) {"
    " nodes { id name email } pageInfo { hasNextPage endCursor } } }",
    '{"data":{"customers":{"nodes":[{"id":"cus_',
)
BEFORE_THE_END = Question(
    "before_the_end",
    "query BeforeTheEnd($last: Int!, $before: String) {"
    " customers(last: $last, before: $before) { pageInfo { startCursor } } }",
    '{"data":{"customers":',
)
PLACE_ORDER = Question(
    "place_order",
    "mutation PlaceOrder($input: OrderPlaceInput!) { orderPlace(input: $input) {"
    " order { id number status total { amount currency } } userErrors { code message } } }",
    '{"data":{"orderPlace":{"order":{"id":"ord_',
)

POST_ENTRY = Question(
    "post_entry",
    "mutation PostEntry($input: JournalEntryPostInput!) { journalEntryPost(input: $input) {"
    " journalEntry { id number on description } userErrors { code message } } }",
    '{"data":{"journalEntryPost":{"journalEntry":{"id":"jen_',
)
STOCK_RECEIVE = Question(
    "stock_receive",
    "mutation StockReceive($input: StockReceiveInput!) { stockReceive(input: $input) {"
    " receipt { id } userErrors { code message } } }",
    '{"data":{"stockReceive":{"receipt":{"id":"rct_',
)
AS_OF = Question(
    "as_of",
    "query AsOf($place: ID!, $asOf: DateTime!) { stockLevels(filter: {locationId: {in: [$place]}}) { nodes {"
    " id onHandAt(asOf: $asOf) valueAt(asOf: $asOf) { amount } } } }",
    '{"data":{"stockLevels":{"nodes":[{"id":"slv_',
)
TRIAL_BALANCE = Question(
    "trial_balance",
    "query TrialBalance($asOf: Date!) { trialBalance(asOf: $asOf) { debit { amount } rows {"
    " account { code name } debit { amount } credit { amount } } } }",
    '{"data":{"trialBalance":{"debit":',
)


def order_of(variants: Sequence[ID]) -> dict[str, Any]:
    """The variables of an order: one of each variant."""
    return {"input": {"lines": [{"variantId": variant, "quantity": 1} for variant in variants]}}


def orders_over(variants: Sequence[ID], *, seed: int) -> list[bytes]:
    """Bodies of orders with three lines, of variants by the dice."""
    dice = Random(seed)
    return [PLACE_ORDER.body(order_of(dice.sample(variants, LINES))) for _ in range(ORDERS)]


def entry_of(accounts: Sequence[ID], on: date, amounts: Sequence[Decimal]) -> dict[str, Any]:
    """The variables of an entry of two debits and two credits, of two amounts each."""
    sides = zip(accounts, ("debit", "debit", "credit", "credit"), (*amounts, *amounts), strict=True)
    lines = [
        {"accountId": account, side: {"amount": f"{amount:.2f}", "currency": "USD"}} for account, side, amount in sides
    ]
    return {"input": {"on": on.isoformat(), "description": "By hand", "lines": lines}}


def entries_over(accounts: Sequence[ID], on: date, *, seed: int) -> list[bytes]:
    """Bodies of entries with four lines, of accounts and amounts by the dice."""
    dice = Random(seed)
    return [
        POST_ENTRY.body(
            entry_of(dice.choices(accounts, k=4), on, [Decimal(dice.randint(100, 100_000)) / 100 for _ in range(2)])
        )
        for _ in range(ORDERS)
    ]


def different_documents(products: Sequence[ID], customers: Sequence[ID], many: int) -> list[bytes]:
    """So many requests whose documents all differ: in their names, fields, arguments and what they ask for."""
    dice = Random(20_260_202)
    product = ["id", "name", "slug", "description", "status", "version", "createdAt", "updatedAt", "availableActions"]
    variant = ["id", "sku", "name", "barcode", "price { amount currency }", "unit { code }", "createdAt"]
    order = ["id", "number", "status", "paymentStatus", "placedAt", "email", "total { amount }", "channel { name }"]
    person = ["id", "name", "email", "phone", "version", "createdAt", "addresses { line1 city }"]

    def some(fields: Sequence[str]) -> str:
        return " ".join(f"{'' if dice.random() < 0.7 else f'a{n}: '}{each}" for n, each in _some(fields, dice))

    bodies = []
    for n in range(many):
        first, kind = dice.randint(1, 8), n % 4
        if kind == 0:
            asked = f"products(first: {first}) {{ nodes {{ {some(product)} variants {{ {some(variant)} }} }} }}"
        elif kind == 1:
            levels = "stockLevels { onHand available location { name } }"
            asked = f'product(by: {{id: "{dice.choice(products)}"}}) {{ {some(product)} variants {{ sku {levels} }} }}'
        elif kind == 2:
            asked = f"orders(first: {first}) {{ nodes {{ {some(order)} lines {{ quantity variant {{ sku }} }} }} }}"
        else:
            asked = f'customer(by: {{id: "{dice.choice(customers)}"}}) {{ {some(person)} }}'
        bodies.append(orjson.dumps({"query": f"query Different{n} {{ {asked} }}"}))
    assert len(set(bodies)) == many
    return bodies


def _some(fields: Sequence[str], dice: Random) -> Iterable[tuple[int, str]]:
    return enumerate(dice.sample(fields, dice.randint(1, len(fields))))


def write(bodies: Iterable[bytes], file: Path) -> Path:
    """Bodies in a file, one on each line, for `traffic.lua`."""
    file.write_bytes(b"\n".join(bodies) + b"\n")
    return file
