"""What can be asked of fulfillment."""

from domain.fulfillment.tables import Shipment
from domain.kernel import listing

_shipment = Shipment.__table__.c

shipments = listing.Listing(
    Shipment,
    filters={"id": listing.identity(_shipment.id), "shipped_at": listing.instant(_shipment.shipped_at)},
    sorts={"SHIPPED_AT": _shipment.shipped_at, "NUMBER": _shipment.number},
)


def shipment_number(number: int) -> str:
    """A shipment's number as people read it."""
    return f"SH-{number}"
