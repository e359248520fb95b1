"""How values travel: the kinds of columns, and their form between the driver and the engine.

The engine reads through the driver itself, without SQLAlchemy's own conversions: an id is 32 hexadecimal digits, a
member of an enum is its text. Generated code makes of them what the schema shows.
"""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Numeric
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.types import TypeEngine

from domain.kernel.ids import Id

if TYPE_CHECKING:
    from api.graphql.kit.reading import Record

DIALECT: Any = dialect()  # type: ignore[no-untyped-call]


def kind_of(sql_type: TypeEngine[Any]) -> str:
    """The SQL type as it is written in a cast, without what does not matter to it."""
    plain = sql_type.dialect_impl(DIALECT)
    if isinstance(plain, Numeric):
        return "NUMERIC"
    return str(sql_type.compile(dialect=DIALECT)).partition(" COLLATE")[0]


def wire_of(sql_type: TypeEngine[Any], name: str) -> Callable[["Record"], Any]:
    """Reads an attribute of a record in the form in which the driver would have brought it."""
    if isinstance(sql_type, Id):
        return lambda record: None if (value := getattr(record, name)) is None else value[len("xxx_") :]

    def read(record: "Record") -> Any:
        value = getattr(record, name)
        return value.value if isinstance(value, Enum) else value

    return read


def binder_of(sql_type: TypeEngine[Any]) -> Callable[[Any], Any]:
    """What makes of a Python value what the driver takes for a parameter of this type."""
    made = sql_type.dialect_impl(DIALECT).bind_processor(DIALECT)
    return made or (lambda value: value)
