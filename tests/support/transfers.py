"""Transfers for tests: their mutations, and goods that are on their way."""

from collections.abc import Sequence
from typing import Any

from tests.support.api import Api
from tests.support.shop import EFFECTS, ERRORS, RECEIVE, dollars, done, location, receipt, variant

TRANSFER = """id number status version availableActions reference expectedOn dispatchedAt receivedAt cancelledAt
  origin { id } destination { id } transit { id name kind }
  lines { id variant { id } quantity allocated dispatched received lost inTransit }"""


def _mutation(name: str, input_type: str = "") -> str:
    given = f", $input: {input_type}" if input_type else ""
    passed = ", input: $input" if input_type else ""
    return f"""mutation T($id: ID!{given}, $dryRun: Boolean! = false, $key: String) {{
      {name}(id: $id{passed}, dryRun: $dryRun, idempotencyKey: $key) {{
        stockTransfer {{ {TRANSFER} }} {EFFECTS} {ERRORS} }} }}"""


CREATE = f"""mutation T($input: StockTransferCreateInput!, $dryRun: Boolean! = false, $key: String) {{
  stockTransferCreate(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{
    stockTransfer {{ {TRANSFER} }} {EFFECTS} {ERRORS} }} }}"""
READY = _mutation("stockTransferReady")
DISPATCH = _mutation("stockTransferDispatch", "StockTransferDispatchInput")
ARRIVE = _mutation("stockTransferReceive", "StockTransferReceiveInput")
CALL_OFF = _mutation("stockTransferCancel")


def going(origin: str, destination: str, lines: Sequence[tuple[str, Any]], **extra: Any) -> dict[str, Any]:
    """The input of a transfer: variant and quantity."""
    given = [{"variantId": row, "quantity": many} for row, many in lines]
    return {"originId": origin, "destinationId": destination, "lines": given, **extra}


async def drafted(
    api: Api, origin: str, destination: str, lines: Sequence[tuple[str, Any]], **extra: Any
) -> dict[str, Any]:
    """A transfer that is being prepared."""
    return (await done(api, CREATE, {"input": going(origin, destination, lines, **extra)}))["stockTransfer"]


async def made_ready(
    api: Api, origin: str, destination: str, lines: Sequence[tuple[str, Any]], **extra: Any
) -> dict[str, Any]:
    """A transfer whose goods are allocated."""
    made = await drafted(api, origin, destination, lines, **extra)
    return (await done(api, READY, {"id": made["id"]}))["stockTransfer"]


async def dispatched(
    api: Api, origin: str, destination: str, lines: Sequence[tuple[str, Any]], **extra: Any
) -> dict[str, Any]:
    """A transfer that is on the road."""
    made = await made_ready(api, origin, destination, lines, **extra)
    return (await done(api, DISPATCH, {"id": made["id"]}))["stockTransfer"]


def arrived(
    transfer: dict[str, Any], *quantities: Any, closes: bool = False, freight: str | None = None, **extra: Any
) -> dict[str, Any]:
    """The arguments that say what has arrived of each line, in their order; None leaves a line out."""
    lines = [
        {"lineId": line["id"], "quantity": many, **extra}
        for line, many in zip(transfer["lines"], quantities, strict=False)
        if many is not None
    ]
    given = {"lines": lines, "closes": closes} | ({"freight": dollars(freight)} if freight is not None else {})
    return {"id": transfer["id"], "input": given}


async def one_of_each(api: Api) -> None:
    """A transfer in every state, one of them with goods lost and one with more than was sent."""
    here, there, row = await location(api), await location(api, kind="STORE"), await variant(api)
    await done(api, RECEIVE, {"input": receipt(here, [(row, 20, "1.50"), (row, 20, "2.25")])})
    lines = [(row, 4)]
    await drafted(api, here, there, lines, reference="Van 7")
    await made_ready(api, here, there, lines, expectedOn="2031-01-01")
    called_off = await made_ready(api, here, there, lines)
    await done(api, CALL_OFF, {"id": called_off["id"]})
    await dispatched(api, here, there, lines, expectedOn="2031-02-01")
    for quantity, closes, freight in ((1, False, "0.80"), (3, True, None), (5, False, None), (4, False, "3.10")):
        sent = await dispatched(api, here, there, lines)
        await done(api, ARRIVE, arrived(sent, quantity, closes=closes, freight=freight))
