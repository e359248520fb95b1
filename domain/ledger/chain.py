"""The chain of digests over the sealed journal: whatever is changed in it afterwards is found, and where.

The digest of place p is SHA-256 over the 32 bytes of the digest of place p - 1 (32 zero bytes before the first place),
followed by the canonical bytes of the entry at p. Changed, deleted and exchanged entries break it at their own place,
because every place is compared with the digest that is kept for the one before. Who recomputes all digests after a
change is found by what was announced: a sealing announces the place and digest of its last entry, in the event log and
to whoever follows it.

The canonical bytes are UTF-8 text: the fields of the entry, then the fields of its lines in the order of n, one after
the other. A field is its length in bytes in decimal digits, a colon, the field, a comma, as in `5:hello,`; a field
that is null is `-,`, an empty one `0:,`. Nothing stands between the fields, before the first or after the last.

Fields of the entry: id, number, posted_on, effective_at, recorded_at, description, currency, source, manual, kind,
period_id, reversal_of_id, act. Fields of a line: n, account_id, posted_on, currency, debit, credit, base_currency,
debit_base, credit_base. Behind them stand the fields that few have, and only where they have a value, each as two: its
name, and what it says. Of the entry that is exchange_rate; of a line channel_id, location_id, brand_id,
department_id, project_id, item_id, in this order. A name begins with a letter and the first field of a line with a
digit, so nothing can be taken for something else. What they look like:

- ids: as everywhere, a prefix such as `jen_`, `per_`, `acc_` or `act_` and 32 lower-case hexadecimal digits;
- days: `2026-01-31`;
- instants: whole microseconds since 1970-01-01T00:00:00Z, such as `1769817600000000`;
- amounts: decimal digits with a point only before a fraction, and no zeros at the end of it: `0`, `100`, `12.5`;
- whole numbers: decimal digits; `manual`: `true` or `false`; texts: as they are.

The transaction id of an entry is left out: it does not survive a restore. So are names and codes of accounts, which may
change; the account's id may not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.database import raw
from domain.kernel.errors import Invalid
from domain.kernel.invariants import invariant
from domain.ledger.events import JournalEntrySealed

START = bytes(32)
"""What stands before the first digest."""
AT_ONCE = 2_000
"""Places that one statement compares."""


def _id(column: str, prefix: str) -> str:
    return f"'{prefix}_' || replace({column}::text, '-', '')"


def _day(column: str) -> str:
    return f"to_char({column}, 'YYYY-MM-DD')"


def _instant(column: str) -> str:
    return f"(extract(epoch FROM {column}) * 1000000)::bigint::text"


def _amount(column: str) -> str:
    return f"trim_scale({column})::text"


OF_ENTRY = {
    "id": _id("entry.id", "jen"),
    "number": "entry.number::text",
    "posted_on": _day("entry.posted_on"),
    "effective_at": _instant("entry.effective_at"),
    "recorded_at": _instant("entry.recorded_at"),
    "description": "entry.description",
    "currency": "entry.currency",
    "source": "entry.source",
    "manual": "entry.manual::text",
    "kind": "entry.kind",
    "period_id": _id("entry.period_id", "per"),
    "reversal_of_id": _id("entry.reversal_of_id", "jen"),
    "act": _id("entry.act", "act"),
}
"""The fields of an entry in canonical form, in their order: in SQL."""
OF_LINE = {
    "n": "line.n::text",
    "account_id": _id("line.account_id", "acc"),
    "posted_on": _day("line.posted_on"),
    "currency": "line.currency",
    "debit": _amount("line.debit"),
    "credit": _amount("line.credit"),
    "base_currency": "line.base_currency",
    "debit_base": _amount("line.debit_base"),
    "credit_base": _amount("line.credit_base"),
}
"""The fields of a line in canonical form, in their order: in SQL."""


MORE_OF_ENTRY = {"exchange_rate": _amount("entry.exchange_rate")}
"""The fields that few entries have."""
MORE_OF_LINE = {
    "channel_id": _id("line.channel_id", "chn"),
    "location_id": _id("line.location_id", "loc"),
    "brand_id": _id("line.brand_id", "dmv"),
    "department_id": _id("line.department_id", "dmv"),
    "project_id": _id("line.project_id", "dmv"),
    "item_id": _id("line.item_id", "itm"),
}
"""The fields that few lines have."""


_WORDS = ("description", "source", "currency", "base_currency", "kind")
"""Fields that are text in the database, which may keep it in another encoding. In all others there is only ASCII."""


def _field(name: str, expression: str) -> str:
    if name in {"id", "act"} or name.endswith("_id"):
        return f"'36:' || {expression} || ','"
    said = f"convert_to({expression}, 'UTF8')" if name in _WORDS else expression
    return f"octet_length({said})::text || ':' || {expression} || ','"


def _fields(fields: Mapping[str, str], more: Mapping[str, str]) -> str:
    """The fields of a row, one after the other."""
    always = [f"coalesce({_field(name, each)}, '-,')" for name, each in fields.items()]
    sometimes = [f"coalesce('{len(name)}:{name},' || {_field(name, each)}, '')" for name, each in more.items()]
    return " || ".join([*always, *sometimes])


def canonical(entry_id: str) -> str:
    """In SQL: the canonical bytes of the entry whose id an expression gives; null where there is no such entry."""
    return f"""(
      SELECT convert_to({_fields(OF_ENTRY, MORE_OF_ENTRY)} || coalesce((
        SELECT string_agg({_fields(OF_LINE, MORE_OF_LINE)}, '' ORDER BY line.n) FROM journal_lines AS line
        WHERE line.entry_id = entry.id), ''), 'UTF8')
      FROM journal_entries AS entry WHERE entry.id = {entry_id})"""  # noqa: S608  no outside text in it


_END = f"""greatest(
  coalesce((SELECT position FROM journal_seals ORDER BY position DESC LIMIT 1), 0),
  coalesce((SELECT (data->>'position')::bigint FROM events WHERE type = '{JournalEntrySealed.type}'
    ORDER BY epoch DESC, order_key DESC, seq DESC LIMIT 1), 0))"""  # noqa: S608  no outside text in it
"""The last place there is a seal for, or was one: in SQL."""

_HEAD = "SELECT position, digest FROM journal_seals ORDER BY position DESC LIMIT 1"


def _faults(first: str, last: str) -> str:
    """In SQL: the places from one to another that are not what was sealed, and what is wrong with each."""
    return f"""
      SELECT position, problem FROM (
        SELECT position, CASE
          WHEN digest IS NULL THEN 'The seal of this place is missing.'
          WHEN before IS NULL THEN 'The place before has no seal, so that this one cannot be checked.'
          WHEN content IS NULL THEN 'The entry of this place is missing.'
          WHEN sha256(before || content) <> digest
            THEN 'Entry ' || number || ', its lines or its place are not what was sealed.'
          WHEN told <> digest THEN 'The seal of this place is not the one that was announced.'
        END AS problem
        FROM (
          SELECT place.position, seal.digest, {canonical("seal.entry_id")} AS content,
            (SELECT 'JE-' || lpad(number::text, greatest(6, length(number::text)), '0')
              FROM journal_entries WHERE id = seal.entry_id) AS number,
            CASE WHEN place.position = 1 THEN decode(repeat('00', 32), 'hex') ELSE previous.digest END AS before,
            (SELECT decode(data->>'digest', 'hex') FROM events
              WHERE subject = 'jen_' || replace(seal.entry_id::text, '-', '') AND type = '{JournalEntrySealed.type}'
              ORDER BY (data->>'digest' = encode(seal.digest, 'hex')) LIMIT 1) AS told
          FROM generate_series({first}, {last}) AS place(position)
          LEFT JOIN journal_seals AS seal ON seal.position = place.position
          LEFT JOIN journal_seals AS previous ON previous.position = place.position - 1
        ) AS compared
      ) AS checked WHERE problem IS NOT NULL ORDER BY position"""  # noqa: S608  no outside text in it


_FIRST_FAULT = f"{_faults('$1::bigint', '$2::bigint')} LIMIT 1"


@dataclass(frozen=True)
class Head:
    """The end of the chain: who keeps it elsewhere can hold all entries up to it against it."""

    position: int
    digest: str
    """64 hexadecimal digits."""


@dataclass(frozen=True)
class Fault:
    """A place in the journal that is not what was sealed."""

    position: int
    problem: str
    """What is wrong with it, in a sentence."""


@dataclass(frozen=True)
class Verification:
    """What came of holding the journal against its digests."""

    entries: int
    """How many were found to be what was sealed, up to the first that was not."""
    head: Head | None
    """The end of the whole chain; None while nothing is sealed."""
    fault: Fault | None
    """The first place at fault; None where all is well."""


async def head(connection: AsyncConnection) -> Head | None:
    """The end of the chain; None while nothing is sealed."""
    last = await (await raw(connection)).fetchrow(_HEAD)
    return Head(last["position"], last["digest"].hex()) if last else None


async def verify(connection: AsyncConnection, first: int | None = None, last: int | None = None) -> Verification:
    """Hold the places from first to last, both included, against their digests; by default all of them.

    Call it in a snapshot. It stops at the first fault, and holds one row at a time. Refused with Invalid for a first
    place before 1, or a last one before the first.
    """
    if first is not None and first < 1:
        raise Invalid("The first place in the journal is 1.", path=("from",))
    if last is not None and last < (first or 1):
        raise Invalid("The last place to check lies before the first.", path=("to",))
    driver = await raw(connection)
    start = first or 1
    end = await driver.fetchval(f"SELECT {_END}")
    end = end if last is None else min(last, end)
    for place in range(start, end + 1, AT_ONCE):
        found = await driver.fetchrow(_FIRST_FAULT, place, min(place + AT_ONCE - 1, end))
        if found is not None:
            fault = Fault(found["position"], found["problem"])
            return Verification(fault.position - start, await head(connection), fault)
    return Verification(max(end - start + 1, 0), await head(connection), None)


invariant(
    "journal is what was sealed",
    "Every sealed entry and its lines still have the digest they were sealed with, each chained to the one before.",
    _faults("1", _END),
)
