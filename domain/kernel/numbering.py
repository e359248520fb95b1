"""Numbers for people: what a document is called beside its id, such as SO-100017."""

import re
from functools import lru_cache


def number_behind(text: str, prefix: str) -> int:
    """The number behind what people read, with or without its prefix; 0, which no document has, for anything else."""
    match = _form(prefix).fullmatch(text.strip())
    return int(match[1]) if match else 0


@lru_cache(maxsize=32)
def _form(prefix: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{prefix}-)?([0-9]{{1,18}})", re.ASCII | re.IGNORECASE)
