"""What is in the database, as far as arguments can name it: ids, texts, days, instants and cursors of real rows."""

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLEnumType, GraphQLSchema, get_named_type, is_leaf_type, is_object_type

Ask = Callable[[str], Awaitable[dict[str, Any]]]
"""The data that a document gets which may see everything."""

_PAIRS = 4
"""Sorts by two fields for each list; every sort by one field is there."""


@dataclass
class Pool:
    """What real rows are called. Everything is in the order in which the lists have it."""

    ids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By type."""
    texts: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """By type and field, what its strings are."""
    instants: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By type, all instants of its rows."""
    days: list[str] = field(default_factory=list)
    external: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    """By type, what other systems call its rows."""
    cursors: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """By the type listed and the sort, as the names of the enum with commas between them."""

    def sorts(self, kind: str) -> list[str]:
        """The sorts of a list that there are cursors for."""
        return [sort for name, sort in self.cursors if name == kind]


async def harvest(schema: GraphQLSchema, ask: Ask) -> Pool:
    """Read every list of the schema once, in every order."""
    pool = Pool()
    for name, kind, sort in _lists(schema):
        await _rows(pool, ask, name, kind)
        for chosen in [""] if sort is None else _orders(sort):
            arguments = f"first: 100, sort: [{chosen}]" if chosen else "first: 100"
            found = (await ask(f"{{ {name}({arguments}) {{ edges {{ cursor }} }} }}"))[name]["edges"]
            pool.cursors[kind.name, chosen] = [each["cursor"] for each in found]
    pool.days = sorted(set(pool.days))
    return pool


def _lists(schema: GraphQLSchema) -> Iterator[tuple[str, Any, GraphQLEnumType | None]]:
    """The connections that can be asked for at the top: field, listed type, its sorts."""
    assert schema.query_type is not None
    for name, each in schema.query_type.fields.items():
        connection: Any = get_named_type(each.type)
        if is_object_type(connection) and "edges" in connection.fields:
            sort: Any = get_named_type(each.args["sort"].type) if "sort" in each.args else None
            yield name, get_named_type(connection.fields["nodes"].type), sort


def _orders(sort: GraphQLEnumType) -> list[str]:
    """No sort, each one, and a few pairs of two that differ in more than the direction."""
    names = sorted(sort.values)
    chance = random.Random(sort.name)
    pairs = [f"{one},{two}" for one in names for two in names if one.rpartition("_")[0] != two.rpartition("_")[0]]
    return ["", *names, *chance.sample(pairs, min(_PAIRS, len(pairs)))]


async def _rows(pool: Pool, ask: Ask, name: str, kind: Any) -> None:
    plain = {field_name: get_named_type(each.type).name for field_name, each in kind.fields.items() if _is_plain(each)}
    references = "externalIds { system id }" if "externalIds" in kind.fields else ""
    for row in await _all(ask, name, f"{' '.join(plain)} {references}"):
        for field_name, type_name in plain.items():
            value = row[field_name]
            if value is None:
                continue
            if type_name == "DateTime":
                pool.instants[kind.name].append(value)
            elif type_name == "Date":
                pool.days.append(value)
            elif field_name == "id":
                pool.ids[kind.name].append(value)
            elif isinstance(value, str):
                pool.texts[kind.name, field_name].append(value)
        pool.external[kind.name].extend((each["system"], each["id"]) for each in row.get("externalIds", ()))


async def _all(ask: Ask, name: str, selection: str) -> list[dict[str, Any]]:
    """Every row of a list, page by page."""
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        page = f"{name}(first: 250{after}) {{ nodes {{ {selection} }} pageInfo {{ hasNextPage endCursor }} }}"
        found = (await ask(f"{{ {page} }}"))[name]
        rows += found["nodes"]
        if not found["pageInfo"]["hasNextPage"]:
            return rows
        after = f', after: "{found["pageInfo"]["endCursor"]}"'


def _is_plain(each: Any) -> bool:
    return is_leaf_type(get_named_type(each.type)) and not each.args
