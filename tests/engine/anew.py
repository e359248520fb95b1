"""Answers without what every dry run makes anew: ids, numbers, instants and the cursors that hold them.

What was there before keeps its name; each new thing gets one by its place, so that two answers in which the same thing
stands in the same places become equal.
"""

import base64
import binascii
import re
from typing import Any

import orjson

from tests.engine.pool import Pool

_NEW = re.compile(
    r"(?P<id>\b[a-z]{3}_[0-9a-f]{32}\b)"
    r"|(?P<number>\b(?:SO|SH|JE|CT)-\d+\b)"
    r"|(?P<instant>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))"
)


class Names:
    """Names for what is new in one answer."""

    def __init__(self, pool: Pool) -> None:
        self._known = {each for known in pool.ids.values() for each in known}
        self._known |= {each for known in pool.texts.values() for each in known}
        self._known |= {each for known in pool.instants.values() for each in known}
        self._names: dict[str, str] = {}

    def likeness(self, value: Any) -> Any:
        """The value with those names in it."""
        if isinstance(value, dict):
            return {name: self.likeness(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.likeness(each) for each in value]
        if not isinstance(value, str):
            return value
        inside = _cursor(value)
        if inside is not None:
            # Its integers are numbers of documents, or places in the log.
            return ["number" if isinstance(each, int) else self.likeness(each) for each in inside]
        return _NEW.sub(self._name, value)

    def _name(self, found: re.Match[str]) -> str:
        text = found.group()
        if text in self._known:
            return text
        return self._names.setdefault(text, f"<{found.lastgroup} {len(self._names)}>")


def _cursor(text: str) -> list[Any] | None:
    """What a cursor of a list holds; None for any other text."""
    try:
        found = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        return None
    return found if isinstance(found, list) and len(found) > 1 else None
