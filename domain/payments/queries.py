"""What can be asked of payments."""

from domain.kernel import listing
from domain.payments.tables import Payment

_payment = Payment.__table__.c

payments = listing.Listing(
    Payment,
    filters={
        "id": listing.identity(_payment.id),
        "document": listing.text(_payment.document),
        "received_at": listing.instant(_payment.received_at),
    },
    sorts={"RECEIVED_AT": _payment.received_at},
)
