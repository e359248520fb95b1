"""What lines may be told apart by, beside their accounts."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.errors import Invalid
from domain.kernel.ids import ID
from domain.kernel.rows import Choice, Row, filled, key


class AccountingDimension(StrEnum):
    """What lines of the journal may be told apart by, beside their accounts."""

    CHANNEL = "CHANNEL"
    """The sales channel."""
    LOCATION = "LOCATION"
    """The place where goods are or people work."""
    BRAND = "BRAND"
    """The brand."""
    DEPARTMENT = "DEPARTMENT"
    """The part of the business that answers for it."""
    PROJECT = "PROJECT"
    """Something with a beginning and an end."""


COLUMNS = {each: f"{each.value.lower()}_id" for each in AccountingDimension}
"""The column of each dimension in lines, and in what is summed of them."""
NONE = "00000000-0000-0000-0000-000000000000"
"""What stands in sums for lines that say nothing in a dimension."""


class DimensionValue(Row):
    """A brand, a department or a project. Channels and locations are rows of their own rooms."""

    __tablename__ = "dimension_values"
    __table_args__ = (
        *filled("name"),
        CheckConstraint("code ~ '^[0-9A-Z][0-9A-Z.-]{0,19}$'", name="code_form"),
        CheckConstraint("dimension IN ('BRAND', 'DEPARTMENT', 'PROJECT')", name="dimension_of_its_own"),
        Index("uq_dimension_values_code", "dimension", "code", unique=True),
        Index(None, "code", "id"),
        {"info": {"update": ("name", "is_active")}},
    )

    id: Mapped[ID] = key("dmv")
    dimension: Mapped[AccountingDimension] = mapped_column(Choice(AccountingDimension))
    code: Mapped[str] = mapped_column(Text(collation="C"))
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    """Whether new entries may name it."""
    created_at: Mapped[datetime]


class DimensionMissing(Invalid):
    """An account demands that lines on it name a channel, a location, a brand, a department or a project."""


explain("uq_dimension_values_code", "There is one with this code already: {value}.", path=("input", "code"))
explain(
    "journal_line_dimension_missing",
    "An account of this entry demands a dimension that its line does not name.",
    refusal=DimensionMissing,
    path=("input", "lines"),
)
explain(
    "journal_line_dimension",
    "A line names its brand, department and project by values of just these dimensions.",
    path=("input", "lines"),
)
