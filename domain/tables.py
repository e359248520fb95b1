"""Every table of the house in one import: for migrations, grants and whoever needs the whole metadata."""

import domain.business
import domain.catalog
import domain.customers
import domain.fulfillment
import domain.identity
import domain.kernel.events
import domain.kernel.external
import domain.kernel.idempotency
import domain.ledger
import domain.orders
import domain.payments
import domain.stock
from domain.kernel.rows import Row

metadata = Row.metadata

__all__ = ["metadata"]
