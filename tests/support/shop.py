"""A shop for tests: products, locations, stock and orders through the API, and a look at every invariant."""

import asyncio
import itertools
from collections.abc import Collection, Coroutine, Iterable, Sequence
from datetime import date
from typing import Any

from domain import ledger
from domain.kernel import invariants
from domain.kernel.ids import new_id
from domain.kernel.scopes import Scope
from domain.kernel.work import SYSTEM, begin
from tests.support.api import Api

_numbers = itertools.count(1)

ERRORS = """userErrors { code message path
  ... on InsufficientStock { variant { id } requested available } ... on StaleQuantity { variant { id } present } }"""
LEVEL = """id onHand allocated reserved unavailable available version value { amount currency }
  variant { id sku } location { id name }"""
EFFECTS = """effects {
  stockMovements(first: 250) { nodes { quantity kind reason source value { amount } variant { id } } }
  journalEntries { nodes { description source
    lines { account { code } debit { amount } credit { amount } } } }
  events(first: 250) { nodes { type subject version data } } }"""
ORDER = """id number status paymentStatus fulfillmentStatus version availableActions total { amount } paid { amount }
  subtotal { amount } discount { amount } shipping { amount } tax { amount } customer { id } email
  lines { id sku name quantity unitPrice { amount } subtotal { amount } discount { amount } total { amount }
    allocated backordered shipped }"""

_LEVELS = f"levels {{ {LEVEL} }} {EFFECTS} {ERRORS}"
RECEIVE = f"""mutation R($input: StockReceiveInput!, $dryRun: Boolean! = false, $key: String) {{
  stockReceive(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{ receipt {{ id reference }} {_LEVELS} }} }}"""
ADJUST = f"""mutation A($input: StockAdjustInput!, $dryRun: Boolean! = false, $key: String) {{
  stockAdjust(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{ {_LEVELS} }} }}"""
SET = f"""mutation S($input: StockSetInput!, $dryRun: Boolean! = false, $key: String) {{
  stockSet(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{ {_LEVELS} }} }}"""
RESERVE = f"""mutation V($input: StockReserveInput!, $dryRun: Boolean! = false, $key: String) {{
  stockReserve(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{
    reservation {{ id status reference expiresAt lines {{ variant {{ id }} location {{ id }} quantity held }} }}
    {EFFECTS} {ERRORS} }} }}"""
RELEASE = f"""mutation L($id: ID!) {{ stockRelease(reservationId: $id) {{
  reservation {{ id status lines {{ held }} }} {EFFECTS} {ERRORS} }} }}"""
EXPECT = f"""mutation E($input: StockExpectInput!) {{ stockExpect(input: $input) {{
  incoming {{ id quantity outstanding dueOn }} {ERRORS} }} }}"""
PLACE = f"""mutation P($input: OrderPlaceInput!, $dryRun: Boolean! = false, $key: String) {{
  orderPlace(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{ order {{ {ORDER} }} {EFFECTS} {ERRORS} }} }}"""
CANCEL = f"""mutation C($id: ID!, $reason: OrderCancelReason! = CUSTOMER) {{
  orderCancel(id: $id, reason: $reason) {{ order {{ {ORDER} }} {EFFECTS} {ERRORS} }} }}"""
SHIP = f"""mutation H($id: ID!, $input: OrderShipInput, $dryRun: Boolean! = false, $key: String) {{
  orderShip(id: $id, input: $input, dryRun: $dryRun, idempotencyKey: $key) {{ order {{ {ORDER} }}
    shipments {{ id number tracking location {{ id }} revenue {{ amount }}
      lines {{ orderLine {{ id }} quantity revenue {{ amount }} }} }}
    {EFFECTS} {ERRORS} }} }}"""
PAY = f"""mutation Y($id: ID!, $input: PaymentRecordInput!, $key: String) {{
  paymentRecord(orderId: $id, input: $input, idempotencyKey: $key) {{
    payment {{ id method reference amount {{ amount }} order {{ id }} }} order {{ {ORDER} }} {EFFECTS} {ERRORS} }} }}"""
LEVELS = f"""query Q($variants: [ID!], $locations: [ID!]) {{ stockLevels(first: 250,
  filter: {{variantId: {{in: $variants}}, locationId: {{in: $locations}}}}) {{ nodes {{ {LEVEL} }} }} }}"""
COUNT_START = f"""mutation CS($input: StockCountStartInput!) {{
  stockCountStart(input: $input) {{ count {{ id lines {{ nodes {{ id expected }} }} }} {ERRORS} }} }}"""
COUNT_RECORD = f"""mutation CR($id: ID!, $input: StockCountRecordInput!) {{
  stockCountRecord(id: $id, input: $input) {{ count {{ id }} {ERRORS} }} }}"""
COUNT_SUBMIT = f"""mutation CB($id: ID!) {{ stockCountSubmit(id: $id) {{ count {{ id }} {ERRORS} }} }}"""
COUNT_APPROVE = f"""mutation CP($id: ID!) {{ stockCountApprove(id: $id) {{ count {{ id }} {ERRORS} }} }}"""
COUNT_CANCEL = f"""mutation CC($id: ID!) {{ stockCountCancel(id: $id) {{ count {{ id }} {ERRORS} }} }}"""
PROPOSE = f"""mutation VP($input: StockRevalueInput!) {{
  stockRevaluationPropose(input: $input) {{ revaluation {{ id }} {ERRORS} }} }}"""
DECIDE = {
    status: f"""mutation VD($id: ID!) {{ stockRevaluation{verb}(id: $id) {{ revaluation {{ id }} {ERRORS} }} }}"""
    for status, verb in (("APPROVED", "Approve"), ("REJECTED", "Reject"))
}
RECONCILE = f"""mutation RC($input: StockReconcileInput!) {{
  stockReconcile(input: $input) {{ discrepancies {{ id status }} {ERRORS} }} }}"""
SETTLE = f"""mutation ST($id: ID!, $input: StockDiscrepancySettleInput!) {{
  stockDiscrepancySettle(id: $id, input: $input) {{ discrepancy {{ id status }} {ERRORS} }} }}"""
_TERM = "kind quantity source on note location { id }"
AVAILABILITY = f"""query Q($variant: ID!, $locations: [ID!], $channel: ID, $on: Date) {{
  availability(variantId: $variant, locationIds: $locations, channelId: $channel, on: $on) {{
    onHand allocated reserved unavailable available incoming backordered availableToPromise
    terms {{ {_TERM} }} nextChange {{ {_TERM} }} }} }}"""


def dollars(amount: str) -> dict[str, str]:
    """Money in the tests' currency."""
    return {"amount": amount, "currency": "USD"}


async def act(api: Api, mutation: str, variables: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """The payload of a mutation, refused or not."""
    (payload,) = (await api.data(mutation, variables, **extra)).values()
    return payload


async def done(api: Api, mutation: str, variables: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """The payload of a mutation that must not be refused."""
    payload = await act(api, mutation, variables, **extra)
    assert payload["userErrors"] == []
    return payload


async def variant(api: Api, *, price: str | None = "10.00", **product: Any) -> str:
    """The id of a fresh variant on sale."""
    sku = f"SKU-{next(_numbers)}"
    money = None if price is None else dollars(price)
    unit = product.pop("unit", None)
    given = {"name": f"Thing {sku}", **product, "variants": [{"sku": sku, "price": money, "unit": unit}]}
    query = """mutation P($input: ProductCreateInput!) {
      productCreate(input: $input) { product { variants { id } } userErrors { message } } }"""
    return (await done(api, query, {"input": given}))["product"]["variants"][0]["id"]


async def location(api: Api, *, priority: int | None = None, kind: str = "WAREHOUSE") -> str:
    """The id of a fresh location."""
    query = """mutation L($input: LocationCreateInput!) {
      locationCreate(input: $input) { location { id } userErrors { message } } }"""
    given = {"name": f"Place {next(_numbers)}", "kind": kind, "priority": priority}
    return (await done(api, query, {"input": given}))["location"]["id"]


def receipt(place: str, lines: Iterable[tuple[str, Any, str]], **extra: Any) -> dict[str, Any]:
    """The input of a receipt: variant, quantity, unit cost."""
    given = [{"variantId": row, "quantity": many, "unitCost": dollars(cost)} for row, many, cost in lines]
    return {"locationId": place, "lines": given, **extra}


async def stocked(api: Api, quantity: Any, cost: str = "4.00", *, price: str = "10.00", place: str = "") -> str:
    """The id of a fresh variant of which so many are on hand."""
    made = await variant(api, price=price)
    await done(api, RECEIVE, {"input": receipt(place or await location(api), [(made, quantity, cost)])})
    return made


def ordered(lines: Sequence[tuple[str, Any]], **extra: Any) -> dict[str, Any]:
    """The input of an order: variant and quantity."""
    return {"lines": [{"variantId": row, "quantity": many} for row, many in lines], **extra}


async def level(api: Api, row: str, place: str | None = None) -> dict[str, Any]:
    """The one level of a variant, there or anywhere."""
    found = await api.data(LEVELS, {"variants": [row], "locations": None if place is None else [place]})
    (only,) = found["stockLevels"]["nodes"]
    return only


async def figures(api: Api, row: str, place: str | None = None) -> tuple[str, str, str, str]:
    """On hand, allocated, reserved, available of the one level of a variant."""
    found = await level(api, row, place)
    return found["onHand"], found["allocated"], found["reserved"], found["available"]


async def state(api: Api) -> dict[str, list[str]]:
    """Everything that acts on stock and orders may change, row by row: what a refusal must leave as it was."""
    tables = (
        "stock_levels stock_movements cost_layers stock_allocations stock_backorders stock_reservations"
        " stock_reservation_lines stock_policies stock_pools stock_channel_rules stock_receipts incoming_stock"
        " stock_discrepancies locations orders order_lines"
        " order_addresses shipments shipment_lines payments journal_entries journal_lines events event_heads"
        " external_references idempotency_keys bins lots stock_contents stock_months stock_transfers"
        " stock_transfer_lines stock_counts stock_count_lines exchange_rates stock_revaluations stock_revaluation_lines"
        " recurring_entries recurring_entry_lines recurring_occurrences budgets budget_versions budget_lines"
    )
    # One statement, and rows as the server writes them: thousands of them are soon read, compared and, where they
    # differ, shown.
    reading = " UNION ALL ".join(
        f"SELECT '{name}' AS name, ARRAY(SELECT each::text FROM {name} each) AS rows" for name in tables.split()
    )
    async with api.services.database.snapshot() as connection:
        found = (await connection.exec_driver_sql(reading)).mappings()
        return {each["name"]: sorted(each["rows"]) for each in found}


POLICY = """mutation P($input: StockPolicySetInput!) {
  stockPolicySet(input: $input) { policy { id } userErrors { message } } }"""
POOL = """mutation P($input: StockPoolSetInput!) {
  stockPoolSet(input: $input) { pool { id } userErrors { message } } }"""
CHANNEL_RULE = """mutation R($input: StockChannelRuleSetInput!) {
  stockChannelRuleSet(input: $input) { rule { id } userErrors { message } } }"""


async def default_channel(api: Api) -> str:
    """The id of the channel that orders belong to that name none."""
    found = (await api.data("{ channels(first: 250) { nodes { id isDefault } } }"))["channels"]["nodes"]
    return next(each["id"] for each in found if each["isDefault"])


async def kept_for(api: Api, place: str) -> str:
    """The id of a fresh variant with a policy and somebody who waits for it. Another one is there, and the default
    channel has a pool and a rule for that.
    """
    row, channel = await variant(api), await default_channel(api)
    await done(api, POLICY, {"input": {"variantId": row, "backorders": "LIMIT", "backorderLimit": 50}})
    await done(api, PLACE, {"input": ordered([(row, 1)])})
    pooled = await stocked(api, 5, place=place)
    await done(api, POOL, {"input": {"channelId": channel, "variantId": pooled, "locationId": place, "quantity": 2}})
    await done(api, CHANNEL_RULE, {"input": {"channelId": channel, "variantId": pooled, "buffer": 1}})
    return row


async def a_few_of_everything(api: Api) -> None:
    """Three of whatever a list may show of stock, orders, payments and shipments."""
    for _ in range(3):
        place = await location(api)
        row = await stocked(api, 20, place=place)
        await done(api, RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 1}]}})
        incoming = {"locationId": place, "dueOn": "2030-01-01", "lines": [{"variantId": row, "quantity": 5}]}
        await done(api, EXPECT, {"input": incoming})
        order = (await done(api, PLACE, {"input": ordered([(row, 2)])}))["order"]
        await done(api, PAY, {"id": order["id"], "input": {"amount": dollars("20.00"), "method": "CARD"}})
        await done(api, SHIP, {"id": order["id"]})
        loss = {"variantId": row, "delta": -18}  # one of them is promised
        await done(api, ADJUST, {"input": {"locationId": place, "reason": "SHRINKAGE", "lines": [loss]}})
        await kept_for(api, place)


async def count(api: Api, place: str, row: str, quantity: Any, *, until: str = "APPROVED", **extra: Any) -> str:
    """The id of a count of a variant, of which so many are there, brought as far as that status."""
    given = {"locationId": place, "kind": "CYCLE", "variantIds": [row], **extra}
    made = (await done(api, COUNT_START, {"input": given}))["count"]
    lines = [{"lineId": each["id"], "quantity": quantity} for each in made["lines"]["nodes"]]
    await done(api, COUNT_RECORD, {"id": made["id"], "input": {"lines": lines}})
    if until in ("SUBMITTED", "APPROVED"):
        await done(api, COUNT_SUBMIT, {"id": made["id"]})
    if until in ("APPROVED", "CANCELLED"):
        await done(api, {"APPROVED": COUNT_APPROVE, "CANCELLED": COUNT_CANCEL}[until], {"id": made["id"]})
    return made["id"]


SOMEBODY_ELSE = frozenset(Scope) - {Scope.PRICES_OVERRIDE}
"""The scopes of another app than the one that has them all: it decides what that one proposed."""


async def revalued(api: Api, place: str, *lines: tuple[str, str], until: str = "APPROVED") -> str:
    """The id of a revaluation of variants at unit costs, brought as far as that status."""
    given = [{"variantId": row, "unitCost": dollars(cost)} for row, cost in lines]
    wanted = {"locationId": place, "reason": "The price fell", "lines": given}
    made = (await done(api, PROPOSE, {"input": wanted}))["revaluation"]["id"]
    if until in DECIDE:
        await done(api, DECIDE[until], {"id": made}, scopes=SOMEBODY_ELSE)
    return made


async def differing(api: Api, place: str, row: str, quantity: Any, *, system: str = "3pl") -> str:
    """The id of the case that is open because another system says that so many are there."""
    given = {"locationId": place, "system": system, "lines": [{"variantId": row, "quantity": quantity}]}
    (case,) = (await done(api, RECONCILE, {"input": given}))["discrepancies"]
    return case["id"]


async def sealed(api: Api) -> None:
    """Every entry that is committed by now has its place in the journal."""
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await ledger.seal(work)


async def numbered(api: Api, many: int = 3) -> None:
    """So many documents of each kind have a number without gaps, in two years."""
    for year in (2025, 2026):
        async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            for kind in ledger.DocumentKind:
                ledger.number(work, kind, [new_id("doc") for _ in range(many)], on=date(year, 7, 1))


async def invariants_hold(api: Api, *, but: Collection[str] = ()) -> None:
    """Every rule that `waterline verify` checks holds in the API's database, `but` for those of these names."""
    async with api.services.database.snapshot() as connection:
        broken = [(rule.name, faults) async for rule, faults in invariants.check(connection) if faults]
    assert [(name, faults) for name, faults in broken if name not in but] == []


async def refused(api: Api, mutation: str, variables: dict[str, Any], **extra: Any) -> list[tuple[str, str]]:
    """The code and path of every reason why a mutation was refused. It left everything as it was."""
    before = await state(api)
    payload = await act(api, mutation, variables, **extra)
    assert await state(api) == before
    errors = payload.pop("userErrors")
    assert not any(payload.values()), "a refusal has neither nouns nor effects"
    assert all(each["message"][0].isupper() and each["message"].endswith(".") for each in errors), errors
    return [(each["code"], ".".join(each["path"])) for each in errors]


async def forbidden(api: Api, document: str, variables: dict[str, Any], lacking: Iterable[str]) -> None:
    """A token with every scope but these must not do it, and nothing came of the attempt."""
    scopes = frozenset(Scope) - frozenset(lacking)
    await api.token(scopes)  # registers an app, which is an event
    before = await state(api)
    answer = await api.post(document, variables, scopes=scopes)
    assert [each["extensions"]["code"] for each in answer["errors"]] == ["FORBIDDEN"], answer
    assert not any((answer.get("data") or {}).values())
    assert await state(api) == before


async def crowd(acts: Iterable[Coroutine[Any, Any, Any]], *, at_once: int = 40) -> list[Any]:
    """What came of many acts, so many of them under way at any time: more than there are connections, and so few that
    none waits for one longer than the API lets it.
    """
    turn = asyncio.Semaphore(at_once)

    async def one(each: Coroutine[Any, Any, Any]) -> Any:
        async with turn:
            return await each

    return await asyncio.gather(*(one(each) for each in acts))


async def sent_at_once(api: Api, mutation: str, variables: dict[str, Any], times: int = 20) -> dict[str, Any]:
    """The payload of a mutation that was sent so often at once under one key: every answer is the same."""
    await api.token()
    sent = {**variables, "key": new_id("key")}
    answers = await asyncio.gather(*(api.post(mutation, sent) for _ in range(times)))
    replayed = [each.get("extensions", {}).get("idempotentReplay", False) for each in answers]
    assert sorted(replayed) == [False] + [True] * (times - 1)
    assert all(each["data"] == answers[0]["data"] for each in answers)
    (payload,) = answers[0]["data"].values()
    assert payload["userErrors"] == []
    return payload


def posted(payload: dict[str, Any]) -> list[list[tuple[str, str]]]:
    """What an act posted, entry by entry: the accounts and amounts of its lines, those of credits with a minus."""
    return [
        [
            (each["account"]["code"], "-" * (each["debit"]["amount"] == "0.00") + amount)
            for each in entry["lines"]
            for amount in (each["debit"]["amount"], each["credit"]["amount"])
            if amount != "0.00"
        ]
        for entry in payload["effects"]["journalEntries"]["nodes"]
    ]


def moved(payload: dict[str, Any]) -> list[tuple[str, str]]:
    """The quantities and values that an act moved."""
    return [(each["quantity"], each["value"]["amount"]) for each in payload["effects"]["stockMovements"]["nodes"]]


def announced(payload: dict[str, Any]) -> list[tuple[str, int]]:
    """The types and versions of an act's events."""
    return [(each["type"], each["version"]) for each in payload["effects"]["events"]["nodes"]]


def likeness(payload: Any) -> Any:
    """A payload without the ids, numbers and instants that every act makes anew."""
    if isinstance(payload, dict):
        anew = ("id", "subject", "source", "number", "expiresAt", "payments")
        return {name: likeness(each) for name, each in payload.items() if name not in anew}
    return [likeness(each) for each in payload] if isinstance(payload, list) else payload


def wrong_ids(prefix: str) -> list[str]:
    """Ids that are malformed, unknown or of another kind."""
    return ["", f"{prefix}_", f"{prefix}_{'0' * 32}", f"{prefix}_{'G' * 32}", f"prd_{'0' * 32}", "🦆"]


def number_of(statements: Iterable[str]) -> int:
    """How many statements, without those that begin a transaction, as the tail of the event log does now and then, and
    without the driver's own questions about types, which each connection asks once.
    """
    once = ("typeinfo_tree", "set_config('jit'")
    return sum(each != "SELECT 1" and not any(word in each for word in once) for each in statements)
