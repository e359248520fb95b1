"""Cases for a person: opened where stock is not as it was thought to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.kernel import bulk
from domain.kernel.ids import ID, new_id
from domain.kernel.money import format_quantity
from domain.kernel.work import Work
from domain.stock.events import StockDiscrepancyOpened
from domain.stock.tables import DiscrepancyKind, Place, StockDiscrepancy


@dataclass(frozen=True)
class NewCase:
    """A case to open."""

    kind: DiscrepancyKind
    place: Place
    quantity: Decimal
    """By how much it differs; more than zero."""
    expected: Decimal | None = None
    """What our books say."""
    reported: Decimal | None = None
    """What the other side says."""
    system: str | None = None
    """Who else counted."""
    taken_at: datetime | None = None
    """When they did."""
    source: ID | None = None
    """The document that it came of."""


async def open_cases(work: Work, news: Sequence[NewCase]) -> list[ID]:
    """The cases are open, and announced. Returns their ids in the order given."""
    rows = [
        {
            "id": new_id("sdc"),
            "kind": new.kind,
            "variant_id": new.place[0],
            "location_id": new.place[1],
            "quantity": new.quantity,
            "expected": new.expected,
            "reported": new.reported,
            "system": new.system,
            "taken_at": new.taken_at,
            "source": new.source,
            "opened_at": work.now,
            "seen_at": work.now,
            "act": work.act,
        }
        for new in news
    ]
    await bulk.insert(work, StockDiscrepancy, rows)
    work.announce(
        *(
            StockDiscrepancyOpened(
                row["id"],
                kind=row["kind"],
                variant=row["variant_id"],
                location=row["location_id"],
                quantity=format_quantity(row["quantity"]),
            )
            for row in rows
        )
    )
    return [row["id"] for row in rows]
