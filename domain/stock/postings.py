"""What stock posts to the books."""

from collections.abc import Mapping
from decimal import Decimal

from domain.kernel.ids import ID
from domain.kernel.money import Money
from domain.ledger import Posting, Role
from domain.stock.tables import StockAdjustmentReason, StockMovementKind

ACCOUNTS: dict[StockAdjustmentReason, Role] = {
    StockAdjustmentReason.SHRINKAGE: Role.SHRINKAGE,
    StockAdjustmentReason.THEFT: Role.SHRINKAGE,
    StockAdjustmentReason.DAMAGE: Role.DAMAGE,
    StockAdjustmentReason.EXPIRED: Role.DAMAGE,
    StockAdjustmentReason.SAMPLE: Role.SAMPLES,
    StockAdjustmentReason.FOUND: Role.STOCK_CORRECTION,
    StockAdjustmentReason.COUNT: Role.STOCK_CORRECTION,
    StockAdjustmentReason.LOST_IN_TRANSIT: Role.SHRINKAGE,
    StockAdjustmentReason.CORRECTION: Role.STOCK_CORRECTION,
}
"""Which account bears a loss of each reason, and is credited with a gain."""


def receipt(value: Decimal, document: Money | None = None, *, opening: bool = False) -> list[Posting]:
    """Goods came in, and their bill is still to come; or, `opening`, they were there when the books began. `document`:
    what they cost, where that is a foreign currency.
    """
    against = Role.OPENING_BALANCES if opening else Role.RECEIVED_NOT_BILLED
    return [
        Posting(Role.INVENTORY, debit=value, document=document),
        Posting(against, credit=value, document=document),
    ]


def adjustment(reason: StockAdjustmentReason, *, gained: Decimal, lost: Decimal) -> list[Posting]:
    """The books were brought in line with the shelf."""
    role = ACCOUNTS[reason]
    return [
        Posting(Role.INVENTORY, debit=gained),
        Posting(role, credit=gained),
        Posting(role, debit=lost),
        Posting(Role.INVENTORY, credit=lost),
    ]


def moved(value: Decimal, *, origin: ID | None = None, destination: ID | None = None) -> list[Posting]:
    """Goods went elsewhere and kept their cost: nothing is earned, and nothing is spent."""
    return [
        Posting(Role.INVENTORY, debit=value, location=destination),
        Posting(Role.INVENTORY, credit=value, location=origin),
    ]


def arrived(value: Decimal, freight: Decimal, *, origin: ID, destination: ID) -> list[Posting]:
    """Goods went elsewhere and kept their cost, and what the way cost is part of it from now on."""
    return [
        *moved(value, origin=origin, destination=destination),
        Posting(Role.INVENTORY, debit=freight, location=destination),
        Posting(Role.FREIGHT_ABSORBED, credit=freight, location=destination),
    ]


def handed_over(value: Decimal) -> list[Posting]:
    """Goods are a customer's now: what they cost is an expense."""
    return [Posting(Role.COGS, debit=value), Posting(Role.INVENTORY, credit=value)]


def revaluation(*, gained: Decimal, lost: Decimal) -> list[Posting]:
    """What is there is worth more, or less, from now on."""
    return [
        Posting(Role.INVENTORY, debit=gained),
        Posting(Role.STOCK_REVALUATION, credit=gained),
        Posting(Role.STOCK_REVALUATION, debit=lost),
        Posting(Role.INVENTORY, credit=lost),
    ]


def cost_correction(differences: Mapping[Role, Decimal]) -> list[Posting]:
    """What left earlier cost more (plus) or less (minus) than was posted then, by the account that bore it."""
    postings = []
    for role, more in differences.items():
        postings += [
            Posting(role, debit=max(more, Decimal(0)), credit=max(-more, Decimal(0))),
            Posting(Role.INVENTORY, debit=max(-more, Decimal(0)), credit=max(more, Decimal(0))),
        ]
    return postings


def bearer(kind: StockMovementKind, reason: str | None) -> Role:
    """The account that bears the cost of goods that left in this way."""
    if kind == StockMovementKind.SHIPMENT:
        return Role.COGS
    if kind == StockMovementKind.ADJUSTMENT and reason is not None:
        return ACCOUNTS[StockAdjustmentReason(reason)]
    return Role.STOCK_CORRECTION
