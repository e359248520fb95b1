"""Conditions that are made anew for each run, while the statement they are part of is compiled once for their form."""

from collections.abc import Hashable, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam
from sqlalchemy.types import TypeEngine


class Fragment:
    """Conditions and their form: two of the same form differ only in the values of their parameters.

    The form is SQLAlchemy's own cache key, by which it recognizes statements.
    """

    __slots__ = ("conditions", "form", "parameters")

    def __init__(self, conditions: Sequence[ColumnElement[bool]]) -> None:
        self.conditions = tuple(conditions)
        self.form: Hashable = None
        self.parameters: Sequence[BindParameter[Any]] = ()
        if self.conditions:
            key: Any = and_(*self.conditions)._generate_cache_key()
            self.parameters = () if key is None else key.bindparams
            self.form = object() if key is None else (key.key, self._lengths())

    def _lengths(self) -> tuple[int, ...]:
        """Of the lists after IN, which are written out: each length is another text."""
        return tuple(len(each.effective_value or ()) for each in self.parameters if each.expanding)


def parameter(name: str, sql_type: TypeEngine[Any]) -> BindParameter[Any]:
    """A parameter whose value each run gives by its name."""
    return bindparam(name, type_=sql_type, required=False)
