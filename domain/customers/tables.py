"""Customers and their addresses."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.countries import CountryCode
from domain.kernel.ids import ID, Id
from domain.kernel.invariants import invariant
from domain.kernel.rows import Row, filled, key

MOST_ADDRESSES = 50
"""Addresses that one customer has at most."""
LONGEST_EMAIL = 254
"""Characters of an email address at most: what a mail server takes (RFC 5321)."""


class Customer(Row):
    """Whoever buys: a person, a household or a company."""

    __tablename__ = "customers"
    __table_args__ = (
        *filled("name"),
        CheckConstraint(
            rf"email ~ '^[^@\s]+@[^@\s]+$' AND char_length(email) <= {LONGEST_EMAIL}",
            name="email_form",
        ),
        *filled("phone", longest=50),
        Index("uq_customers_email", "email_folded", unique=True),
        Index(None, "created_at", "id"),
        Index(None, "name_folded", "id"),
        Index(None, "search", postgresql_using="gin"),
    )

    id: Mapped[ID] = key("cus")
    name: Mapped[str]
    name_folded: Mapped[str] = mapped_column(Text(collation="C"), Computed("lower(name)", persisted=True))
    """What lists sort and filter by."""
    email: Mapped[str | None]
    email_folded: Mapped[str | None] = mapped_column(Text(collation="C"), Computed("lower(email)", persisted=True))
    """What makes emails unique without regard to case."""
    phone: Mapped[str | None]
    search: Mapped[str] = mapped_column(TSVECTOR, Computed("to_tsvector('simple'::regconfig, name)", persisted=True))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CustomerAddress(Row):
    """One of a customer's addresses. It has no life of its own: the customer's row is its lock and its version."""

    __tablename__ = "customer_addresses"
    __table_args__ = (
        UniqueConstraint("customer_id", "position", deferrable=True, initially="DEFERRED"),
        CheckConstraint(f"position BETWEEN 1 AND {MOST_ADDRESSES}", name="position_range"),
        *filled("name", "company", "line1", "line2", "city", "region"),
        *filled("postal_code", longest=32),
        CheckConstraint("country_code ~ '^[A-Z]{2}$'", name="country_code_form"),
        *filled("phone", longest=50),
    )

    id: Mapped[ID] = key("adr")
    customer_id: Mapped[ID] = mapped_column(Id("cus"), ForeignKey("customers.id"))
    position: Mapped[int]
    """Its place among the customer's addresses, from 1."""
    name: Mapped[str | None]
    company: Mapped[str | None]
    line1: Mapped[str]
    line2: Mapped[str | None]
    city: Mapped[str | None]
    region: Mapped[str | None]
    postal_code: Mapped[str | None]
    country_code: Mapped[CountryCode] = mapped_column(Text)
    phone: Mapped[str | None]


explain("uq_customers_email", "This email is taken: {value}.", path=("input", "email"))
explain(
    "uq_customer_addresses_customer_id_position",
    "Two addresses cannot have the same place with one customer.",
    path=("input", "addresses"),
)
explain(
    "ck_customer_addresses_position_range",
    f"A customer has at most {MOST_ADDRESSES} addresses.",
    path=("input", "addresses"),
)

invariant(
    "addresses in order",
    f"The addresses of a customer are numbered from 1 without gaps, at most {MOST_ADDRESSES}.",
    f"""
    SELECT customer_id, count(*), max(position) FROM customer_addresses GROUP BY customer_id
    HAVING min(position) <> 1 OR max(position) <> count(*) OR count(*) > {MOST_ADDRESSES}
    """,  # noqa: S608  our own number
)
invariant(
    "customer references",
    "Every external id of a customer names one that exists.",
    """
    SELECT noun, system, external_id, row FROM external_references
    WHERE noun = 'cus' AND NOT EXISTS (SELECT FROM customers WHERE id = substr(row, 5)::uuid)
    """,
)
invariant(
    "customer events",
    "Every customer was announced: its events begin with customer.created.",
    """
    SELECT id FROM customers WHERE NOT EXISTS (
      SELECT FROM events WHERE subject = 'cus_' || replace(customers.id::text, '-', '')
        AND version = 1 AND type = 'customer.created')
    """,
)
invariant(
    "customer events name nobody",
    "What is announced of customers is permanent, so it holds no more than the names of the fields that changed.",
    """
    SELECT id, type FROM events WHERE type IN ('customer.created', 'customer.updated')
      AND (data - 'fields' <> '{}' OR NOT coalesce(data -> 'fields', '[]') <@ '["name", "email", "phone", "addresses"]')
    """,
)
