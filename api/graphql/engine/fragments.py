"""Conditions that are made anew for each run, while the statement they are part of is compiled once for their form."""

from collections.abc import Hashable, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, and_


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
            self.form, self.parameters = (object(), ()) if key is None else (key.key, key.bindparams)
