"""Revaluations: one proposes that goods be worth more or less, another decides, and only then are they."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain import stock
from domain.kernel.database import Database
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.scopes import Scope
from domain.kernel.work import SYSTEM, begin
from tests.support.api import Api
from tests.support.server import Server
from tests.support.shop import (
    EFFECTS,
    ERRORS,
    PLACE,
    RECEIVE,
    SHIP,
    SOMEBODY_ELSE,
    act,
    announced,
    dollars,
    done,
    forbidden,
    invariants_hold,
    level,
    likeness,
    location,
    moved,
    ordered,
    posted,
    receipt,
    refused,
    revalued,
    sent_at_once,
    state,
    stocked,
    variant,
    wrong_ids,
)

REVALUATION = """revaluation { id number reason status proposedBy decidedBy decidedAt version availableActions
  location { id } journalEntry { id description source lines { location { id } } }
  lines { totalCount nodes { position variant { id } unitCost { amount currency } } } }"""
PROPOSE = f"""mutation P($input: StockRevalueInput!, $dryRun: Boolean! = false, $key: String) {{
  stockRevaluationPropose(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{
    {REVALUATION} {EFFECTS} {ERRORS} }} }}"""
APPROVE = f"""mutation A($id: ID!, $dryRun: Boolean! = false, $key: String) {{
  stockRevaluationApprove(id: $id, dryRun: $dryRun, idempotencyKey: $key) {{ {REVALUATION} {EFFECTS} {ERRORS} }} }}"""
REJECT = f"""mutation J($id: ID!) {{ stockRevaluationReject(id: $id) {{ {REVALUATION} {EFFECTS} {ERRORS} }} }}"""
REVALUE = f"""mutation V($input: StockRevalueInput!) {{
  stockRevalue(input: $input) {{ levels {{ id }} {EFFECTS} {ERRORS} }} }}"""
READ = f"query Q($by: StockRevaluationKey!) {{ found: stockRevaluation(by: $by) {REVALUATION[12:]} }}"
LIST = """query Q($filter: StockRevaluationFilter, $sort: [StockRevaluationSort!]) {
  stockRevaluations(filter: $filter, sort: $sort) { totalCount nodes { id } } }"""


def wanted(place: str, *lines: tuple[str, str], reason: str = "The price fell") -> dict[str, Any]:
    given = [{"variantId": row, "unitCost": dollars(cost)} for row, cost in lines]
    return {"input": {"locationId": place, "reason": reason, "lines": given}}


async def proposed(api: Api, place: str, *lines: tuple[str, str]) -> dict[str, Any]:
    return (await done(api, PROPOSE, wanted(place, *lines)))["revaluation"]


async def approved(api: Api, made: dict[str, Any]) -> dict[str, Any]:
    return await done(api, APPROVE, {"id": made["id"]}, scopes=SOMEBODY_ELSE)


async def worth(api: Api, row: str) -> str:
    return (await level(api, row))["value"]["amount"]


async def test_nothing_is_worth_less_until_somebody_else_approves(api: Api) -> None:
    place = await location(api)
    mug, plate = await stocked(api, 10, place=place), await stocked(api, 3, place=place)
    payload = await done(api, PROPOSE, wanted(place, (mug, "2.50"), (plate, "4.005"), reason=" Prices fell "))
    made = payload["revaluation"]
    assert made["number"].startswith("RV-")
    assert (made["status"], made["reason"], made["version"]) == ("PROPOSED", "Prices fell", 1)
    assert (made["decidedBy"], made["decidedAt"], made["journalEntry"]) == (None, None, None)
    assert made["availableActions"] == ["APPROVE", "REJECT"]
    assert made["location"]["id"] == place
    lines = [(each["position"], each["variant"]["id"], each["unitCost"]) for each in made["lines"]["nodes"]]
    assert lines == [(1, mug, dollars("2.50")), (2, plate, dollars("4.005"))]
    assert announced(payload) == [("stock_revaluation.proposed", 1)]
    (event,) = payload["effects"]["events"]["nodes"]
    assert event["data"] == {"location": place, "reason": "Prices fell"}
    assert moved(payload) == posted(payload) == []
    assert (await worth(api, mug), await worth(api, plate)) == ("40.00", "12.00")

    payload = await approved(api, made)
    after = payload["revaluation"]
    assert moved(payload) == [("0", "-15.00"), ("0", "0.02")]
    assert posted(payload) == [[("1200", "0.02"), ("5180", "-0.02"), ("5180", "15.00"), ("1200", "-15.00")]]
    (entry,) = payload["effects"]["journalEntries"]["nodes"]
    assert entry["source"] == after["journalEntry"]["source"] == made["id"]
    assert {each["location"]["id"] for each in after["journalEntry"]["lines"]} == {place}
    sources = {(each["source"], each["reason"]) for each in payload["effects"]["stockMovements"]["nodes"]}
    assert sources == {(made["id"], "Prices fell")}
    assert announced(payload)[-1] == ("stock_revaluation.approved", 2)
    assert [each[0] for each in announced(payload)].count("stock.revalued") == 2
    assert (after["status"], after["version"], after["availableActions"]) == ("APPROVED", 2, [])
    assert after["proposedBy"].startswith("app_")
    assert after["decidedBy"].startswith("app_")
    assert after["proposedBy"] != after["decidedBy"]
    assert after["decidedAt"] is not None
    assert (await worth(api, mug), await worth(api, plate)) == ("25.00", "12.02")
    for by in ({"id": made["id"]}, {"number": made["number"].lower()}, {"number": made["number"][3:]}):
        assert (await api.data(READ, {"by": by}))["found"] == after
    assert (await api.data(READ, {"by": {"number": "RV-1"}}))["found"] is None
    await invariants_hold(api)


async def test_what_is_on_hand_when_it_is_approved_is_what_changes(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    made = await proposed(api, place, (mug, "3.00"))
    order = (await done(api, PLACE, {"input": ordered([(mug, 4)])}))["order"]
    assert moved(await done(api, SHIP, {"id": order["id"]})) == [("-4", "-16.00")]
    await done(api, RECEIVE, {"input": receipt(place, [(mug, 3, "6.00")])})
    payload = await approved(api, made)
    assert moved(payload) == [("0", "-6.00"), ("0", "-9.00")]
    assert await worth(api, mug) == "27.00"
    await invariants_hold(api)


async def test_what_is_worth_that_already_has_no_entry(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    payload = await approved(api, await proposed(api, place, (mug, "4.00")))
    assert (moved(payload), posted(payload)) == ([], [])
    assert (payload["revaluation"]["status"], payload["revaluation"]["journalEntry"]) == ("APPROVED", None)
    assert announced(payload) == [("stock_revaluation.approved", 2)]
    await invariants_hold(api)


async def test_what_is_rejected_changes_nothing(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    made = await proposed(api, place, (mug, "1.00"))
    payload = await done(api, REJECT, {"id": made["id"]}, scopes=SOMEBODY_ELSE)
    assert (payload["revaluation"]["status"], payload["revaluation"]["journalEntry"]) == ("REJECTED", None)
    assert announced(payload) == [("stock_revaluation.rejected", 2)]
    assert moved(payload) == posted(payload) == []
    assert await worth(api, mug) == "40.00"
    # Whoever proposed it may think better of it.
    own = await done(api, REJECT, {"id": (await proposed(api, place, (mug, "1.00")))["id"]})
    assert own["revaluation"]["proposedBy"] == own["revaluation"]["decidedBy"]
    await invariants_hold(api)


async def test_nobody_approves_what_they_proposed(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    made = await proposed(api, place, (mug, "1.00"))
    assert await refused(api, APPROVE, {"id": made["id"]}) == [("OWN_PROPOSAL", "id")]
    assert (await approved(api, made))["revaluation"]["status"] == "APPROVED"


async def test_waterline_itself_may_propose_and_approve(api: Api, database: Database) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    lines = [stock.NewRevaluationLine(ID(mug), Money(Decimal(1), CurrencyCode("USD")))]
    new = stock.NewRevaluation(ID(place), "The price fell", lines)
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        made = await stock.propose_revaluation(work, new)
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await stock.approve_revaluation(work, made)
    found = (await api.data(READ, {"by": {"id": made}}))["found"]
    assert (found["status"], found["proposedBy"], found["decidedBy"]) == ("APPROVED", None, None)
    assert await worth(api, mug) == "10.00"


@pytest.mark.parametrize("second", [APPROVE, REJECT])
@pytest.mark.parametrize("first", ["APPROVED", "REJECTED"])
async def test_what_is_decided_is_not_decided_again(api: Api, first: str, second: str) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    made = await revalued(api, place, (mug, "1.00"), until=first)
    assert await refused(api, second, {"id": made}, scopes=SOMEBODY_ELSE) == [("NOT_ALLOWED_NOW", "id")]


async def test_of_two_approvals_at_once_one_posts(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    made = await proposed(api, place, (mug, "1.00"))
    await api.token(SOMEBODY_ELSE)
    payloads = await asyncio.gather(
        *(act(api, APPROVE, {"id": made["id"]}, scopes=SOMEBODY_ELSE) for _ in range(6)),
        *(act(api, REJECT, {"id": made["id"]}, scopes=SOMEBODY_ELSE) for _ in range(2)),
    )
    codes = sorted([each["code"] for each in payload["userErrors"]] for payload in payloads)
    assert codes == [[], *[["NOT_ALLOWED_NOW"]] * 7]
    found = (await api.data(READ, {"by": {"id": made["id"]}}))["found"]
    assert await worth(api, mug) == ("10.00" if found["status"] == "APPROVED" else "40.00")
    await invariants_hold(api)


async def test_two_transactions_approve_and_one_of_them_is_refused(api: Api, database: Database) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    made = await revalued(api, place, (mug, "1.00"), until="PROPOSED")
    outcomes: list[str] = []

    async def approve(begun: asyncio.Event, go_on: asyncio.Event) -> None:
        try:
            async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
                begun.set()
                await go_on.wait()
                await stock.approve_revaluation(work, made)
                await asyncio.sleep(0.2)  # the other one waits for the row meanwhile
            outcomes.append("posted")
        except Exception as refusal:
            outcomes.append(type(refusal).__name__)

    go_on, begun = asyncio.Event(), [asyncio.Event(), asyncio.Event()]
    acts = [asyncio.ensure_future(approve(each, go_on)) for each in begun]
    await asyncio.gather(*(each.wait() for each in begun))
    go_on.set()
    await asyncio.gather(*acts)
    assert sorted(outcomes) == ["NotAllowedNow", "posted"]
    query = """query Q($source: String!) { stockMovements(filter: {source: {eq: $source}}) { nodes { quantity } } }"""
    assert len((await api.data(query, {"source": made}))["stockMovements"]["nodes"]) == 1
    assert await worth(api, mug) == "10.00"


async def test_what_is_sold_out_by_then_cannot_be_approved(api: Api) -> None:
    place = await location(api)
    mug, plate = await stocked(api, 1, place=place), await stocked(api, 5, place=place)
    made = await proposed(api, place, (plate, "1.00"), (mug, "1.00"))
    order = (await done(api, PLACE, {"input": ordered([(mug, 1)])}))["order"]
    await done(api, SHIP, {"id": order["id"]})
    assert await refused(api, APPROVE, {"id": made["id"]}, scopes=SOMEBODY_ELSE) == [("NOTHING_THERE", "id")]
    assert await worth(api, plate) == "20.00"
    await done(api, REJECT, {"id": made["id"]}, scopes=SOMEBODY_ELSE)


async def test_what_cannot_be_proposed(api: Api) -> None:
    place, row = await location(api), await variant(api)
    mug = await stocked(api, 10, place=place)
    good = {"variantId": mug, "unitCost": dollars("1.00")}
    cases: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
        "no place": ({"locationId": f"loc_{'0' * 32}"}, [("NOT_FOUND", "input.locationId")]),
        "no reason": ({"reason": " "}, [("INVALID", "input.reason")]),
        "a long reason": ({"reason": "x" * 65}, [("INVALID", "input.reason")]),
        "no lines": ({"lines": []}, [("INVALID", "input.lines")]),
        "twice": ({"lines": [good, good]}, [("INVALID", "input.lines.1.variantId")]),
        "no variant": ({"lines": [good | {"variantId": "var_1"}]}, [("NOT_FOUND", "input.lines.0.variantId")]),
        "less than nothing": (
            {"lines": [good | {"unitCost": dollars("-1")}]},
            [("INVALID", "input.lines.0.unitCost.amount")],
        ),
        "another currency": (
            {"lines": [good | {"unitCost": {"amount": "1", "currency": "EUR"}}]},
            [("INVALID", "input.lines.0.unitCost.currency")],
        ),
        "nothing there": (
            {"lines": [good, good | {"variantId": row}]},
            [("NOTHING_THERE", "input.lines.1.variantId")],
        ),
    }
    for name, (changes, errors) in cases.items():
        given = {"input": wanted(place, (mug, "1.00"))["input"] | changes}
        assert await refused(api, PROPOSE, given) == errors, name
    for wrong in wrong_ids("srv"):
        for document in (APPROVE, REJECT):
            assert await refused(api, document, {"id": wrong}, scopes=SOMEBODY_ELSE) == [("NOT_FOUND", "id")]


# --- who may --------------------------------------------------------------------------------------------------------


async def test_writing_stock_is_not_approving(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    made = await proposed(api, place, (mug, "1.00"))
    await forbidden(api, PROPOSE, wanted(place, (mug, "1.00")), [Scope.STOCK_WRITE])
    await forbidden(api, PROPOSE, wanted(place, (mug, "1.00")), [Scope.COSTS_READ])
    await forbidden(api, APPROVE, {"id": made["id"]}, [Scope.STOCK_APPROVE])
    await forbidden(api, APPROVE, {"id": made["id"]}, [Scope.COSTS_READ])
    await forbidden(api, REJECT, {"id": made["id"]}, [Scope.STOCK_APPROVE])
    for lacking in (Scope.STOCK_APPROVE, Scope.STOCK_WRITE, Scope.COSTS_READ):
        await forbidden(api, REVALUE, wanted(place, (mug, "1.00")), [lacking])
    await forbidden(api, LIST, {}, [Scope.STOCK_READ, Scope.STOCK_WRITE])
    # Whoever may only propose does, and whoever may only approve does.
    propose = """mutation P($input: StockRevalueInput!) {
      stockRevaluationPropose(input: $input) { revaluation { id } userErrors { code } } }"""
    mine = await done(api, propose, wanted(place, (mug, "2.00")), scopes=[Scope.STOCK_WRITE, Scope.COSTS_READ])
    approve = """mutation A($id: ID!) {
      stockRevaluationApprove(id: $id) { revaluation { status } userErrors { code } } }"""
    scopes = [Scope.STOCK_APPROVE, Scope.STOCK_READ, Scope.COSTS_READ]
    await done(api, approve, {"id": mine["revaluation"]["id"]}, scopes=scopes)
    assert await worth(api, mug) == "20.00"


async def test_without_the_scope_for_costs_nothing_tells_them(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    made = await revalued(api, place, (mug, "1.17"), until="PROPOSED")
    blind = frozenset(Scope) - {Scope.COSTS_READ}
    costs = "query { stockRevaluations { nodes { lines { nodes { unitCost { amount } } } } } }"
    await forbidden(api, costs, {}, [Scope.COSTS_READ])
    entry = "query { stockRevaluations { nodes { journalEntry { id } } } }"
    await forbidden(api, entry, {}, [Scope.LEDGER_READ, Scope.LEDGER_WRITE])
    plain = """query Q($filter: StockRevaluationFilter) { stockRevaluations(filter: $filter) {
      nodes { number reason status lines { nodes { position variant { id } } } } } }"""
    (found,) = (await api.data(plain, {"filter": {"id": {"in": [made]}}}, scopes=blind))["stockRevaluations"]["nodes"]
    assert found["lines"]["nodes"] == [{"position": 1, "variant": {"id": mug}}]
    reject = f"""mutation J($id: ID!) {{ stockRevaluationReject(id: $id) {{
      revaluation {{ status }} {ERRORS} effects {{ events(first: 250) {{ nodes {{ type data }} }} }} }} }}"""
    payload = await done(api, reject, {"id": made}, scopes=blind)
    assert "1.17" not in str(payload)
    again = await revalued(api, place, (mug, "1.19"), until="APPROVED")
    events = "query Q($subject: ID!) { events(subject: $subject) { nodes { type data } } }"
    for subject, types in (
        (again, ["stock_revaluation.proposed", "stock_revaluation.approved"]),
        ((await level(api, mug))["id"], ["stock.received", "stock.revalued"]),
    ):
        nodes = (await api.data(events, {"subject": subject}, scopes=blind))["events"]["nodes"]
        assert [each["type"] for each in nodes] == types
        assert not any("value" in each["data"] or "1.19" in str(each["data"]) for each in nodes)


# --- as all acts are ------------------------------------------------------------------------------------------------


async def test_a_dry_run_of_an_approval_answers_like_it_and_leaves_nothing(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    made = await proposed(api, place, (mug, "1.00"))
    before = await state(api)
    tried = await done(api, APPROVE, {"id": made["id"], "dryRun": True}, scopes=SOMEBODY_ELSE)
    assert await state(api) == before
    payload = await approved(api, made)
    for each in (tried, payload):
        each["revaluation"].pop("decidedAt")
    assert likeness(tried) == likeness(payload)


async def test_a_proposal_that_is_sent_20_times_at_once_is_one(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    await sent_at_once(api, PROPOSE, wanted(place, (mug, "1.00")))
    found = await api.data(LIST, {"filter": {"locationId": {"in": [place]}}})
    assert found["stockRevaluations"]["totalCount"] == 1


async def test_an_approval_asks_the_same_for_one_line_and_for_twelve(api: Api) -> None:
    async def statements(many: int) -> int:
        place = await location(api)
        rows = [await stocked(api, 10, place=place) for _ in range(many)]
        made = await proposed(api, place, *((row, "1.00") for row in rows))
        await api.token(SOMEBODY_ELSE)
        async with api.counted() as sent:
            await act(api, APPROVE, {"id": made["id"]}, scopes=SOMEBODY_ELSE)
        return len([each for each in sent if each != "SELECT 1"])

    await statements(1)
    assert await statements(1) == await statements(12)


async def test_revaluations_are_listed_and_filtered(fresh_api: Api) -> None:
    api, place, other = fresh_api, await location(fresh_api), await location(fresh_api)
    mug = {each: await stocked(api, 10, place=each) for each in (place, other)}
    made = [
        await revalued(api, where, (mug[where], "1.00"), until=until)
        for where, until in ((place, "PROPOSED"), (other, "APPROVED"), (place, "REJECTED"))
    ]

    async def listed(**given: Any) -> list[int]:
        nodes = (await api.data(LIST, given))["stockRevaluations"]["nodes"]
        return [made.index(node["id"]) for node in nodes]

    assert await listed() == [0, 1, 2]
    assert await listed(sort=["CREATED_AT_DESC"]) == [2, 1, 0]
    assert await listed(filter={"status": {"in": ["PROPOSED"]}}) == [0]
    assert await listed(filter={"locationId": {"in": [place]}, "status": {"notIn": ["PROPOSED"]}}) == [2]
    assert await listed(filter={"id": {"in": [made[1], "x"]}}) == [1]


# --- by hand --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["app", "owner"])
async def test_the_database_keeps_what_was_proposed_and_decided(
    fresh_api: Api, server: Server, fresh_name: str, role: str
) -> None:
    api, place = fresh_api, await location(fresh_api)
    mug, plate = await stocked(api, 10, place=place), await stocked(api, 10, place=place)
    decided = await revalued(api, place, (mug, "1.00"))
    waiting = await revalued(api, place, (mug, "2.00"), until="PROPOSED")
    url = server.app_url(fresh_name) if role == "app" else server.owner_url(fresh_name)
    connection = await asyncpg.connect(url)
    before = await state(api)

    async def in_vain(statement: str, *constraints: str) -> None:
        with pytest.raises((asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)) as failure:
            await connection.execute(statement)
        if isinstance(failure.value, asyncpg.IntegrityConstraintViolationError):
            assert failure.value.constraint_name in constraints
        assert await state(api) == before

    there = f"WHERE id = '{waiting[4:]}'"
    approve = "UPDATE stock_revaluations SET status = 'APPROVED', decided_at = now(), version = 2"
    await in_vain(f"{approve}, decided_by = proposed_by {there}", "ck_stock_revaluations_four_eyes")
    await in_vain(
        f"UPDATE stock_revaluations SET status = 'APPROVED' {there}", "ck_stock_revaluations_decided_with_instant"
    )
    await in_vain(
        f"UPDATE stock_revaluations SET entry_id = (SELECT id FROM journal_entries LIMIT 1) {there}",
        "ck_stock_revaluations_posted_when_approved",
    )
    await in_vain(
        f"UPDATE stock_revaluations SET decided_by = 'app' {there}", "ck_stock_revaluations_decided_by_somebody"
    )
    done_with = f"WHERE id = '{decided[4:]}'"
    for change in ("status = 'REJECTED', entry_id = NULL", "decided_by = NULL", "version = 9", "entry_id = NULL"):
        await in_vain(f"UPDATE stock_revaluations SET {change} {done_with}", "stock_revaluation_decided")
    for change in ("reason = 'x'", "proposed_by = NULL", "number = 7", "created_at = now()"):
        await in_vain(f"UPDATE stock_revaluations SET {change} {there}", "stock_revaluation_proposal")
    for statement in (
        "UPDATE stock_revaluation_lines SET unit_cost_amount = 9",
        "DELETE FROM stock_revaluation_lines",
        "DELETE FROM stock_revaluations",
        "TRUNCATE stock_revaluations CASCADE",
    ):
        await in_vain(statement)
    for row in (decided, waiting):
        line = f"(uuid7(), '{row[4:]}', 2, '{plate[4:]}', 1, 'USD')"
        await in_vain(f"INSERT INTO stock_revaluation_lines VALUES {line}", "stock_revaluation_lines_own")
    await connection.close()


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
