"""What other systems call our rows: one table for every noun, unique per noun and system."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel import bulk
from domain.kernel.constraints import explain
from domain.kernel.database import raw
from domain.kernel.errors import Invalid
from domain.kernel.ids import ID
from domain.kernel.rows import Row
from domain.kernel.work import AsyncConnection, Work


@dataclass(frozen=True)
class ExternalId:
    """What another system calls this."""

    system: str
    """The other system, such as "shopify" or "amazon.de"; at most 64 characters."""
    id: str
    """Its id there; at most 255 characters."""


class ExternalReference(Row):
    """One name that one system has for one of our rows."""

    __tablename__ = "external_references"
    __table_args__ = (
        PrimaryKeyConstraint("noun", "system", "external_id"),
        Index(None, "row", "system"),
        CheckConstraint("char_length(system) BETWEEN 1 AND 64", name="system_filled"),
        CheckConstraint("char_length(external_id) BETWEEN 1 AND 255", name="external_id_filled"),
    )

    noun: Mapped[str] = mapped_column(Text(collation="C"))
    """The prefix of the row's id: ids of different nouns may be equal in the other system."""
    system: Mapped[str] = mapped_column(Text(collation="C"))
    external_id: Mapped[str] = mapped_column(Text(collation="C"))
    row: Mapped[str] = mapped_column(Text(collation="C"))


explain("pk_external_references", "This external id is taken: {value}.", path=("input", "externalId"))
explain(
    "ck_external_references_system_filled",
    "The system's name has 1 to 64 characters.",
    path=("input", "externalId", "system"),
)
explain(
    "ck_external_references_external_id_filled",
    "An external id has 1 to 255 characters.",
    path=("input", "externalId", "id"),
)


async def link(work: Work, references: Iterable[tuple[ID, ExternalId]]) -> None:
    """Record what another system calls our rows. Refused with Invalid when a name is taken."""
    rows = []
    for row, external in references:
        check(external)
        rows.append({"noun": row.partition("_")[0], "system": external.system, "external_id": external.id, "row": row})
    rows.sort(key=lambda row: (row["noun"], row["system"], row["external_id"]))  # two acts meet at the first they share
    await bulk.insert_later(work, ExternalReference, rows)


def check(external: ExternalId, path: Sequence[str | int] = ("externalId",)) -> ExternalId:
    """Refuse what cannot name anything, with the path of the offending part."""
    for name, value, longest in (("system", external.system, 64), ("id", external.id, 255)):
        if not 1 <= len(value) <= longest or "\x00" in value:
            raise Invalid(f"Give 1 to {longest} characters.", path=(*path, name))
    return external


async def find(connection: AsyncConnection, noun: str, system: str, ids: Sequence[str]) -> dict[str, ID]:
    """Our ids by the other system's, for one noun (its prefix) and one system; unknown ones are left out."""
    driver = await raw(connection)
    records = await driver.fetch(
        "SELECT external_id, row FROM external_references WHERE noun = $1 AND system = $2 AND external_id = ANY($3)",
        noun,
        system,
        list(ids),
    )
    return {record["external_id"]: ID(record["row"]) for record in records}
