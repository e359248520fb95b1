"""Random documents that are valid, from any schema whose lists are connections.

The same seed gives the same document. Everything that the language has for queries comes up: aliases, fragments with
and without a type, named ones within each other, directives, variables with and without defaults, left out and null.
Introspection does not.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    parse,
)

from api.graphql.kit import limits
from api.graphql.kit.build import Built
from tests.engine.pool import Pool
from tests.engine.shapes import Asked, Place, Slot, agrees, form_of, merge, mergeable, note
from tests.engine.values import ABSENT, Name, Taste, Values

PAGES = frozenset(("first", "after", "last", "before"))
_DEEPEST = 12
_MOST_ROWS = 4_000
"""Elements that the lists along one path may be taken to have."""
_PLAIN_LIST = 4
"""Elements that a list without pages is taken to have."""
_TRIES = 20
_TYPENAME = "String!"


@dataclass(frozen=True)
class Document:
    """A request, and the number that it was made from."""

    seed: int
    query: str
    variables: dict[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    extensions: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """What somebody needs to look into it."""
        name = f"\noperation: {self.operation_name}" if self.operation_name else ""
        return f"seed: {self.seed}{name}\nvariables: {self.variables}\n{self.query}"


@dataclass
class Fragment:
    """A named fragment that is written, and may be spread wherever it fits."""

    kind: Any
    body: str
    place: Place
    depth: int
    rows: int
    """What it may be multiplied by where it stands."""
    spreads: frozenset[str]


@dataclass
class Spot:
    """Where the writer is: what stands there already, how deep it is, and how many rows may meet there."""

    place: Place
    depth: int = 0
    rows: int = 1
    really: Any = None
    """The one type that values have here, where a fragment sees them as something more general."""

    def below(self, place: Place, size: int) -> "Spot":
        """A selection of this one, of a list with so many elements."""
        return Spot(place, self.depth + 1, self.rows * max(1, size))


class Writer:
    """Writes one document."""

    def __init__(self, schema: GraphQLSchema, pool: Pool, chance: random.Random, taste: Taste, fields: int) -> None:
        self.schema, self.pool, self.chance, self.taste = schema, pool, chance, taste
        self.values = Values(chance, pool, taste)
        self.left = fields
        """How many fields may still be written; a few more come where a selection would be empty."""
        self.directives = 24
        self.fragments: dict[str, Fragment] = {}
        self.under_way: list[set[str]] = [set()]
        """The fragments that the selection under way has spread."""
        self.sizes: dict[tuple[str, str, str], int] = {}
        """How many elements a list has at most, by parent type, field and arguments."""
        self.meant: dict[tuple[str, str, str], Any] = {}
        """The type of what is asked for by its id, likewise."""

    # --- selections

    def selections(self, kind: Any, spot: Spot) -> str:
        """A selection set of this type, with its braces."""
        wanted = min(len(self._fields(kind)) + 2, self.chance.choice((1, 2, 3, 3, 4, 5, 6, 8)))
        parts = [part for _ in range(wanted) if self.left > 0 and (part := self._selection(kind, spot))]
        return f"{{ {' '.join(parts or [self._plain(kind, spot)])} }}"

    def _selection(self, kind: Any, spot: Spot) -> str:
        roll = self.chance.random()
        if is_abstract_type(kind) and roll < 0.6:
            fitting = spot.really is not None and self.chance.random() < 0.8
            return self._inline(kind, spot, spot.really if fitting else self.chance.choice(self._types_of(kind)))
        if roll < 0.07:
            return self._inline(kind, spot, self._condition(kind))
        if roll < 0.16:
            return self._spread(kind, spot)
        if roll < 0.22:
            return self._typename(kind, spot)
        if roll < 0.28 and (again := self._again(kind, spot)):
            return again
        return self._field(kind, spot)

    def _plain(self, kind: Any, spot: Spot) -> str:
        leaves = [name for name, each in self._fields(kind).items() if not is_composite_type(get_named_type(each.type))]
        leaves = [name for name in leaves if not any(map(is_required_argument, self._fields(kind)[name].args.values()))]
        if leaves and self.chance.random() < 0.8:
            name = self.chance.choice(leaves)
            return self.written(kind, name, "", spot) or self._typename(kind, spot)
        return self._typename(kind, spot)

    def _fields(self, kind: Any) -> Mapping[str, Any]:
        return getattr(kind, "fields", {})

    # --- fields

    def _field(self, kind: Any, spot: Spot) -> str:
        fields = self._fields(kind)
        inner = [name for name, each in fields.items() if is_composite_type(get_named_type(each.type))]
        leaves = [name for name in fields if name not in inner]
        deep = spot.depth >= _DEEPEST or spot.rows >= _MOST_ROWS
        share = 0.0 if deep else 1.0 if not leaves else 0.75 if spot.depth < 3 else 0.45
        if inner and self.chance.random() < share:
            name = self.chance.choices(inner, [self._weight(fields[each].type) for each in inner])[0]
        elif leaves:
            name = self.chance.choice(leaves)
        else:
            return self._typename(kind, spot)
        return self.written(kind, name, self._arguments(kind, name, spot), spot)

    def _weight(self, returned: Any) -> int:
        """What has little to ask for is asked for less often; what may be null more often: errors end there."""
        named: Any = get_named_type(returned)
        if is_abstract_type(named):
            return 8
        return (3 if len(self._fields(named)) > 3 else 1) * (1 if is_non_null_type(returned) else 2)

    def written(self, kind: Any, name: str, arguments: str, spot: Spot) -> str:
        """A field with its selection, under a name that is free or means the same here; empty where there is none."""
        definition = self._fields(kind)[name]
        asked = Asked(kind, name, arguments)
        key = self._response_name(kind, name, asked, definition.type, spot)
        if key is None:
            return ""
        if key in spot.place and spot.place[key].below is None and self.chance.random() < 0.8:
            return ""  # twice the same leaf teaches little
        slot = note(spot.place, key, asked, definition.type)
        self.left -= 1
        label = name if key == name else f"{key}: {name}"
        below = ""
        if slot.below is not None:
            below = self._below(asked, definition.type, slot.below, spot)
        return f"{label}{arguments}{self._directives()}{below}"

    def _below(self, asked: Asked, returned: Any, place: Place, spot: Spot) -> str:
        written = (asked.parent.name, asked.name, asked.arguments)
        size = self.sizes.get(written)
        if size is None:
            size = _PLAIN_LIST if is_list_type(get_nullable_type(returned)) else 1
        below = replace(spot.below(place, size), really=self.meant.get(written))
        return " " + self.selections(get_named_type(returned), below)

    def _response_name(self, kind: Any, name: str, asked: Asked, returned: Any, spot: Spot) -> str | None:
        """Mostly its own name; else an alias, which may be the name of another field."""
        others = list(self._fields(kind)) if self.chance.random() < 0.2 else []
        names = [name, "a", "b", "c", *self.chance.sample(others, min(2, len(others)))]
        if self.chance.random() < 0.15:
            self.chance.shuffle(names)
        for key in names:
            slot = spot.place.get(key)
            if slot is None or agrees(slot, asked, form_of(returned)):
                return key
        return None

    def _again(self, kind: Any, spot: Spot) -> str:
        """A field that stands here already, once more: the two are one in the answer."""
        mine = [(key, asked) for key, slot in spot.place.items() for asked in slot.asked if asked.parent is kind]
        if not mine:
            return ""
        key, asked = self.chance.choice(mine)
        label = asked.name if key == asked.name else f"{key}: {asked.name}"
        if asked.name == "__typename":
            return f"{label}{self._directives()}"
        self.left -= 1
        slot, returned = spot.place[key], self._fields(kind)[asked.name].type
        below = ""
        if slot.below is not None:
            if spot.depth >= _DEEPEST:
                return ""
            below = self._below(asked, returned, slot.below, spot)
        return f"{label}{asked.arguments}{self._directives()}{below}"

    def _typename(self, kind: Any, spot: Spot) -> str:
        returned = _TYPENAME
        asked = Asked(kind, "__typename", "")
        for key in ("__typename", "t", "a") if self.chance.random() < 0.8 else ("t", "b", "__typename"):
            slot = spot.place.get(key)
            if slot is None or agrees(slot, asked, returned):
                if slot is None:
                    spot.place[key] = slot = Slot(returned, [], None)
                if asked not in slot.asked:
                    slot.asked.append(asked)
                self.left -= 1
                return ("__typename" if key == "__typename" else f"{key}: __typename") + self._directives()
        return "__typename"

    # --- fragments

    def _types_of(self, kind: Any) -> list[Any]:
        return sorted(self.schema.get_possible_types(kind), key=lambda each: each.name)

    def _condition(self, kind: Any) -> Any:
        """A type that values of this one may have: itself, an interface, or none said at all."""
        choices = [None, kind, *getattr(kind, "interfaces", ())]
        return self.chance.choice(choices)

    def _inline(self, kind: Any, spot: Spot, condition: Any) -> str:
        self.left -= 1
        on = "" if condition is None else f" on {condition.name}"
        if condition is not None and is_abstract_type(condition) and not is_abstract_type(kind):
            spot = replace(spot, really=kind)
        return f"...{on}{self._directives()} {self.selections(condition or kind, spot)}"

    def _spread(self, kind: Any, spot: Spot) -> str:
        """A named fragment: one that is there and fits, or a new one."""
        fitting = [name for name, each in self.fragments.items() if self._fits(each, kind, spot)]
        if fitting and self.chance.random() < 0.6:
            name = self.chance.choice(fitting)
        elif len(self.fragments) < 6 and len(self.under_way) < 4:
            name = self._fragment(self._fragment_type(kind), spot, kind)
            if not self._fits(self.fragments[name], kind, spot):
                return ""
        else:
            return ""
        merge(spot.place, self.fragments[name].place)
        self.under_way[-1].add(name)
        return f"...{name}{self._directives()}"

    def _fragment_type(self, kind: Any) -> Any:
        if is_abstract_type(kind):
            return self.chance.choice([kind, kind, *self._types_of(kind)])
        return self.chance.choice([kind, kind, *kind.interfaces])

    def _fits(self, fragment: Fragment, kind: Any, spot: Spot) -> bool:
        mine = set(self._types_of(kind)) if is_abstract_type(kind) else {kind}
        other = set(self._types_of(fragment.kind)) if is_abstract_type(fragment.kind) else {fragment.kind}
        return (
            bool(mine & other)
            and spot.rows <= fragment.rows
            and spot.depth + fragment.depth <= limits.DEPTH - 1
            and mergeable(spot.place, fragment.place)
        )

    def _fragment(self, kind: Any, spot: Spot, seen_as: Any) -> str:
        self.under_way.append(set())
        place: Place = {}
        really = spot.really if is_abstract_type(seen_as) else seen_as
        body = self.selections(kind, Spot(place, spot.depth, spot.rows, really))
        name = f"F{len(self.fragments)}"
        spreads = frozenset(self.under_way.pop())
        self.fragments[name] = Fragment(kind, body, place, _depth_of(place), max(spot.rows, 20), spreads)
        return name

    # --- arguments and directives

    def _arguments(self, kind: Any, name: str, spot: Spot) -> str:
        definitions = self._fields(kind)[name].args
        if not definitions:
            return ""
        returned: Any = get_named_type(self._fields(kind)[name].type)
        owner = returned.name
        if "edges" in self._fields(returned):
            owner = get_named_type(returned.fields["nodes"].type).name
        meant = None
        if is_abstract_type(returned):
            meant = self.chance.choice([each for each in self._types_of(returned) if self.pool.ids.get(each.name)])
            owner = meant.name
        given = self._page(definitions, owner, spot) if "first" in definitions else {}
        sizes = [given[each] for each in ("first", "last") if isinstance(given.get(each), int)]
        for each, definition in definitions.items():
            if each in given or each in PAGES:
                continue
            if each == "search":
                given[each] = self.values.words(owner) if self.chance.random() < 0.12 else ABSENT
            elif not is_required_argument(definition) and self.chance.random() < self.taste.left_out:
                given[each] = ABSENT
            elif not is_required_argument(definition) and self.chance.random() < self.taste.null:
                given[each] = None
            else:
                given[each] = self.values.of(definition.type, owner, each)
        said = self.values.arguments(definitions, given)
        if meant is not None:
            self.meant[kind.name, name, said] = meant
        if "first" in definitions:
            self.sizes[kind.name, name, said] = min([*sizes, limits.DEFAULT_SLICE])
        return said

    def _page(self, definitions: Mapping[str, Any], owner: str, spot: Spot) -> dict[str, Any]:
        """Which part of a list: from the start, from a cursor, from the end; sometimes what cannot be."""
        room = _MOST_ROWS // max(1, spot.rows)
        size = self.chance.choice([each for each in (0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 12, 50) if each <= max(room, 1)])
        given: dict[str, Any] = {}
        sort = self._sort(definitions, owner, given)
        cursor = self._cursor(owner, sort)
        backward = "last" in definitions and self.chance.random() < 0.3
        if self.chance.random() < self.taste.wrong:
            return given | self._wrong_page(definitions, owner)
        here = self.chance.random() < 0.3
        if backward:
            # Without a size a page has fifty rows.
            given["last"] = (
                ABSENT if here and cursor is not None and room >= 50 and self.chance.random() < 0.3 else size
            )
            given["before"] = cursor if here else ABSENT
        else:
            given["first"] = ABSENT if room >= 50 and spot.depth < 2 and self.chance.random() < 0.1 else size
            if "after" in definitions:
                given["after"] = cursor if here else ABSENT
        return {
            name: None if value is ABSENT and self.chance.random() < 0.03 else value for name, value in given.items()
        }

    def _sort(self, definitions: Mapping[str, Any], owner: str, given: dict[str, Any]) -> str:
        if "sort" not in definitions:
            return ""
        sort = self.chance.choice(["", *self.pool.sorts(owner)]) if self.chance.random() < 0.6 else ""
        names = [Name(each) for each in sort.split(",") if each]
        given["sort"] = names if names else self.chance.choice((ABSENT, ABSENT, None, []))
        return sort

    def _cursor(self, owner: str, sort: str) -> str | None:
        known = self.pool.cursors.get((owner, sort))
        return self.chance.choice(known) if known else None

    def _wrong_page(self, definitions: Mapping[str, Any], owner: str) -> dict[str, Any]:
        others = [cursor for (kind, _), found in self.pool.cursors.items() if kind != owner for cursor in found[:2]]
        known = [cursor for (kind, _), found in self.pool.cursors.items() if kind == owner for cursor in found[:2]]
        wrong: list[dict[str, Any]] = [
            {"first": -1},
            {"first": 251},
            {"first": 2, "after": "nonsense"},
            {"first": 2, "after": ""},
            {"first": 2, "after": self.chance.choice(others)},
            {"first": 2, "after": self.chance.choice([*known, "W10"])},  # of another sort, perhaps
            {"last": -3},
            {"last": 1_000},
            {"first": 1, "last": 1},
            {"first": 1, "before": self.chance.choice([*known, "W10"])},
            {"last": 1, "after": self.chance.choice([*known, "W10"])},
            {"first": 0, "after": "bm9uc2Vuc2U"},
        ]
        if "sort" in definitions and (sorts := [each for each in self.pool.sorts(owner) if each]):
            twice = Name(self.chance.choice(sorts).split(",")[0])
            wrong.append({"sort": [twice, twice]})
        return self.chance.choice([each for each in wrong if set(each) <= set(definitions)])

    def _directives(self) -> str:
        if self.directives <= 0 or self.chance.random() > 0.07:
            return ""
        self.directives -= 2
        which = self.chance.choice(("@include", "@include", "@skip"))
        kept = self.chance.random() < 0.75
        said = f" {which}(if: {self.values.condition(kept == (which == '@include'))})"
        if self.chance.random() < 0.15:
            other = "@skip" if which == "@include" else "@include"
            kept = self.chance.random() < 0.75
            said += f" {other}(if: {self.values.condition(kept == (other == '@include'))})"
        return said

    # --- the whole

    def used_fragments(self) -> list[str]:
        """The definitions of the fragments that the operation spreads, directly or through others."""
        found: set[str] = set()
        waiting = list(self.under_way[0])
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self.fragments[name].spreads)
        return [
            f"fragment {name} on {each.kind.name} {each.body}" for name, each in self.fragments.items() if name in found
        ]


def document(built: Built, pool: Pool, seed: int, taste: Taste | None = None) -> Document:
    """The random query of this seed: valid, within the limits, and small enough to be run by the thousand."""
    for attempt in range(_TRIES):
        chance = random.Random(f"{seed}/{attempt}")
        made = _query(built, pool, chance, seed, taste or Taste())
        if _is_modest(built, made) or (attempt == 0 and chance.random() < 0.02):
            return made
    raise AssertionError(f"seed {seed} makes no document within the limits")


def _query(built: Built, pool: Pool, chance: random.Random, seed: int, taste: Taste) -> Document:
    writer = Writer(built.core, pool, chance, taste, fields=chance.choice((4, 8, 14, 20, 26, 34, 44, 60)))
    body = writer.selections(built.core.query_type, Spot({}))
    return assemble(writer.values, chance, seed, "query", body, writer.used_fragments())


def assemble(
    values: Values, chance: random.Random, seed: int, operation: str, body: str, fragments: list[str]
) -> Document:
    """The request: operation and fragments in any order, with the variables that they use."""
    text = " ".join([body, *fragments])
    used = {name: each for name, each in values.variables.items() if re.search(rf"\${name}\b", text)}
    defined = [f"${name}: {each.kind}{f' = {each.default}' if each.default else ''}" for name, each in used.items()]
    name = chance.choice(("", "", "Q", "Query", "id"))
    others = ["query Other { __typename }"] if name and chance.random() < 0.1 else []
    shorthand = operation == "query" and not name and not defined and chance.random() < 0.5
    head = "" if shorthand else f"{operation} {name}{f'({chr(44).join(defined)})' if defined else ''} "
    parts = [head + body, *fragments, *others]
    chance.shuffle(parts)
    given = {name: each.value for name, each in used.items() if each.value is not ABSENT}
    if given and chance.random() < values.taste.wrong:
        _spoil(given, chance)
    extensions = {"cost": True} if chance.random() < 0.1 else {}
    return Document(
        seed, "\n".join(parts), given, name or None if others or chance.random() < 0.3 else None, extensions
    )


def _spoil(given: dict[str, Any], chance: random.Random) -> None:
    """One variable is not what it should be."""
    name = chance.choice(sorted(given))
    wrong = chance.choice((None, {"no": "thing"}, [["x"]], "\x00", 2**40, True, "nonsense"))
    if chance.random() < 0.3 or (wrong is None and isinstance(given[name], bool)):
        del given[name]  # a directive that is given null is graphql-core's own matter
    else:
        given[name] = wrong


def _is_modest(built: Built, made: Document) -> bool:
    """Whether the limits let the document pass."""
    try:
        parsed = parse(made.query)
        limits.check_document(parsed)
    except GraphQLError:
        return False
    operation = get_operation_ast(parsed, made.operation_name)
    assert operation is not None, made.query
    return limits.cost_of(built.core, built.costs, parsed, operation, made.variables) <= limits.COST


def _depth_of(place: Place) -> int:
    return 1 + max((_depth_of(slot.below) for slot in place.values() if slot.below), default=0)
