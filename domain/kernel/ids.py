"""Typed ids: a prefix that says what it is, and a UUIDv7 (RFC 9562, section 5.7) that says roughly when.

`prd_0192f3a1…` is the same string in GraphQL, webhooks, logs and URLs. The database stores only the 16 bytes: a column
of type `Id("prd")` adds and takes off the prefix, so rows and statements handle the public string everywhere.
"""

import os
import re
import struct
import threading
import time
from typing import Any, NewType

from sqlalchemy.engine import Dialect
from sqlalchemy.types import UserDefinedType

ID = NewType("ID", str)
"""An id as the outside sees it: prefix, underscore, 32 hexadecimal digits."""

_FORM = re.compile(r"([a-z]{3})_([0-9a-f]{32})")
_NANOSECONDS_PER_TICK = 244  # 10**6 ns in 2**12 ticks: the 12 bits of rand_a carry the fraction of the millisecond
_POOL = 512  # random numbers asked for at once: the system call costs more than all else about an id
_lock = threading.Lock()
_last_tick = 0
_random: list[int] = []


def new_id(prefix: str) -> ID:
    """A fresh id. Ids made by one process sort in the order they were made."""
    return ID(f"{prefix}_{_uuid7_hex()}")


def split_id(value: str) -> tuple[str, str] | None:
    """Prefix and hexadecimal digits, or None when the string is no id at all."""
    match = _FORM.fullmatch(value)
    return (match[1], match[2]) if match else None


def is_id(value: str, prefix: str) -> bool:
    """Whether the string is an id of that kind. A foreign or malformed id simply names nothing."""
    match = _FORM.fullmatch(value)
    return match is not None and match[1] == prefix


def _uuid7_hex() -> str:
    """48 bits of milliseconds, version 7, 12 bits below the millisecond, variant, 62 random bits."""
    global _last_tick  # noqa: PLW0603  one clock per process
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    tick = (milliseconds << 12) | (nanoseconds // _NANOSECONDS_PER_TICK & 0xFFF)
    with _lock:
        tick = _last_tick = max(tick, _last_tick + 1)
        if not _random:
            _random.extend(struct.unpack(f"{_POOL}Q", os.urandom(8 * _POOL)))
        random = _random.pop() >> 2
    return f"{tick >> 12 << 80 | 0x7 << 76 | (tick & 0xFFF) << 64 | 0x8 << 60 | random:032x}"


def _forget_random() -> None:
    """A forked process must not make the ids that its parent will make."""
    _random.clear()


if hasattr(os, "register_at_fork"):  # where processes can fork at all
    os.register_at_fork(after_in_child=_forget_random)


class Id(UserDefinedType[str]):
    """A `uuid` column that reads and writes prefixed ids.

    Binding an id of another kind raises: by then the doors have turned malformed ids into "no such thing".
    """

    cache_ok = True
    render_bind_cast = True

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def get_col_spec(self, **_: Any) -> str:
        return "UUID"

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002
        matches = re.compile(f"{self.prefix}_([0-9a-f]{{32}})").fullmatch

        def bind(value: str | None) -> str | None:
            if value is None:
                return None
            match = matches(value)
            if match is None:
                raise ValueError(f"{value!r} is no {self.prefix}_ id")
            return match[1]

        return bind

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002
        prefix = self.prefix + "_"
        return lambda value: None if value is None else prefix + value
