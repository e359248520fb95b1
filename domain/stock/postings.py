"""What stock posts to the books."""

from decimal import Decimal

from domain.ledger import Posting, Role
from domain.stock.tables import StockAdjustmentReason

ACCOUNTS: dict[StockAdjustmentReason, Role] = {
    StockAdjustmentReason.SHRINKAGE: Role.SHRINKAGE,
    StockAdjustmentReason.THEFT: Role.SHRINKAGE,
    StockAdjustmentReason.DAMAGE: Role.DAMAGE,
    StockAdjustmentReason.EXPIRED: Role.DAMAGE,
    StockAdjustmentReason.SAMPLE: Role.SAMPLES,
    StockAdjustmentReason.FOUND: Role.STOCK_CORRECTION,
    StockAdjustmentReason.COUNT: Role.STOCK_CORRECTION,
    StockAdjustmentReason.CORRECTION: Role.STOCK_CORRECTION,
}
"""Which account bears a loss of each reason, and is credited with a gain."""


def receipt(value: Decimal) -> list[Posting]:
    """Goods came in, and their bill is still to come."""
    return [Posting(Role.INVENTORY, debit=value), Posting(Role.RECEIVED_NOT_BILLED, credit=value)]


def adjustment(reason: StockAdjustmentReason, *, gained: Decimal, lost: Decimal) -> list[Posting]:
    """The books were brought in line with the shelf."""
    role = ACCOUNTS[reason]
    return [
        Posting(Role.INVENTORY, debit=gained),
        Posting(role, credit=gained),
        Posting(role, debit=lost),
        Posting(Role.INVENTORY, credit=lost),
    ]
