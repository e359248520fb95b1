"""Whether two answers to one request are the same answer.

Data must be equal in every value, and in the order of the fields. A request that one side refuses, the other refuses
with the same code.

Errors are compared by where they show: the position that became null, which is the longest beginning of an error's
path at which the data hold null. Both sides must have errors at the same positions. When several fields below one
position fail, the specification wants one of their errors, and leaves open which; so an error that the oracle did not
report there is `unexplained` for the moment, and whoever compares asks the oracle for all errors that the document can
have, without letting nulls spread (`oracle.every_error`). It must be among them, in path and code. An error that both
report says the same on both sides, its place in the document included.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

Path = tuple[str | int, ...]
Fault = tuple[Path | None, str]
"""Where an error happened, and its code. A path of None: the request as a whole."""


def difference(expected: dict[str, Any], actual: dict[str, Any]) -> str | None:
    """The first thing in which an answer differs from the oracle's, in a sentence; None when they agree."""
    if expected["refused"] != actual["refused"] or ("data" in expected) != ("data" in actual):
        return f"one is refused, the other is not: {_brief(expected)} and {_brief(actual)}"
    if expected.get("extensions") != actual.get("extensions"):
        return f"extensions are {expected.get('extensions')} and {actual.get('extensions')}"
    unlike = _data(expected.get("data"), actual.get("data"), ())
    return unlike or _errors(expected, actual)


def unexplained(expected: dict[str, Any], actual: dict[str, Any]) -> list[Fault]:
    """The errors that the oracle did not report. They may be right: see above."""
    known = set(faults(expected))
    return [fault for fault in faults(actual) if fault not in known]


def faults(answer: dict[str, Any]) -> list[Fault]:
    """The errors of an answer."""
    return [fault_of(each) for each in answer.get("errors", ())]


def fault_of(error: dict[str, Any]) -> Fault:
    """Path and code of one error."""
    path = error.get("path")
    return None if path is None else tuple(path), error["extensions"]["code"]


def nulled(data: Any, path: Path) -> Path | None:
    """The longest beginning of a path at which the data hold null; None when there is none on the way."""
    here = data
    for n, step in enumerate(path):
        if here is None:
            return path[:n]
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            return None
    return path if here is None else None


def _data(expected: Any, actual: Any, path: Path) -> str | None:
    """Where values differ. Objects are lists of pairs here: their order is part of the answer."""
    if type(expected) is not type(actual):
        return f"{_at(path)} is {expected!r} and {actual!r}"
    if isinstance(expected, dict):
        if list(expected) != list(actual):
            return f"{_at(path)} has the fields {list(expected)} and {list(actual)}"
        pairs = [(name, expected[name], actual[name]) for name in expected]
    elif isinstance(expected, list):
        if len(expected) != len(actual):
            return f"{_at(path)} has {len(expected)} and {len(actual)} elements"
        pairs = [(n, *both) for n, both in enumerate(zip(expected, actual, strict=True))]
    else:
        return None if expected == actual else f"{_at(path)} is {expected!r} and {actual!r}"
    return next((found for name, one, other in pairs if (found := _data(one, other, (*path, name)))), None)


def _errors(expected: dict[str, Any], actual: dict[str, Any]) -> str | None:
    mine, theirs = _by_position(expected), _by_position(actual)
    for position in [*mine, *theirs]:
        if position not in mine or position not in theirs:
            return f"errors at {_where(position)} are {mine.get(position)} and {theirs.get(position)}"
    if set(mine.get(None, ())) != set(theirs.get(None, ())):
        return f"errors of the request are {mine[None]} and {theirs[None]}"
    twice = [fault for fault, times in Counter(faults(actual)).items() if times > 1 and fault[0] is not None]
    if twice:
        return f"an error is reported more than once: {twice[0]}"
    astray = [each for each in faults(actual) if each[0] is not None and nulled(actual.get("data"), each[0]) is None]
    if astray:
        return f"an error has no null: {astray[0]}"
    told, also_told = _told(expected), _told(actual)
    unlike = [fault for fault in told.keys() & also_told.keys() if told[fault] != also_told[fault]]
    return f"of {unlike[0]} is told {told[unlike[0]]} and {also_told[unlike[0]]}" if unlike else None


def _told(answer: dict[str, Any]) -> dict[Fault, list[str]]:
    """What is said of each fault, but for what only the log knows."""
    told: dict[Fault, list[str]] = {}
    for error in answer.get("errors", ()):
        extensions = {name: each for name, each in error["extensions"].items() if name != "correlationId"}
        message = error["message"] if extensions["code"] != "INTERNAL" else ""
        told.setdefault(fault_of(error), []).append(f"{message!r} {error.get('locations')} {extensions}")
    return {fault: sorted(each) for fault, each in told.items()}


def _by_position(answer: dict[str, Any]) -> dict[Path | None, list[Fault]]:
    grouped: dict[Path | None, list[Fault]] = {}
    for fault in faults(answer):
        position = None if fault[0] is None else nulled(answer.get("data"), fault[0])
        grouped.setdefault(position, []).append(fault)
    return grouped


def _at(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path)) or "data"


def _where(position: Path | None) -> str:
    return "no place" if position is None else _at(position)


def _brief(answer: dict[str, Any]) -> str:
    return f"{'refused' if answer['refused'] else 'answered'} with {faults(answer)}"
