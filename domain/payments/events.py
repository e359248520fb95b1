"""What is announced of payments."""

from dataclasses import dataclass

from domain.kernel.events import Event
from domain.kernel.ids import ID


@dataclass(frozen=True)
class PaymentRecorded(Event):
    """Money arrived for a document."""

    document: ID
    amount: str
    currency: str
