"""What every table has in common: names of constraints, text that sorts the same everywhere, ids, choices, money.

A row is the entity. GraphQL types are views of rows and operations work on rows; nothing is copied into a second class.
"""

import datetime
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from sqlalchemy import CheckConstraint, MetaData, Numeric, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, MappedColumn, mapped_column

from domain.kernel.ids import ID, Id, new_id
from domain.kernel.money import (
    AMOUNT_DIGITS,
    CARRIED_DIGITS,
    QUANTITY_DECIMALS,
    QUANTITY_DIGITS,
    UNIT_COST_DECIMALS,
)

Sorted = Text(collation="C")
"""Text in code point order, on every server alike: what keyset pages and prefix searches need."""


class Row(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        datetime.datetime: TIMESTAMP(timezone=True),
        Decimal: Numeric(AMOUNT_DIGITS, UNIT_COST_DECIMALS),
    }


def key(prefix: str) -> MappedColumn[ID]:
    """The primary key of a noun: a prefixed id that the process makes, so that nobody waits for the database."""
    return mapped_column(Id(prefix), primary_key=True, default=lambda: new_id(prefix))


def prefix_of(row: type[Row]) -> str:
    """The prefix of a noun's ids."""
    kind = row.__table__.c.id.type
    if not isinstance(kind, Id):
        raise TypeError(f"{row.__name__} has no prefixed id")
    return kind.prefix


def quantity() -> Numeric[Decimal]:
    """The type of a quantity column."""
    return Numeric(QUANTITY_DIGITS, QUANTITY_DECIMALS)


def carried() -> Numeric[Decimal]:
    """The type of a column of amounts that follow from others: see `CARRIED_DIGITS`."""
    return Numeric(CARRIED_DIGITS, UNIT_COST_DECIMALS)


Choices = TypeVar("Choices", bound=StrEnum)


class Choice(TypeDecorator[Choices]):
    """A text column that holds one member of an enum. Pair it with `one_of`, the constraint."""

    impl = Text
    cache_ok = True

    def __init__(self, enum: type[Choices]) -> None:
        super().__init__()
        self.enum = enum

    def process_result_value(self, value: str | None, dialect: Dialect) -> Choices | None:  # noqa: ARG002
        return None if value is None else self.enum(value)


def one_of(column: str, enum: type[StrEnum]) -> CheckConstraint:
    """The constraint of a `Choice` column. A new member means a migration, on purpose."""
    members = ", ".join(f"'{member.value}'" for member in enum)
    return CheckConstraint(f"{column} IN ({members})", name=f"{column}_known")


def numbers(*columns: str) -> CheckConstraint:
    """The constraint that columns hold numbers: Postgres stores "not a number" too, and thinks it larger than all, so
    that no other constraint would stop it.
    """
    return CheckConstraint(f"'NaN' NOT IN ({', '.join(columns)})", name="numbers")


def filled(*columns: str, longest: int = 255) -> Iterable[CheckConstraint]:
    """Constraints for text that must say something: not blank, no blanks around, at most `longest` characters."""
    for column in columns:
        yield CheckConstraint(
            f"{column} = btrim({column}) AND char_length({column}) BETWEEN 1 AND {longest}", name=f"{column}_filled"
        )
