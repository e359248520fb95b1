"""What else the demo's goods have lived through in the last weeks: one of everything that makes stock hard, so that
somebody who looks around finds how it is kept and what it is worth.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from api.demo.articles import SYSTEM_NAME, USD
from api.demo.trade import pieces
from domain import catalog, fulfillment, ledger, orders, stock
from domain.catalog import NewProduct, NewVariant
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money, Quantity, Rate
from domain.kernel.work import Work
from domain.ledger import NewExchangeRate, NewExchangeRates
from domain.orders import NewOrder, NewOrderLine
from domain.stock import (
    BackorderPolicy,
    CostMethod,
    LocationChanges,
    NewArrival,
    NewArrivalLine,
    NewDispatch,
    NewHandOver,
    NewHandOverLine,
    NewLot,
    NewReceipt,
    NewReceiptLine,
    NewReservation,
    NewReservationLine,
    NewTransfer,
    NewTransferLine,
    StockPolicyChanges,
)

_EUR = CurrencyCode("EUR")


async def live_through(work: Work, skus: Mapping[str, ID], places: Mapping[str, ID]) -> None:
    """All of it has happened. It begins with the claims, as what comes in serves those who wait."""
    await _claims(work, skus)
    await _given_away(work, skus)
    await _by_weight(work, places["STORE"])
    await _from_abroad(work, skus, places["WAREHOUSE"])
    await _told_late(work, skus, places["WAREHOUSE"])
    await _called_back(work, skus, places["WAREHOUSE"])
    await _short_on_arrival(work, skus, places)
    await _over_the_counter(work, skus, places["STORE"])


async def _claims(work: Work, skus: Mapping[str, ID]) -> None:
    """A cart holds something for a while, somebody waits for tents, and poles can be ordered ahead."""
    cart = [NewReservationLine(skus["TEE-S"], pieces(2))]
    day = int(timedelta(days=1).total_seconds())
    await stock.reserve(work, NewReservation(cart, expires_in_seconds=day, reference="Cart 4711"))
    available = await work.raw.fetchval(_AVAILABLE, skus["TENT-2P"][4:])
    many = NewOrderLine(Quantity(available + 3), skus["TENT-2P"])
    await orders.place(work, NewOrder([many], external_id=ExternalId(SYSTEM_NAME, "SCOUTS")))
    ahead = StockPolicyChanges(
        skus["POLE-130CM"], backorders=BackorderPolicy.PREORDER, preorder_on=work.now.date() + timedelta(days=21)
    )
    await stock.set_policy(work, ahead)


_AVAILABLE = """
SELECT coalesce(sum(on_hand - allocated - reserved - unavailable), 0) FROM stock_levels WHERE variant_id = $1
"""


async def _given_away(work: Work, skus: Mapping[str, ID]) -> None:
    """A map was a present: it earned nothing, and cost what it cost."""
    present = NewOrderLine(pieces(1), skus["MAP"], unit_price=Money(Decimal(0), USD))
    given = await orders.place(work, NewOrder([present], external_id=ExternalId(SYSTEM_NAME, "PRESENT")))
    await fulfillment.ship_many(work, [fulfillment.Shipping(given)])


async def _by_weight(work: Work, store: ID) -> None:
    """Beans are sold by weight over the counter, and cost the average of what they cost."""
    beans = NewVariant("BEANS", price=Money(Decimal("48.00"), USD), unit="KG", external_id=_named("BEANS"))
    await catalog.create(work, NewProduct("House Espresso by weight", [beans], external_id=_named("BEANS")))
    variant = (await catalog.sellables_by_sku(work, ["BEANS"]))["BEANS"].id
    await stock.set_policy(work, StockPolicyChanges(variant, cost_method=CostMethod.MOVING_AVERAGE))
    for weight, cost in (("12.500", "19.80"), ("7.250", "21.40")):
        line = NewReceiptLine(variant, Quantity(Decimal(weight)), Money(Decimal(cost), USD))
        await stock.receive(work, NewReceipt(store, [line], "Beans by weight", supplier="Slow Tide Roastery"))


async def _from_abroad(work: Work, skus: Mapping[str, ID], warehouse: ID) -> None:
    """Presses were bought in euros: what they cost is fixed at the rate of their day."""
    since = work.now.date() - timedelta(days=30)
    rate = NewExchangeRate(_EUR, since, Rate(Decimal("1.0842")), source="European Central Bank")
    await ledger.set_rates(work, NewExchangeRates([rate]))
    line = NewReceiptLine(skus["PRESS-STEEL"], pieces(18), Money(Decimal("17.35"), _EUR))
    await stock.receive(work, NewReceipt(warehouse, [line], "LS 88213", supplier="Hafenrösterei"))


async def _told_late(work: Work, skus: Mapping[str, ID], warehouse: ID) -> None:
    """Socks were there before all others, and nobody had told: what was sold since is costed anew, today."""
    line = NewReceiptLine(skus["SOCK-LXL"], pieces(12), Money(Decimal("6.35"), USD))
    then = work.now - timedelta(days=70)
    await stock.receive(work, NewReceipt(warehouse, [line], "Found in the post", received_at=then))


async def _called_back(work: Work, skus: Mapping[str, ID], warehouse: ID) -> None:
    """A lot of decaf came in, and was called back: none of it can be sold."""
    lot = NewLot("D-2604", work.now.date() + timedelta(days=90))
    line = NewReceiptLine(skus["DECAF-250G"], pieces(10), Money(Decimal("7.65"), USD), lot=lot)
    await stock.receive(work, NewReceipt(warehouse, [line], "Decaf", supplier="Slow Tide Roastery"))
    found = await work.raw.fetchval("SELECT id FROM lots WHERE number = $1", lot.number)
    await stock.recall_lot(work, f"lot_{found}", "Bags that do not close")


async def _short_on_arrival(work: Work, skus: Mapping[str, ID], places: Mapping[str, ID]) -> None:
    """Caps went to the fulfillment house. One got lost on the way, which somebody has to look into."""
    sent = [NewTransferLine(skus["CAP-SAND"], pieces(6))]
    moved = await stock.create_transfer(work, NewTransfer(places["WAREHOUSE"], places["NORTH"], sent, "Caps"))
    await stock.ready_transfer(work, moved)
    await stock.dispatch_transfer(work, moved, NewDispatch())
    line = await work.raw.fetchval("SELECT id FROM stock_transfer_lines WHERE transfer_id = $1", moved[4:])
    arrived = [NewArrivalLine(ID(f"trl_{line}"), pieces(5))]
    freight = Money(Decimal("12.40"), USD)
    await stock.receive_transfer(work, moved, NewArrival(arrived, closes=True, freight=freight))


def _named(name: str) -> ExternalId:
    return ExternalId(SYSTEM_NAME, name)


_THERE = "SELECT coalesce(sum(on_hand), 0) FROM stock_levels WHERE variant_id = $1 AND location_id = $2"


async def _over_the_counter(work: Work, skus: Mapping[str, ID], store: ID) -> None:
    """The store sold one pair of poles more than the books know of: it was in the customer's hand."""
    await stock.update_location(work, store, LocationChanges(allows_oversell=True))
    there = await work.raw.fetchval(_THERE, skus["POLE-130CM"][4:], store[4:])
    taken = NewHandOverLine(skus["POLE-130CM"], Quantity(there + 1))
    await stock.take_along(work, NewHandOver(store, [taken]))
