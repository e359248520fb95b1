"""kill -9 in the middle of a thousand acts: every acknowledged act is there, none is half there."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.process import Running, free_port, up, waterline

CREATE = """mutation ($sku: String!, $other: String!) {
  productCreate(input: {name: "Crash", variants: [{sku: $sku}, {sku: $other}]}) {
    product { id } userErrors { message }
  }
}"""

ACTS, WRITERS = 1_000, 8


async def _write(running: Running, acknowledged: dict[str, str], disturb: Callable[[], Awaitable[None]]) -> int:
    """Create products from WRITERS clients until ACTS are tried; returns how many were not acknowledged."""
    failed = 0
    waiting = iter(range(ACTS))

    async def writer(client: httpx.AsyncClient) -> None:
        nonlocal failed
        for number in waiting:
            if number == ACTS // 2:
                await disturb()
            variables = {"sku": f"CRASH-{number}-A", "other": f"CRASH-{number}-B"}
            try:
                answer = await client.post("/graphql", json={"query": CREATE, "variables": variables})
                payload = (answer.json().get("data") or {}).get("productCreate")
            except (httpx.HTTPError, ValueError):
                payload = None
            if payload and payload["product"]:
                acknowledged[variables["sku"]] = payload["product"]["id"]
            else:
                failed += 1
                await asyncio.sleep(0.05)  # as clients do, they take a breath before they go on

    headers = {"authorization": f"Bearer {running.token}"}
    async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=20) as client:
        await asyncio.gather(*(writer(client) for _ in range(WRITERS)))
    return failed


async def _check(running: Running, acknowledged: dict[str, str]) -> None:
    """What was acknowledged is there, whole; what was not is there whole or not at all."""
    query = """query ($after: String) { variants(first: 250, after: $after, filter: {sku: {startsWith: "CRASH-"}}) {
      nodes { sku product { id variants { sku } } } pageInfo { hasNextPage endCursor } } }"""
    found: dict[str, str] = {}
    headers, after = {"authorization": f"Bearer {running.token}"}, None
    async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30) as client:
        while True:
            answer = await client.post("/graphql", json={"query": query, "variables": {"after": after}})
            page = answer.json()["data"]["variants"]
            for variant in page["nodes"]:
                found[variant["sku"]] = variant["product"]["id"]
                assert len(variant["product"]["variants"]) == 2, "half a product"
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
    for sku, product in acknowledged.items():
        assert found.get(sku) == product, f"{sku} was acknowledged and is not there"


@pytest.mark.parametrize("victim", ["app", "postgres"])
async def test_kill_in_the_middle_of_a_thousand_acts(tmp_path: Path, victim: str) -> None:
    home, port = tmp_path / "home", free_port()
    running = up(home, port)
    acknowledged: dict[str, str] = {}

    async def disturb() -> None:
        if victim == "app":
            running.kill()
        else:
            os.kill(_postmaster(home), signal.SIGKILL)

    failed = await _write(running, acknowledged, disturb)
    assert failed > 0, "the kill came too late to matter"
    assert len(acknowledged) >= ACTS // 2 - 4 * WRITERS
    if victim == "app":
        running = up(home, port)
    else:
        await _wait_until_ready(running)
        assert len(acknowledged) > ACTS // 2, "Postgres did not come back by itself while acts went on"
    try:
        await _check(running, acknowledged)
    finally:
        running.stop()
    checked = waterline(home, "verify")
    assert checked.returncode == 0, checked.stdout


def _postmaster(home: Path) -> int:
    """The process id of the home's Postgres, wherever its data are."""
    from domain.kernel.postgres import running  # noqa: PLC0415  the client attaches just to look

    with running(home, say=lambda _: None) as cluster:
        return int((cluster.data / "postmaster.pid").read_text().splitlines()[0])


async def _wait_until_ready(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.url, timeout=5) as client:
        for _ in range(200):
            try:
                if (await client.get("/health/ready")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError("the API did not become ready again")


SETUP_PLACE = """mutation { locationCreate(input: {name: "Crash warehouse", kind: WAREHOUSE, priority: 0}) {
  location { id } } }"""
SETUP_GOODS = """mutation ($variants: [ProductVariantInput!]!) {
  productCreate(input: {name: "Crash goods", variants: $variants}) { product { variants { id } } } }"""
SETUP_STOCK = "mutation ($input: StockReceiveInput!) { stockReceive(input: $input) { userErrors { message } } }"
PLACE = "mutation ($input: OrderPlaceInput!) { orderPlace(input: $input) { order { id } userErrors { message } } }"
PAY_AND_SHIP = """mutation ($id: ID!, $pay: PaymentRecordInput!) {
  paymentRecord(orderId: $id, input: $pay) { payment { id } userErrors { message } }
  orderShip(id: $id) { order { fulfillmentStatus } userErrors { message } } }"""


class _Shop:
    """A client that orders, pays and ships, and remembers what was acknowledged."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.placed: set[str] = set()
        self.paid: set[str] = set()
        self.shipped: set[str] = set()
        self.failed = 0

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = await self.client.post("/graphql", json={"query": query, "variables": variables})
        return answer.json().get("data") or {}

    async def open(self) -> list[str]:
        place = (await self.ask(SETUP_PLACE))["locationCreate"]["location"]["id"]
        given = [{"sku": f"CRASH-{n}", "price": {"amount": "3.00", "currency": "USD"}} for n in range(20)]
        rows = (await self.ask(SETUP_GOODS, variants=given))["productCreate"]["product"]["variants"]
        lines = [
            {"variantId": row["id"], "quantity": 5_000, "unitCost": {"amount": "1.23", "currency": "USD"}}
            for row in rows
        ]
        await self.ask(SETUP_STOCK, input={"locationId": place, "lines": lines})
        return [row["id"] for row in rows]

    async def sell(self, rows: list[str], number: int) -> None:
        """One order of three lines; every other one is paid and shipped in a second request."""
        lines = [{"variantId": rows[(number * step) % len(rows)], "quantity": step} for step in (1, 3, 7)]
        try:
            placed = (await self.ask(PLACE, input={"lines": lines})).get("orderPlace")
            if not placed or not placed["order"]:
                self.failed += 1
                return
            order = placed["order"]["id"]
            self.placed.add(order)
            if number % 2:
                pay = {"amount": {"amount": "33.00", "currency": "USD"}, "method": "CASH"}
                done = await self.ask(PAY_AND_SHIP, id=order, pay=pay)
                if (done.get("paymentRecord") or {}).get("payment"):
                    self.paid.add(order)
                if (done.get("orderShip") or {}).get("order"):
                    self.shipped.add(order)
        except (httpx.HTTPError, ValueError):
            self.failed += 1
            await asyncio.sleep(0.05)


async def test_kill_in_the_middle_of_a_thousand_orders(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    running = up(home, port)
    headers = {"authorization": f"Bearer {running.token}"}
    async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=20) as client:
        shop = _Shop(client)
        rows = await shop.open()
        waiting = iter(range(ACTS))

        async def writer() -> None:
            for number in waiting:
                if number == ACTS // 2:
                    running.kill()
                await shop.sell(rows, number)

        await asyncio.gather(*(writer() for _ in range(WRITERS)))
    assert shop.failed > 0, "the kill came too late to matter"
    assert len(shop.placed) >= ACTS // 2 - 4 * WRITERS
    assert shop.shipped
    running = up(home, port)
    try:
        async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30) as client:
            found: dict[str, dict[str, Any]] = {}
            wanted = sorted(shop.placed)
            query = """query ($ids: [ID!]!) { nodes(ids: $ids) {
              ... on Order { id paymentStatus fulfillmentStatus lines { quantity } } } }"""
            for first in range(0, len(wanted), 100):
                body = {"query": query, "variables": {"ids": wanted[first : first + 100]}}
                answer = (await client.post("/graphql", json=body)).json()
                found |= {order["id"]: order for order in answer["data"]["nodes"] if order}
    finally:
        running.stop()
    assert set(found) == shop.placed, "an acknowledged order is not there"
    assert all(len(order["lines"]) == 3 for order in found.values())
    assert all(found[order]["paymentStatus"] == "PAID" for order in shop.paid)
    assert all(found[order]["fulfillmentStatus"] == "FULFILLED" for order in shop.shipped)
    checked = waterline(home, "verify")
    assert checked.returncode == 0, checked.stdout
