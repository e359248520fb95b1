"""Fulfillment: goods leave for customers."""

from domain.fulfillment.events import OrderShipped
from domain.fulfillment.operations import (
    NewShipment,
    NewShipmentLine,
    NothingToShip,
    PaymentRequired,
    Shipping,
    ship,
    ship_many,
)
from domain.fulfillment.queries import customers_of_lots, orders_of_lots, shipment_number, shipments
from domain.fulfillment.tables import Shipment, ShipmentLine

__all__ = [
    "NewShipment",
    "NewShipmentLine",
    "NothingToShip",
    "OrderShipped",
    "PaymentRequired",
    "Shipment",
    "ShipmentLine",
    "Shipping",
    "customers_of_lots",
    "orders_of_lots",
    "ship",
    "ship_many",
    "shipment_number",
    "shipments",
]
