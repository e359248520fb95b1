"""From the name of a broken database constraint to the sentence a caller gets.

The rule itself is in the database, where it cannot be missed; here it only learns to speak. Operations check first,
because they can name the offending argument better; a race that slips past the check still ends in a clear refusal.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.kernel.errors import Invalid, Refusal

_OUT_OF_RANGE = "22003"
TOO_MUCH = "A quantity or an amount comes to more than can be kept."
_KEY_VALUE = re.compile(r"=\((?P<value>.*)\)")


@dataclass(frozen=True)
class Explanation:
    """What to tell the caller when a constraint refuses."""

    refusal: type[Refusal]
    sentence: str
    path: tuple[str, ...]


_explanations: dict[str, Explanation] = {}


def explain(constraint: str, sentence: str, *, refusal: type[Refusal] = Invalid, path: Sequence[str] = ()) -> None:
    """Give a constraint its sentence. `{value}` in it stands for the offending key, where Postgres tells it."""
    if constraint in _explanations:
        raise ValueError(f"{constraint} is explained twice")
    _explanations[constraint] = Explanation(refusal, sentence, tuple(path))


def explained() -> frozenset[str]:
    """The names of all constraints that have a sentence."""
    return frozenset(_explanations)


def refusal_of(error: BaseException) -> Refusal | None:
    """The refusal that stands for a database error, or None when the error is a bug."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "sqlstate", None) == _OUT_OF_RANGE:
            return Invalid(TOO_MUCH)
        name = getattr(cause, "constraint_name", None)
        if name in _explanations:
            explanation = _explanations[name]
            match = _KEY_VALUE.search(getattr(cause, "detail", None) or "")
            value = match["value"] if match else ""
            return explanation.refusal(explanation.sentence.replace("{value}", value), path=explanation.path)
        cause = getattr(cause, "orig", None) or cause.__cause__
    return None
