"""The places within a location: a tree of zones, aisles, bays, shelves and bins."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.kernel import bulk, words
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.ids import ID, new_id
from domain.kernel.work import Work
from domain.stock.events import BinCreated
from domain.stock.operations import inputs
from domain.stock.operations.inputs import Path
from domain.stock.tables import Bin, BinKind

MOST_BINS = 10_000
"""Bins that one act names."""
DEEPEST = 8
"""Codes that a path has at most."""
LONGEST_PATH = 255
_CODE = re.compile(r"[^/\s]{1,32}")


@dataclass(frozen=True)
class NewBin:
    """A place within a location."""

    path: str
    """The codes from the largest place down to it, such as `A/12/03`. Each code has 1 to 32 characters without blanks;
    a path has at most 8 codes. The larger places along it are made where they are missing."""
    kind: BinKind | None = None
    """What sort of place it is; by its depth when left out: a zone, an aisle, a bay, a shelf, then bins."""


@dataclass(frozen=True)
class NewBins:
    """Places to make within one location."""

    location_id: ID
    """Where."""
    bins: list[NewBin]
    """The places, each once; at most 10,000."""


@dataclass(frozen=True)
class BinPath:
    """A bin by where it is."""

    location_id: ID
    """The location it is in."""
    path: str
    """Its path, such as `A/12/03`; without regard to case."""


async def create_bins(work: Work, new: NewBins) -> list[ID]:
    """The bins exist from now on, and the larger places along their paths. Returns the bins named, in their order.

    Refused with NotFound for the location, and with Invalid for a path that is no path, is named twice or is taken.
    """
    there: Path = ("input", "bins")
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    if not new.bins:
        raise Invalid("Name at least one bin.", path=there)
    if len(new.bins) > MOST_BINS:
        raise Invalid(f"At most {MOST_BINS:,} bins in one act.", path=there)
    codes = _codes(new.bins, path=there)
    # Who makes bins at one location waits for whoever does: both may make the same larger place.
    await work.raw.execute("SELECT FROM locations WHERE id = $1 FOR NO KEY UPDATE", location[4:])
    tree = _Tree(location, await _present(work, location, codes))
    refusals: list[Refusal] = []
    made: list[ID] = []
    for n, (each, along) in enumerate(zip(new.bins, codes, strict=True)):
        row = tree.make(work, along, each.kind)
        if row is None:
            sentence = f"There is a bin of this path at the location already: {'/'.join(along)}."
            refusals.append(Invalid(sentence, path=(*there, n, "path")))
        else:
            made.append(row)
    Refusals.raise_if_any(refusals)
    await bulk.insert(work, Bin, tree.fresh)
    work.announce(*(BinCreated(row["id"], location=location) for row in tree.fresh))
    return made


def _codes(bins: Sequence[NewBin], *, path: Path) -> list[list[str]]:
    """The codes of each path. Refused with one Invalid for each that is no path, or was named before."""
    found: list[list[str]] = []
    seen: set[str] = set()
    refusals: list[Refusal] = []
    for n, each in enumerate(bins):
        along = words.line(each.path, path=(*path, n, "path"), longest=LONGEST_PATH).split("/")
        whole = "/".join(along)
        if not all(_CODE.fullmatch(code) for code in along):
            sentence = "A path is made of codes of 1 to 32 characters without blanks, such as A/12/03."
            refusals.append(Invalid(sentence, path=(*path, n, "path")))
        elif len(along) > DEEPEST:
            refusals.append(Invalid(f"A path has at most {DEEPEST} codes.", path=(*path, n, "path")))
        elif whole.lower() in seen:
            refusals.append(Invalid("This path is named twice: say it once.", path=(*path, n, "path")))
        seen.add(whole.lower())
        found.append(along)
    Refusals.raise_if_any(refusals)
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """A bin that is there, or will be."""

    id: ID
    path: str


class _Tree:
    """The bins of a location along some paths, by their paths in small letters."""

    def __init__(self, location: ID, present: Mapping[str, _Known]) -> None:
        self._location = location
        self._known = dict(present)
        self._implied: dict[str, dict[str, Any]] = {}
        """Rows of larger places that no line has named so far."""
        self.fresh: list[dict[str, Any]] = []

    def make(self, work: Work, along: Sequence[str], kind: BinKind | None) -> ID | None:
        """The row of a bin, with those of the larger places along its path; None where it is there already."""
        key = "/".join(along).lower()
        if (row := self._implied.pop(key, None)) is not None:  # an earlier line has needed it on its way
            row["kind"] = kind or row["kind"]
            return row["id"]
        if key in self._known:
            return None
        for depth in range(1, len(along)):
            larger = "/".join(along[:depth]).lower()
            if larger not in self._known:
                self._implied[larger] = self._add(work, along[:depth], None)
        return self._add(work, along, kind)["id"]

    def _add(self, work: Work, along: Sequence[str], kind: BinKind | None) -> dict[str, Any]:
        parent = self._known["/".join(along[:-1]).lower()] if len(along) > 1 else None
        row: dict[str, Any] = {
            "id": new_id("bin"),
            "location_id": self._location,
            "parent_id": parent and parent.id,
            "kind": kind or list(BinKind)[min(len(along), len(BinKind)) - 1],
            "code": along[-1],
            # The larger places keep the case they have.
            "path": f"{parent.path}/{along[-1]}" if parent else along[-1],
            "created_at": work.now,
        }
        self.fresh.append(row)
        self._known["/".join(along).lower()] = _Known(row["id"], row["path"])
        return row


_PRESENT = """
SELECT bins.id, bins.path, named.path AS asked FROM unnest($2::text[]) AS named(path)
JOIN bins ON bins.location_id = $1 AND bins.path_folded = lower(named.path)
"""


async def _present(work: Work, location: ID, codes: Sequence[Sequence[str]]) -> dict[str, _Known]:
    """The bins that are there already: of the paths, and along them."""
    wanted = sorted({"/".join(along[:depth]).lower() for along in codes for depth in range(1, len(along) + 1)})
    records = await work.raw.fetch(_PRESENT, location[4:], wanted)
    return {record["asked"]: _Known(ID("bin_" + record["id"]), record["path"]) for record in records}
