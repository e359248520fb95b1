"""Text that people type: trimmed, not blank, not endless, and free of what no database can store."""

import re
import unicodedata
from collections.abc import Sequence

from domain.kernel.errors import Invalid

_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def line(value: str, *, path: Sequence[str | int], longest: int = 255) -> str:
    """One line of text: trimmed, 1 to `longest` characters. Refuses with Invalid otherwise."""
    value = value.strip()
    if not value:
        raise Invalid("This cannot be empty.", path=path)
    body(value, path=path, longest=longest)
    if _INVISIBLE.search(value):
        raise Invalid("Use one line of visible characters: no breaks, tabs or marks that turn text round.", path=path)
    return value


def body(value: str, *, path: Sequence[str | int], longest: int = 50_000) -> str:
    """Text of any shape, at most `longest` characters."""
    if len(value) > longest:
        raise Invalid(f"At most {longest} characters; these are {len(value)}.", path=path)
    if "\x00" in value:
        raise Invalid("Text cannot contain the NUL character.", path=path)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid("Text cannot contain half a character (a lone surrogate).", path=path)
    return value


def slug_of(name: str, *, longest: int = 100) -> str:
    """A name as part of an address: ASCII letters and digits, joined by hyphens. Empty when nothing is left."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:longest].rstrip("-")
