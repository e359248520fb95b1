"""Where stock is kept: locations, and the bins within them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain import ledger
from domain.kernel.ids import ID, Id
from domain.kernel.rows import Choice, Row, filled, key, one_of


class LocationKind(StrEnum):
    """What sort of place stock is kept in."""

    WAREHOUSE = "WAREHOUSE"
    """A warehouse of our own."""
    STORE = "STORE"
    """A shop that customers walk into."""
    THIRD_PARTY = "THIRD_PARTY"
    """A fulfillment house that keeps our goods."""
    SUPPLIER = "SUPPLIER"
    """Our goods at a supplier's."""
    TRANSIT = "TRANSIT"
    """On the road between two places. Nothing is allocated from here."""
    VIRTUAL = "VIRTUAL"
    """A place on paper only."""


class Location(Row):
    """A place where stock is kept."""

    __tablename__ = "locations"
    __table_args__ = (
        *filled("name"),
        one_of("kind", LocationKind),
        CheckConstraint("NOT (allows_oversell AND kind = 'TRANSIT')", name="oversells_no_transit"),
        Index("uq_locations_name", "name_folded", unique=True),
        Index(None, "created_at", "id"),
        Index(None, "priority", "id"),
    )

    id: Mapped[ID] = key("loc")
    name: Mapped[str]
    name_folded: Mapped[str] = mapped_column(Text(collation="C"), Computed("lower(name)", persisted=True))
    kind: Mapped[LocationKind] = mapped_column(Choice(LocationKind))
    priority: Mapped[int]
    """Allocation takes the smallest first."""
    allows_oversell: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether goods may be handed over here that the books do not know of, as at a till: the item is in the customer's
    hand. Each time a discrepancy is opened that must be settled."""
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BinKind(StrEnum):
    """What sort of place within a location a bin is, from the largest to the smallest."""

    ZONE = "ZONE"
    """A part of the building."""
    AISLE = "AISLE"
    """A way between shelves."""
    BAY = "BAY"
    """A section of an aisle."""
    SHELF = "SHELF"
    """One board of a bay."""
    BIN = "BIN"
    """The smallest place that has a name."""


class Bin(Row):
    """A place within a location. Bins form a tree; goods may lie in any of them."""

    __tablename__ = "bins"
    __table_args__ = (
        one_of("kind", BinKind),
        CheckConstraint("code ~ '^[^/[:space:]]{1,32}$'", name="code_form"),
        CheckConstraint("path = code OR path LIKE '%/' || code", name="path_ends_in_code"),
        CheckConstraint("char_length(path) <= 255", name="path_length"),
        Index("uq_bins_path", "location_id", "path_folded", unique=True),
        Index(None, "location_id", "path_folded", "id"),
        Index(None, "parent_id", "path_folded", "id"),
    )

    id: Mapped[ID] = key("bin")
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    parent_id: Mapped[ID | None] = mapped_column(Id("bin"), ForeignKey("bins.id"))
    kind: Mapped[BinKind] = mapped_column(Choice(BinKind))
    code: Mapped[str]
    """What is written on it, such as `03`."""
    path: Mapped[str]
    """The codes from the largest place down to it, such as `A/12/03`; unique in its location."""
    path_folded: Mapped[str] = mapped_column(Text(collation="C"), Computed("lower(path)", persisted=True))
    created_at: Mapped[datetime]


ledger.keep_dimension(
    ledger.AccountingDimension.LOCATION,
    "SELECT id, name, true AS is_active FROM locations WHERE id = ANY($1) AND $2 = 'LOCATION'",
)
