"""Lots that must not be sold any more: recalled, or past their last day."""

from decimal import Decimal

from domain import ledger
from domain.kernel import words
from domain.kernel.errors import NotAllowedNow, NotFound, Overtaken
from domain.kernel.ids import ID, is_id
from domain.kernel.money import format_quantity
from domain.kernel.work import Work
from domain.stock.contents import Content, Lying, contents_of
from domain.stock.events import LotRecalled
from domain.stock.locked import Level, Levels
from domain.stock.operations.steps import Step, set_aside
from domain.stock.tables import Place, UnavailableState

SWEPT_AT_ONCE = 500
"""Contents of bins and lots that one sweep of expired lots looks at, at most."""
RECALL, EXPIRY = "RECALL", "EXPIRY"
"""Why movements of these acts were made."""

_LOCK = "SELECT variant_id, recalled_at FROM lots WHERE id = $1 FOR NO KEY UPDATE"
_RECALL = "UPDATE lots SET recalled_at = $2, recall_reason = $3, version = version + 1 WHERE id = $1"
_FOR_SALE = """
SELECT DISTINCT variant_id, location_id FROM stock_contents WHERE lot_id = $1 AND live AND state IS NULL
"""


async def recall_lot(work: Work, lot_id: str, reason: str) -> ID:
    """Nothing of the lot can be sold any more: what could be, at any location, is on hold from now on. Returns its id.

    Promises give way as for a loss where what is left does not suffice for them. Refused with NotFound, with Invalid
    for the reason, and with NotAllowedNow when it was recalled already.
    """
    said = words.line(reason, path=("reason",))
    record = await work.raw.fetchrow(_LOCK, lot_id[4:]) if is_id(lot_id, "lot") else None
    if record is None:
        raise NotFound("There is no such lot.", path=("id",))
    if record["recalled_at"] is not None:
        raise NotAllowedNow("This lot was recalled already.", path=("id",))
    lot = ID(lot_id)
    await work.raw.execute(_RECALL, lot[4:], work.now, said)
    levels = await Levels.lock(work, await _places(work, lot))
    if not set(await _places(work, lot)) <= set(levels.by_place):
        # Some of it came to another place meanwhile. Its level cannot be locked now without breaking the order of
        # locks, so the act begins anew, as after a deadlock.
        raise Overtaken("a lot came to be at another place meanwhile")
    lying = await contents_of(work, list(levels))
    steps = [
        _aside(level, each, UnavailableState.ON_HOLD, RECALL)
        for level in levels
        for each in lying[level.place]
        if each.content.lot_id == lot and each.content.state is None
    ]
    await set_aside(work, levels, steps)
    quantity = sum((step.quantity for step in steps), Decimal(0))
    work.announce(LotRecalled(lot, variant=ID("var_" + record["variant_id"]), quantity=format_quantity(quantity)))
    return lot


async def _places(work: Work, lot: ID) -> list[Place]:
    """Where some of the lot could be sold."""
    records = await work.raw.fetch(_FOR_SALE, lot[4:])
    return [(ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])) for record in records]


_EXPIRED = """
SELECT content.variant_id, content.location_id FROM lots
JOIN stock_contents AS content ON content.lot_id = lots.id AND content.live AND content.state IS NULL
JOIN locations AS location ON location.id = content.location_id AND location.kind <> 'TRANSIT'
WHERE lots.expires_on < $1 ORDER BY lots.expires_on, lots.id LIMIT $2
"""


async def expire_lots(work: Work) -> int:
    """What is past its last day by the business's own date is in the state EXPIRED, at most SWEPT_AT_ONCE contents.
    What is on the road waits until it has arrived. Promises give way as for a loss. Returns how many were looked at.
    """
    today = (await ledger.books(work)).today
    found = await work.raw.fetch(_EXPIRED, today, SWEPT_AT_ONCE)
    if not found:
        return 0
    places = {(ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])) for record in found}
    levels = await Levels.lock(work, places)
    lying = await contents_of(work, list(levels))
    steps = [
        _aside(level, each, UnavailableState.EXPIRED, EXPIRY)
        for level in levels
        for each in lying[level.place]
        if each.content.state is None and each.expires_on is not None and each.expires_on < today
    ]
    await set_aside(work, levels, steps)
    return len(found)


def _aside(level: Level, lying: Lying, state: UnavailableState, reason: str) -> Step:
    """All that lies so comes into a state."""
    content = lying.content
    target = Content(content.bin_id, content.lot_id, state)
    return Step(level, lying.quantity, content, target, reason, document=content.lot_id)
