"""What a shipment posts to the books."""

from decimal import Decimal

from domain.ledger import Posting, Role


def shipment(*, cost: Decimal, revenue: Decimal) -> list[Posting]:
    """Goods left: their cost is spent, and their revenue earned, though not yet billed."""
    return [
        Posting(Role.COGS, debit=cost),
        Posting(Role.INVENTORY, credit=cost),
        Posting(Role.UNBILLED, debit=revenue),
        Posting(Role.REVENUE, credit=revenue),
    ]
