"""Payments: money that arrived for a document."""

from domain.payments.events import PaymentRecorded
from domain.payments.operations import Arrival, NewPayment, record
from domain.payments.queries import payments
from domain.payments.tables import Payment, PaymentMethod

__all__ = ["Arrival", "NewPayment", "Payment", "PaymentMethod", "PaymentRecorded", "payments", "record"]
