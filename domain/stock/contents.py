"""What lies where at a place: in which bin, of which lot, in which state; and what is taken first.

What lies in no bin, belongs to no lot and may be sold is *loose*: it has no row of its own, and is what is on hand less
all contents. Most stock is loose, and then nothing is read here at all.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock.costs import Draw, proportion
from domain.stock.tables import Place, UnavailableState

if TYPE_CHECKING:
    from domain.stock.locked import Level


@dataclass(frozen=True, slots=True)
class Content:
    """A bin, a lot and a state, each where there is one."""

    bin_id: ID | None = None
    lot_id: ID | None = None
    state: UnavailableState | None = None


LOOSE = Content()
"""In no bin, of no lot, to be sold."""


@dataclass(slots=True)
class Lying:
    """How much lies so."""

    content: Content
    quantity: Decimal
    expires_on: date | None = None
    path: str = ""
    """The path of its bin."""
    recalled: bool = False
    """Whether its lot was recalled."""

    def may_be_sold(self, today: date) -> bool:
        """Whether it might be sold on this day but for its state: neither recalled nor past its last day."""
        return not self.recalled and (self.expires_on is None or self.expires_on >= today)


@dataclass(frozen=True, slots=True)
class Pick:
    """How much is taken from where."""

    content: Content
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """What is taken of one layer from one content: a quantity and its value, both positive."""

    layer_id: ID
    content: Content
    quantity: Decimal
    value: Decimal


_LIVE = """
SELECT content.variant_id, content.location_id, content.bin_id, content.lot_id, content.state, content.quantity,
  lots.expires_on, bins.path, lots.recalled_at
FROM stock_contents AS content
LEFT JOIN lots ON lots.id = content.lot_id LEFT JOIN bins ON bins.id = content.bin_id
WHERE content.level_id = ANY($1) AND content.live
"""


async def contents_of(work: Work, levels: Collection["Level"]) -> dict[Place, list[Lying]]:
    """What lies at levels that are locked, what is loose included, in the order in which it is taken: what may be sold
    before what may not, what expires first before what expires later or never, loose goods before those in bins.
    """
    levels = {level.place: level for level in levels}.values()  # each once, however often it was named
    found: dict[Place, list[Lying]] = {level.place: [] for level in levels}
    placed = [level.id[4:] for level in levels if level.placed]
    for record in await work.raw.fetch(_LIVE, placed) if placed else []:
        content = Content(
            None if record["bin_id"] is None else ID("bin_" + record["bin_id"]),
            None if record["lot_id"] is None else ID("lot_" + record["lot_id"]),
            None if record["state"] is None else UnavailableState(record["state"]),
        )
        place = ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])
        recalled = record["recalled_at"] is not None
        found[place].append(Lying(content, record["quantity"], record["expires_on"], record["path"] or "", recalled))
    for level in levels:
        if level.on_hand > level.placed:
            found[level.place].append(Lying(LOOSE, level.on_hand - level.placed))
        found[level.place].sort(key=_first_expired_first_out)
    return found


def _first_expired_first_out(lying: Lying) -> tuple[bool, date, bool, str, str, str]:
    content = lying.content
    return (
        content.state is not None,
        lying.expires_on or date.max,
        content != LOOSE,
        lying.path,
        content.lot_id or "",
        content.state or "",
    )


def pick(lying: Sequence[Lying], quantity: Decimal) -> list[Pick]:
    """Take a quantity from what lies there, in the order given, and lower it. Takes less where there is less."""
    picks: list[Pick] = []
    for each in lying:
        part = min(each.quantity, quantity)
        if part > 0:
            each.quantity -= part
            quantity -= part
            picks.append(Pick(each.content, part))
    return picks


def matching(lying: Sequence[Lying], wanted: Content) -> list[Lying]:
    """What of it lies in the bin, belongs to the lot and is in the state named, as far as they are named."""
    return [
        each
        for each in lying
        if wanted.bin_id in (None, each.content.bin_id)
        and wanted.lot_id in (None, each.content.lot_id)
        and wanted.state in (None, each.content.state)
    ]


def lying_exactly(lying: Sequence[Lying], wanted: Content) -> list[Lying]:
    """What of it lies in that very bin and belongs to that very lot, or to none where none is named; in any state."""
    return [each for each in lying if (each.content.bin_id, each.content.lot_id) == (wanted.bin_id, wanted.lot_id)]


def for_sale(lying: Sequence[Lying], today: date) -> list[Lying]:
    """What of it may leave for a customer: nothing in a state, nothing past its date and nothing recalled."""
    return [each for each in lying if not each.content.state and each.may_be_sold(today)]


def parts(draws: Sequence[Draw], picks: Sequence[Pick], digits: int) -> list[Part]:
    """What was drawn from layers and what was picked from contents are the same goods: cut both at each other's edges.

    A draw's value is shared by its parts as a running sum, so that they sum to it.
    """
    found: list[Part] = []
    picked = iter(picks)
    content, left = LOOSE, Decimal(0)
    for draw in draws:
        taken, spent = Decimal(0), Decimal(0)
        while taken < draw.quantity:
            if not left:
                content, left = _next(picked)
            part = min(left, draw.quantity - taken)
            taken, left = taken + part, left - part
            value = proportion(draw.value, taken, draw.quantity, digits) - spent
            spent += value
            found.append(Part(draw.layer_id, content, part, value))
    return found


def _next(picked: Iterator[Pick]) -> tuple[Content, Decimal]:
    each = next(picked, None)
    if each is None:
        raise AssertionError("less was picked than was drawn: contents and layers of a place differ")
    return each.content, each.quantity


Contents = Mapping[Place, list[Lying]]
"""What lies at places."""
