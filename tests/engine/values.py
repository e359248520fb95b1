"""Random values of input types, and how they are written: as literals, as variables, and partly so."""

import json
import random
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLNonNull,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
)

from tests.engine.pool import Pool

ABSENT: Any = object()
"""An argument that is left out."""

_WORDS = ("thing", "SKU", "house", "a", "e", "blue M", "ridge tent", "", "  mug ", "x' OR 1=1", "\\", "🦆", "%", "ß")
"""What people search for, and what programs should not choke on."""
_MALFORMED = (12, "", "prd_", "prd_" + "0" * 32, "var_" + "G" * 32, "ord_0192f3a1", "🦆", 'a"b', "zzz_" + "1" * 32)
_REFERS = {
    "variant": "ProductVariant",
    "location": "Location",
    "channel": "SalesChannel",
    "customer": "Customer",
    "account": "Account",
    "order": "Order",
    "reservation": "StockReservation",
    "incoming": "IncomingStock",
    "lot": "Lot",
    "fromLot": "Lot",
}
"""What an argument or a filter of ids means, by the word in front of `Id` and `Ids`."""
_NUMBERS: dict[str, tuple[Any, ...]] = {
    "Int": (0, 1, 2, 3, 5),
    "Quantity": (1, 1, 2, 3, "1", "0.5", "2.250", 1.5, 0, -1, 100_000),
    "Decimal": ("10.00", "4.10", "0", "7", 12, "0.125", "-3"),
    "Rate": ("1.10", "0.00006134", "0", "7", 12, "0.0000000001", "-3"),
    "CurrencyCode": ("USD", "USD", "EUR", "JPY"),
    "CountryCode": ("DE", "US", "NL"),
}
_OTHER_PLACES = {("Product", "sku"): ("ProductVariant", "sku")}
"""Filters on what is not the listed row's own."""


class Name(str):
    """A member of an enum: a name in a literal, a string among the variables."""

    __slots__ = ()


@dataclass(frozen=True)
class Taste:
    """How often what happens."""

    variable: float = 0.25
    """An argument, or a part of one, is a variable."""
    null: float = 0.06
    """What may be null is null, or a variable that is."""
    left_out: float = 0.55
    """What need not be given is not given."""
    wrong: float = 0.03
    """A page or a variable is asked for that nobody can give: an error of this field, or of the whole request."""
    strange: float = 0.12
    """An id is of another kind, malformed or unknown; a text is nobody's."""


@dataclass
class Variable:
    """A variable of the operation. `value` is ABSENT where the caller leaves it out."""

    kind: str
    default: str | None
    value: Any


@dataclass
class Values:
    """Values for one document, and the variables that they are said with."""

    chance: random.Random
    pool: Pool
    taste: Taste
    variables: dict[str, Variable] = field(default_factory=dict)

    def happens(self, share: float) -> bool:
        """Whether what happens with this share happens now."""
        return self.chance.random() < share

    # --- what

    def of(self, kind: Any, owner: str, name: str, depth: int = 0) -> Any:
        """A value of an input type, for the argument or field of this name; `owner` is the type that it is about."""
        if not is_non_null_type(kind) and depth and self.happens(self.taste.null):
            return None
        inner: Any = get_nullable_type(kind)
        if is_list_type(inner):
            most = 5 if depth == 0 else 3 if depth < 3 else 1
            return [self.of(inner.of_type, owner, name, depth + 1) for _ in range(self.chance.randint(0, most))]
        if is_enum_type(inner):
            return Name(self.chance.choice(sorted(inner.values)))
        if is_input_object_type(inner):
            return self._object(inner, owner, name, depth)
        return self._scalar(inner.name, owner, name)

    def _object(self, kind: Any, owner: str, name: str, depth: int) -> dict[str, Any]:
        if is_one_of(kind):
            key = self.chance.choice(sorted(kind.fields))
            return {key: self.of(GraphQLNonNull(kind.fields[key].type), owner, key, depth + 1)}
        if kind.name == "ExternalIdInput":
            known = self.pool.external[owner]
            system, outside = ("nowhere", "1") if not known or self.happens(0.2) else self.chance.choice(known)
            return {"system": system, "id": outside}
        optional = [each for each in kind.fields if not is_non_null_type(kind.fields[each].type)]
        chosen = self.chance.sample(optional, min(len(optional), self.chance.choice((0, 1, 1, 1, 2, 2))))
        if depth > 2 and "any" in chosen:
            chosen.remove("any")
        # The operators of a filter are about the field that it narrows.
        inner = name if kind.name.endswith("Filter") and kind.name != f"{owner}Filter" else None
        return {
            each: self.of(kind.fields[each].type, owner, inner or each, depth + 1)
            for each in kind.fields
            if each in chosen or each not in optional
        }

    def _scalar(self, kind: str, owner: str, name: str) -> Any:
        if kind == "ID":
            return self.id(owner, name)
        if kind in _NUMBERS:
            return self.chance.choice(_NUMBERS[kind])
        if kind == "Boolean":
            return self.happens(0.5)
        if kind == "Date":
            return self.chance.choice([*self.pool.days, "1999-12-31", "2031-02-28"])
        if kind == "DateTime":
            return self._instant(owner)
        return self.text(owner, name)

    def id(self, owner: str, name: str) -> str | int:
        """An id: mostly of the kind that the name says, of a row that is there."""
        word = name.removesuffix("Ids").removesuffix("Id")
        kind = owner if name in ("id", "ids") else _REFERS.get(word, "")
        if self.happens(self.taste.strange):
            return self.chance.choice(_MALFORMED)
        if not self.pool.ids.get(kind) or self.happens(0.08):
            kind = self.chance.choice(sorted(each for each in self.pool.ids if self.pool.ids[each]))
        return self.chance.choice(self.pool.ids[kind])

    def text(self, owner: str, name: str) -> str:
        """A text: mostly one that a row has there, whole, in other letters or cut short."""
        known = self.pool.texts.get(_OTHER_PLACES.get((owner, name), (owner, name)))
        if not known or self.happens(self.taste.strange):
            return self.chance.choice(_WORDS)
        chosen = self.chance.choice(known)
        return self.chance.choice((chosen, chosen, chosen[:3], chosen.upper(), chosen.lower()))

    def words(self, owner: str) -> str:
        """What somebody types into a search box."""
        known = [each for (kind, _), each in self.pool.texts.items() if kind == owner and each]
        if not known or self.happens(0.3):
            return self.chance.choice((*_WORDS, "w " * 20)) if self.happens(0.9) else "long " * 60
        parts = self.chance.choice(self.chance.choice(known)).split() or [""]
        return " ".join(part[: self.chance.randint(1, 8)] for part in parts[:2])

    def _instant(self, owner: str) -> str:
        known = self.pool.instants.get(owner)
        if not known or self.happens(0.2):
            return self.chance.choice(
                ("2020-01-01T00:00:00Z", "2099-12-31T23:59:59.999999+14:00", "2026-07-01t00:00:00-08:00")
            )
        return self.chance.choice(known)

    # --- how

    def arguments(self, definitions: Mapping[str, Any], given: Mapping[str, Any]) -> str:
        """The arguments as they are written behind a field's name, parentheses included; empty for none."""
        said = []
        for name, value in given.items():
            definition = definitions[name]
            if value is ABSENT:
                if self.happens(0.05) and not is_required_argument(definition):  # a variable that nobody sets
                    said.append(f"{name}: {self._declare(str(get_nullable_type(definition.type)), None, ABSENT)}")
                continue
            said.append(f"{name}: {self.write(definition.type, value)}")
        self.chance.shuffle(said)
        return f"({', '.join(said)})" if said else ""

    def write(self, kind: Any, value: Any, *, nested: bool = False, one_of: bool = False) -> str:
        """A value as it stands in the document."""
        if self.happens(self.taste.variable * (0.5 if nested else 1)):
            return self.variable(kind, value, one_of=one_of)
        return self._literal(kind, value)

    def variable(self, kind: Any, value: Any, *, one_of: bool = False) -> str:
        """A variable that has this value: because it is given, or by default."""
        inner = str(get_nullable_type(kind))
        required = is_non_null_type(kind) or one_of
        if value is None:
            return self._declare(inner, None, None)
        for name, known in self.variables.items():
            if known.kind == f"{inner}!" and known.value == value and type(known.value) is type(value):
                return f"${name}"
        plain = _plain(value)
        if isinstance(plain, list) and len(plain) == 1 and plain[0] is not None and self.happens(0.3):
            plain = plain[0]  # one is as good as a list of one
        default = literal(get_nullable_type(kind), value, self.chance) if self.happens(0.3) and not one_of else None
        if default is None:
            return self._declare(f"{inner}!" if required or self.happens(0.4) else inner, None, plain)
        # With a default that is no null a variable may stand where null may not, whatever its own type says.
        return self._declare(inner + "!" * self.happens(0.3), default, ABSENT if self.happens(0.5) else plain)

    def condition(self, wanted: bool) -> str:
        """A Boolean of a directive."""
        if self.happens(0.5):
            return "true" if wanted else "false"
        for name, known in self.variables.items():
            if known.kind == "Boolean!" and known.value is wanted:
                return f"${name}"
        if self.happens(0.3):
            return self._declare("Boolean", "true" if wanted else "false", ABSENT)
        return self._declare("Boolean!", None, wanted)

    def _declare(self, kind: str, default: str | None, value: Any) -> str:
        name = f"{self.chance.choice(string.ascii_lowercase)}{len(self.variables)}"
        self.variables[name] = Variable(kind, default, value)
        return f"${name}"

    def _literal(self, kind: Any, value: Any) -> str:
        inner = get_nullable_type(kind)
        if is_list_type(inner) and isinstance(value, list):
            parts = [self.write(inner.of_type, each, nested=True) for each in value]
            if len(parts) == 1 and value[0] is not None and not parts[0].startswith("$") and self.happens(0.3):
                return parts[0]  # one is as good as a list of one
            return f"[{', '.join(parts)}]"
        if is_input_object_type(inner) and isinstance(value, dict):
            fields = [
                f"{name}: {self.write(inner.fields[name].type, each, nested=True, one_of=is_one_of(inner))}"
                for name, each in value.items()
            ]
            return f"{{{', '.join(fields)}}}"
        return literal(inner, value, self.chance)


def is_one_of(kind: Any) -> bool:
    """Whether an input takes exactly one of its fields."""
    declared = kind.extensions.get("strawberry-definition")
    return kind.is_one_of or (declared is not None and declared.is_one_of)


def literal(kind: Any, value: Any, chance: random.Random) -> str:
    """A value in the syntax of GraphQL, without variables."""
    inner = get_nullable_type(kind)
    if value is None:
        return "null"
    if is_list_type(inner) and isinstance(value, list):
        return f"[{', '.join(literal(inner.of_type, each, chance) for each in value)}]"
    if is_input_object_type(inner):
        parts = (f"{name}: {literal(inner.fields[name].type, each, chance)}" for name, each in value.items())
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if get_named_type(inner).name == "String" and not set(value) & set('"\\') and value.strip() == value != "":
        return f'"""{value}"""' if chance.random() < 0.1 else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=chance.random() < 0.1 and value.isascii())


def _plain(value: Any) -> Any:
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
