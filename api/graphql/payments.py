"""Money that arrived."""

from datetime import datetime

from api.graphql.kit.access import access
from api.graphql.kit.views import Connection, Node, amount, extends, pages, view
from domain import payments
from domain.kernel.ids import ID
from domain.kernel.money import Money
from domain.kernel.scopes import Scope


@view(payments.Payment)
@access(Scope.PAYMENTS_READ)
class Payment(Node):
    """Money that arrived for a document. Permanent."""

    document: ID
    """What it pays, such as an order."""
    amount: Money = amount("amount")
    """How much."""
    method: payments.PaymentMethod
    """How it was paid."""
    reference: str | None
    """The other side's number for it."""
    received_at: datetime
    """When it arrived."""
    recorded_at: datetime
    """When that was written."""


@extends("Query")
class PaymentQueries:
    payments: Connection[Payment] = pages(payments.payments)
    """Money that arrived: by default the oldest first."""
