"""What can be asked of the business."""

from domain.business.tables import SalesChannel, Unit
from domain.kernel import listing

channels = listing.Listing(
    SalesChannel,
    filters={"id": listing.identity(SalesChannel.__table__.c.id)},
    sorts={"CREATED_AT": SalesChannel.__table__.c.created_at},
)

units = listing.Listing(
    Unit, filters={"code": listing.text(Unit.__table__.c.code)}, sorts={"CODE": Unit.__table__.c.code}
)
