"""For how long the books must be kept."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.errors import NotAllowedNow
from domain.kernel.grants import BOOKS
from domain.kernel.ids import ID
from domain.kernel.invariants import invariant
from domain.kernel.rows import Row, key


class RetentionPolicy(Row):
    """How many years the books are kept after the end of each fiscal year: there is one."""

    __tablename__ = "retention_policies"
    __table_args__ = (
        CheckConstraint("one", name="one_row"),
        CheckConstraint("years BETWEEN 1 AND 99", name="years_range"),
        Index("uq_retention_policies_one", "one", unique=True),
        {"info": {"update": ("years", "updated_at")} | BOOKS},
    )

    id: Mapped[ID] = key("rtp")
    one: Mapped[bool] = mapped_column(server_default=text("true"))
    years: Mapped[int] = mapped_column(server_default=text("10"))
    updated_at: Mapped[datetime]


class RetentionPromised(NotAllowedNow):
    """A fiscal year was closed with the promise to keep it for longer, and that time is not over."""


explain("uq_retention_policies_one", "There is a retention policy already: change it.")
explain(
    "retention_promised",
    "A fiscal year was closed when the books were kept for longer, and that time is not over.",
    refusal=RetentionPromised,
    path=("years",),
)
explain("fiscal_year_retention", "What a closed fiscal year was promised is not taken back.", refusal=RetentionPromised)
explain("fiscal_year_days", "The days of a fiscal year cannot be changed.")

invariant(
    "promised retention",
    "No closed fiscal year is kept for less time than it was closed with.",
    """
    SELECT year.id, year.retention_years, policy.years FROM fiscal_years AS year
    LEFT JOIN retention_policies AS policy ON true
    WHERE policy.years IS NULL OR policy.years < year.retention_years
      AND year.ends_on + make_interval(years => year.retention_years) >= now()
    """,
)
