"""The business itself: who it is, through which channels it sells, in which units it counts."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.ids import ID
from domain.kernel.invariants import invariant
from domain.kernel.rows import Choice, Row, filled, key, one_of


class Business(Row):
    """The one business that this deployment serves."""

    __tablename__ = "business"
    __table_args__ = (
        CheckConstraint("one", name="one_row"),
        *filled("name"),
        CheckConstraint("base_currency ~ '^[A-Z]{3}$'", name="base_currency_code"),
        CheckConstraint("fiscal_year_start ~ '^(0[1-9]|1[0-2])-([0-2][0-9]|3[01])$'", name="fiscal_year_start_day"),
        {"info": {"update": ("name", "time_zone", "fiscal_year_start")}},
    )

    one: Mapped[bool] = mapped_column(primary_key=True, default=True, server_default=text("true"))
    name: Mapped[str]
    base_currency: Mapped[str]
    """The currency of the books."""
    time_zone: Mapped[str]
    """An IANA name: which day it is for the business."""
    fiscal_year_start: Mapped[str]
    """Month and day on which the fiscal year starts, as MM-DD."""


class ChannelKind(StrEnum):
    """What sort of place a channel sells in."""

    ONLINE_STORE = "ONLINE_STORE"
    """A shop of our own on the web."""
    MARKETPLACE = "MARKETPLACE"
    """A place of somebody else's, such as Amazon or eBay."""
    POINT_OF_SALE = "POINT_OF_SALE"
    """Tills in stores."""
    WHOLESALE = "WHOLESALE"
    """Business customers."""
    PHONE = "PHONE"
    """Staff takes the orders."""


class TaxMode(StrEnum):
    """Whether the prices of a channel contain the tax."""

    INCLUSIVE = "INCLUSIVE"
    """The price is what the customer pays."""
    EXCLUSIVE = "EXCLUSIVE"
    """Tax is added to the price."""


class SalesChannel(Row):
    """A place where the business sells, under one of its brands."""

    __tablename__ = "sales_channels"
    __table_args__ = (
        *filled("name"),
        one_of("kind", ChannelKind),
        one_of("tax_mode", TaxMode),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        Index("uq_sales_channels_name", text("lower(name)"), unique=True),
        Index("uq_sales_channels_default", "is_default", unique=True, postgresql_where=text("is_default")),
        Index(None, "created_at", "id"),
    )

    id: Mapped[ID] = key("chn")
    name: Mapped[str]
    kind: Mapped[ChannelKind] = mapped_column(Choice(ChannelKind))
    currency: Mapped[str]
    locale: Mapped[str]
    brand: Mapped[str | None]
    tax_mode: Mapped[TaxMode] = mapped_column(Choice(TaxMode))
    default_location_name: Mapped[str | None]
    price_list_name: Mapped[str | None]
    requires_payment: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether its orders ship only once they are paid."""
    is_default: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Dimension(StrEnum):
    """What a unit measures. Units of one dimension convert into each other exactly."""

    COUNT = "COUNT"
    """Pieces."""
    MASS = "MASS"
    """Weight, in everyday words."""
    LENGTH = "LENGTH"
    """Length."""
    AREA = "AREA"
    """Surface."""
    VOLUME = "VOLUME"
    """Volume."""
    TIME = "TIME"
    """Duration."""


class Unit(Row):
    """A unit of measure. One unit is numerator / denominator of its dimension's base unit, an exact fraction."""

    __tablename__ = "units"
    __table_args__ = (
        one_of("dimension", Dimension),
        *filled("name"),
        CheckConstraint("code ~ '^[A-Z0-9]{1,12}$'", name="code_form"),
        CheckConstraint("decimals BETWEEN 0 AND 6", name="decimals_range"),
        CheckConstraint("numerator > 0 AND denominator > 0", name="factor_positive"),
        Index("uq_units_code", "code", unique=True),
    )

    id: Mapped[ID] = key("uom")
    code: Mapped[str] = mapped_column(Text(collation="C"))
    """As on documents: EA, KG, M."""
    name: Mapped[str]
    dimension: Mapped[Dimension] = mapped_column(Choice(Dimension))
    decimals: Mapped[int]
    """How many decimals a quantity in this unit may have: pieces 0, kilograms 3."""
    numerator: Mapped[int]
    denominator: Mapped[int]


explain("uq_sales_channels_name", "There is a channel of this name already: {value}.", path=("input", "name"))
explain("uq_sales_channels_default", "There is a default channel already.", path=("input", "isDefault"))
explain("uq_units_code", "There is a unit with this code already: {value}.", path=("input", "code"))

invariant(
    "one default channel",
    "Exactly one channel is the default.",
    "SELECT count(*) AS defaults FROM sales_channels WHERE is_default HAVING count(*) <> 1",
)
