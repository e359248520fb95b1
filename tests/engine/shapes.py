"""Which selections may stand in one place: what the specification calls "fields in set can merge", kept while writing.

A document is valid only if fields of one response name in one place ask for the same thing. The writer of random
documents notes here what stands where, so that it never has to throw a document away.
"""

from dataclasses import dataclass
from typing import Any

from graphql import get_named_type, is_list_type, is_non_null_type, is_object_type
from graphql.type import is_composite_type


@dataclass(frozen=True)
class Asked:
    """A field as one place asks for it. `arguments` is their text, empty for none."""

    parent: Any
    name: str
    arguments: str


@dataclass
class Slot:
    """Everything that one response name stands for in one place."""

    form: str
    asked: list[Asked]
    below: "Place | None"
    """What is selected of it, all occurrences together; None for a leaf."""


Place = dict[str, Slot]
"""The response names of one place, fragments included."""


def form_of(kind: Any) -> str:
    """How values of a type look: its lists and nulls, and what the leaves are. Objects of all types look alike."""
    if is_non_null_type(kind):
        return form_of(kind.of_type) + "!"
    if is_list_type(kind):
        return "[" + form_of(kind.of_type) + "]"
    named = get_named_type(kind)
    return "{}" if is_composite_type(named) else named.name


def agrees(slot: Slot, asked: Asked, form: str) -> bool:
    """Whether a field may stand beside those that have its response name already."""
    return slot.form == form and all(_alike(each, asked) for each in slot.asked)


def note(place: Place, key: str, asked: Asked, kind: Any) -> Slot:
    """A field stands in this place from now on. It must agree with what is there."""
    if key not in place:
        place[key] = Slot(form_of(kind), [], {} if is_composite_type(get_named_type(kind)) else None)
    if asked not in place[key].asked:
        place[key].asked.append(asked)
    return place[key]


def mergeable(here: Place, added: Place) -> bool:
    """Whether all that a fragment selects may stand in this place."""
    for key, slot in added.items():
        mine = here.get(key)
        if mine is None:
            continue
        if not all(agrees(mine, each, slot.form) for each in slot.asked):
            return False
        if mine.below is not None and slot.below is not None and not mergeable(mine.below, slot.below):
            return False
    return True


def merge(here: Place, added: Place) -> None:
    """All that a fragment selects stands in this place, too. The fragment's own place stays as it is."""
    for key, slot in added.items():
        mine = here.setdefault(key, Slot(slot.form, [], None if slot.below is None else {}))
        mine.asked.extend(each for each in slot.asked if each not in mine.asked)
        if mine.below is not None and slot.below is not None:
            merge(mine.below, slot.below)


def _alike(one: Asked, other: Asked) -> bool:
    """Fields of two different object types never meet in one value, so they may differ."""
    apart = one.parent is not other.parent and is_object_type(one.parent) and is_object_type(other.parent)
    return apart or (one.name == other.name and one.arguments == other.arguments)
