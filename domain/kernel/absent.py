"""The difference between "leave it" and "empty it" in an update.

A field of a changes dataclass that may be left out is typed `str | Absent` and defaults to ABSENT; one that may also be
emptied is `str | None | Absent`.
"""

from dataclasses import fields
from enum import Enum
from typing import Any, Final


class Absent(Enum):
    """The type of ABSENT."""

    ABSENT = "absent"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = Absent.ABSENT
"""The caller did not mention this field."""


def given(changes: Any) -> dict[str, Any]:
    """The fields of a changes dataclass that the caller did mention."""
    pairs = ((each.name, getattr(changes, each.name)) for each in fields(changes))
    return {name: value for name, value in pairs if value is not ABSENT}
