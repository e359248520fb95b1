"""Goods that were made together: named when they come in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from domain.kernel import words
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.ids import ID, new_id
from domain.kernel.work import Work
from domain.stock.events import LotCreated
from domain.stock.operations.inputs import Path

LONGEST_NUMBER = 100


@dataclass(frozen=True)
class NewLot:
    """The lot of goods that come in: a new one, or one that is known already."""

    number: str
    """What is printed on the goods; unique per variant, without regard to case."""
    expires_on: date | None = None
    """The last day on which they may be sold. A lot that is known already keeps its day."""


@dataclass(frozen=True)
class LotNumber:
    """A lot by what is printed on it."""

    variant_id: ID
    """The variant."""
    number: str
    """The number printed on the goods; without regard to case."""


@dataclass(frozen=True)
class NamedLot:
    """A lot that somebody wrote down for a variant, and where."""

    variant_id: ID
    lot: NewLot
    path: Path


@dataclass(frozen=True, slots=True)
class KnownLot:
    """A lot, and the last day on which it may be sold."""

    id: ID
    expires_on: date | None


_MISSING = """
INSERT INTO lots (id, variant_id, number, expires_on, created_at)
SELECT id, variant_id, number, expires_on, $5
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::date[]) AS named(id, variant_id, number, expires_on)
ORDER BY variant_id, lower(number)
ON CONFLICT (variant_id, number_folded) DO NOTHING RETURNING id
"""
_KNOWN = """
SELECT lots.id, lots.variant_id, lots.number_folded, lots.expires_on, lots.recalled_at FROM lots
JOIN unnest($1::uuid[], $2::text[]) AS named(variant_id, number)
  ON named.variant_id = lots.variant_id AND lower(named.number) = lots.number_folded
ORDER BY lots.id FOR SHARE OF lots
"""
# Shared with everybody but whoever recalls one of them: no goods join a lot while it is recalled.


async def lots_named(work: Work, named: Sequence[NamedLot]) -> Mapping[tuple[ID, str], KnownLot]:
    """The lots that lines name, made where they are new. Returns them by variant and number in small letters.

    Refused with Invalid when a lot is known with another day, is named with two, or was recalled.
    """
    if not named:
        return {}
    distinct: dict[tuple[ID, str], NamedLot] = {}
    for each in named:
        words.line(each.lot.number, path=(*each.path, "number"), longest=LONGEST_NUMBER)
        distinct.setdefault(_key(each), each)
    rows = list(distinct.values())
    variants, numbers = [row.variant_id[4:] for row in rows], [row.lot.number.strip() for row in rows]
    days = [row.lot.expires_on for row in rows]
    made = await work.raw.fetch(_MISSING, [new_id("lot")[4:] for _ in rows], variants, numbers, days, work.now)
    known = {
        (ID("var_" + record["variant_id"]), record["number_folded"]): record
        for record in await work.raw.fetch(_KNOWN, variants, numbers)
    }
    refusals: list[Refusal] = []
    for each in named:
        record = known[_key(each)]
        if each.lot.expires_on not in (None, record["expires_on"]):
            told = record["expires_on"] or "no day"
            sentence = f"Lot {each.lot.number.strip()} is known with {told} as its last day."
            refusals.append(Invalid(sentence, path=(*each.path, "expiresOn")))
        elif record["recalled_at"] is not None:
            sentence = f"Lot {each.lot.number.strip()} was recalled: take it in under another number, or not at all."
            refusals.append(Invalid(sentence, path=(*each.path, "number")))
    Refusals.raise_if_any(refusals)
    work.announce(*(LotCreated(ID("lot_" + record["id"])) for record in made))
    return {key: KnownLot(ID("lot_" + record["id"]), record["expires_on"]) for key, record in known.items()}


def _key(each: NamedLot) -> tuple[ID, str]:
    return each.variant_id, each.lot.number.strip().lower()
