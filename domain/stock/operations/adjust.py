"""The books are brought in line with the shelf: by a difference, or to what was counted."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import partial

from domain import ledger
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.ids import ID
from domain.kernel.money import Money, Quantity, currency_digits, format_quantity
from domain.kernel.work import Work
from domain.stock import costs, postings
from domain.stock.contents import LOOSE, Content, Lying, Pick, contents_of, lying_exactly, matching, parts, pick
from domain.stock.errors import CostUnknown, InsufficientStock, StaleQuantity
from domain.stock.events import StockAdjusted
from domain.stock.locked import Level, Levels, Move
from domain.stock.operations import inputs, oversold
from domain.stock.operations.backorders import fill_backorders, give_way, lock_queues
from domain.stock.operations.corrections import Correction, correct_costs
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.losses import Loss, least_since, take_late
from domain.stock.operations.reserve import free_expired
from domain.stock.operations.shelves import Shelved, contents_named
from domain.stock.tables import LocationKind, Place, StockAdjustmentReason, StockMovementKind, UnavailableState
from domain.stock.transit import belongs_to, loads_among


@dataclass(frozen=True)
class NewAdjustmentLine:
    """By how much the stock of one variant differs from the books."""

    variant_id: ID
    """The variant."""
    delta: Quantity
    """How many more, or with a minus how many fewer, in the variant's unit; not zero."""
    unit_cost: Money | None = None
    """What one more costs, in the currency of the books; the average there, else the last cost, when left out."""
    bin_id: ID | None = None
    """The bin where it is so. What is missing is looked for everywhere when this, lot and state are left out."""
    lot_id: ID | None = None
    """The lot of which it is so; demanded for more of a variant that is kept by lots."""
    state: UnavailableState | None = None
    """The state in which it is so, such as DAMAGED."""


@dataclass(frozen=True)
class NewAdjustment:
    """Differences found at one location, for one reason."""

    location_id: ID
    """Where."""
    reason: StockAdjustmentReason
    """Why. Each reason posts to an account of its own."""
    lines: list[NewAdjustmentLine]
    """The variants, each once (or once per bin, lot and state); at most 10,000."""
    effective_at: datetime | None = None
    """When it really happened; now, when left out. Never in the future, nor before 1970, and no more can be lost than
    was on hand at any time since. What left since then is costed anew."""


@dataclass(frozen=True)
class NewCountLine:
    """What was counted of one variant."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """What is on hand, in the variant's unit."""
    expected_quantity: Quantity
    """What the caller saw on hand: refused with STALE_QUANTITY when that has changed since."""
    bin_id: ID | None = None
    """The bin that was counted. With a bin, a lot or a state, only what lies so was counted."""
    lot_id: ID | None = None
    """The lot that was counted."""
    state: UnavailableState | None = None
    """The state of what was counted."""


@dataclass(frozen=True)
class NewCount:
    """What was counted at one location."""

    location_id: ID
    """Where."""
    reason: StockAdjustmentReason
    """Why the books may have been wrong. Each reason posts to an account of its own."""
    lines: list[NewCountLine]
    """The variants, each once (or once per bin, lot and state); at most 10,000."""


@dataclass(slots=True)
class Change:
    """A difference at a level: how much more or, with a minus, less is there."""

    level: Level
    delta: Decimal
    unit_cost: Money | None
    path: Path
    """The line that says so."""
    named: str
    """The line's field that a missing cost is to be blamed on."""
    sku: str
    content: Content = LOOSE
    """Where more is; where less is, when it is not loose."""
    exact: bool = False
    """Whether less is in that very bin and lot and nowhere else, or, where none is named, in no bin and of no lot."""
    like: tuple[Decimal, Decimal] | None = None
    """The value and the quantity of other goods that more of it costs as much as, where there is no unit cost."""
    picks: list[Pick] = field(default_factory=list)
    """Where less is."""

    @property
    def lost_unsellable(self) -> Decimal:
        """How much of what is missing could not be sold anyway."""
        return sum((each.quantity for each in self.picks if each.content.state), Decimal(0))


async def adjust(work: Work, new: NewAdjustment) -> list[ID]:
    """What is on hand differs by the deltas from now on, and the account of the reason bears it. Returns the levels.

    More takes the unit cost given, else the average there, else the variant's last cost. A loss of what was promised
    is booked all the same: the youngest holds and allocations give way, and a discrepancy is opened. Refused with
    InsufficientStock when more would leave than is on hand, or was at any time since it happened, with CostUnknown,
    NotFound and Invalid.
    """
    there = ("input", "lines")
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    inputs.counted(new.lines, path=there)
    inputs.refuse_twice([(line.variant_id, line.bin_id, line.lot_id, line.state) for line in new.lines], path=there)
    inputs.check_happened(work, new.effective_at, path=("input", "effectiveAt"))
    wanted = [Wanted(line.variant_id, line.delta, (*there, n), "delta") for n, line in enumerate(new.lines)]
    variants = await inputs.known_variants(work, wanted)
    Refusals.raise_if_any(_faults(new.lines, await ledger.books(work)))
    contents = await contents_named(work, _shelved(new.lines, location))
    levels = await Levels.lock(work, {(line.variant_id, location) for line in new.lines}, create=True)
    changes = [
        Change(
            levels.by_place[line.variant_id, location],
            line.delta,
            line.unit_cost,
            (*there, n),
            "unitCost",
            variants[line.variant_id].sku,
            content,
        )
        for n, (line, content) in enumerate(zip(new.lines, contents, strict=True))
    ]
    await apply_changes(work, levels, changes, reason=new.reason, effective_at=new.effective_at)
    return list(dict.fromkeys(change.level.id for change in changes))


async def set_quantities(work: Work, new: NewCount) -> list[ID]:
    """What is on hand is what was counted, and the account of the reason bears the difference. Returns the levels.

    Refused with StaleQuantity, which tells the present figure, when that is not the expected one; else as `adjust`.
    """
    there = ("input", "lines")
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    inputs.counted(new.lines, path=there)
    inputs.refuse_twice([(line.variant_id, line.bin_id, line.lot_id, line.state) for line in new.lines], path=there)
    wanted = [Wanted(line.variant_id, line.quantity, (*there, n)) for n, line in enumerate(new.lines)]
    variants = await inputs.known_variants(work, wanted)
    Refusals.raise_if_any(
        [
            Invalid("Less than nothing cannot be on hand.", path=(*there, n, "quantity"))
            for n, line in enumerate(new.lines)
            if line.quantity < 0
        ]
    )
    contents = await contents_named(work, _shelved(new.lines, location))
    levels = await Levels.lock(work, {(line.variant_id, location) for line in new.lines}, create=True)
    # What comes is in a state where its lot is past its day; what was counted is so where the line says so.
    counted = [replace(content, state=line.state) for line, content in zip(new.lines, contents, strict=True)]
    present = await _present(work, levels, [(line.variant_id, location) for line in new.lines], counted)
    refusals: list[Refusal] = []
    changes: list[Change] = []
    for n, (line, content, found) in enumerate(zip(new.lines, contents, present, strict=True)):
        level, sku = levels.by_place[line.variant_id, location], variants[line.variant_id].sku
        if found != line.expected_quantity:
            now, expected = format_quantity(found), format_quantity(line.expected_quantity)
            sentence = f"{now} of {sku} are on hand by now, not {expected}. Look again, then decide."
            path = (*there, n, "expectedQuantity")
            refusals.append(StaleQuantity(sentence, path=path, variant=line.variant_id, present=found))
        elif line.quantity != found:
            changes.append(Change(level, line.quantity - found, None, (*there, n), "quantity", sku, content))
    Refusals.raise_if_any(refusals)
    await apply_changes(work, levels, changes, reason=new.reason)
    return list(dict.fromkeys(levels.by_place[line.variant_id, location].id for line in new.lines))


async def _present(work: Work, levels: Levels, places: Sequence[Place], contents: Sequence[Content]) -> list[Decimal]:
    """How much is on hand at each place: in the bin, of the lot and in the state named, or in all where none is."""
    named = [place for place, content in zip(places, contents, strict=True) if content != LOOSE]
    lying = await contents_of(work, [levels.by_place[place] for place in dict.fromkeys(named)])
    return [
        levels.by_place[place].on_hand
        if content == LOOSE
        else sum((each.quantity for each in matching(lying[place], content)), Decimal(0))
        for place, content in zip(places, contents, strict=True)
    ]


def _shelved(lines: Sequence[NewAdjustmentLine] | Sequence[NewCountLine], location: ID) -> list[Shelved]:
    return [
        Shelved(
            line.variant_id,
            location,
            ("input", "lines", n),
            line.bin_id,
            lot_id=line.lot_id,
            state=line.state,
            brings=line.delta > 0 if isinstance(line, NewAdjustmentLine) else line.quantity > line.expected_quantity,
        )
        for n, line in enumerate(lines)
    ]


def _faults(lines: Sequence[NewAdjustmentLine], kept: ledger.Books) -> list[Refusal]:
    faults: list[Refusal | None] = []
    for n, line in enumerate(lines):
        path = ("input", "lines", n)
        if not line.delta:
            faults.append(Invalid("Say how many more or fewer: zero changes nothing.", path=(*path, "delta")))
        if line.unit_cost is not None:
            if line.delta < 0:
                sentence = "What leaves takes its cost from the books: a unit cost is for what is more."
                faults.append(Invalid(sentence, path=(*path, "unitCost")))
            fault = inputs.unit_cost_fault(line.unit_cost, kept, path=(*path, "unitCost"), quantity=line.delta)
            faults.append(fault)
    return [fault for fault in faults if fault is not None]


async def apply_changes(
    work: Work,
    levels: Levels,
    changes: Sequence[Change],
    *,
    reason: StockAdjustmentReason,
    source: ID | None = None,
    effective_at: datetime | None = None,
) -> None:
    """The differences are booked: movements, and the account of the reason bears them. Levels are locked.

    Refused with InsufficientStock when more is missing than is on hand there, or was since `effective_at`, and with
    CostUnknown.
    """
    losses = [change for change in changes if change.delta < 0]
    gains = [change for change in changes if change.delta > 0]
    lying = await _find(work, losses)
    since = effective_at if effective_at is not None and effective_at < work.now else None
    if since is not None:
        await _refuse_more_than_was_there(work, changes, since)
    await _make_room(work, levels, losses, gaining={change.level.place[0] for change in gains})
    kept = await ledger.books(work)
    digits = currency_digits(kept.currency)
    gained = await _gained_values(work, gains, digits)
    drawn, pushed = await _draw(work, losses, lying, reason, since, source=source)
    lost = [parts(draws, change.picks, digits) for change, draws in zip(losses, drawn, strict=True)]
    loss = sum((each.value for taken in lost for each in taken), Decimal(0))
    places = {change.level.place[1] for change in changes}
    lines = ledger.about(
        postings.adjustment(reason, gained=sum(gained, Decimal(0)), lost=loss),
        location=places.pop() if len(places) == 1 else None,
    )
    drafts = (
        [ledger.Draft(f"Stock adjusted: {reason.lower()}", source, lines, effective_at)] if loss or any(gained) else []
    )
    entries = await ledger.open_entries(work, drafts, kept)
    entry = entries[0] if entries else None
    make = partial(
        Move,
        kind=StockMovementKind.ADJUSTMENT,
        entry_id=entry,
        reason=reason,
        source=source,
        effective_at=effective_at,
    )
    # What is lost is written first, and so comes first when costs are reckoned anew: it was drawn from what was there.
    missing = [
        make(change.level, -each.quantity, -each.value, layer_id=each.layer_id, content=each.content)
        for change, taken in zip(losses, lost, strict=True)
        for each in taken
    ]
    written = since is not None and bool({each.level.place for each in gains} & {each.level.place for each in losses})
    if written:
        await levels.move([*missing, *pushed.moves], StockAdjusted)  # costs are corrected by what these leave
    joining = await costs.joining(work, [change.level.place for change in gains]) if gains else None
    found: list[Move] = []
    for change, value in zip(gains, gained, strict=True):
        assert joining is not None
        move = make(change.level, change.delta, value, content=change.content)
        found.append(replace(move, layer_id=joining.layer(change.level.place, move.id)))
    correction = await correct_costs(work, found)
    coming = _coming(gains, [] if written else losses)
    debts = await oversold.owed(work, levels, coming)
    await fill_backorders(work, levels, oversold.beyond(coming, debts))
    still_missing = [] if written else [*missing, *pushed.moves]
    await levels.move([*still_missing, *found, *correction.moves], StockAdjusted)
    posted = [(entry, lines)] if entry is not None else []
    await ledger.write_lines(work, [*posted, *pushed.posted, *correction.posted], kept)
    await oversold.settle(work, levels, debts)


async def _draw(
    work: Work,
    losses: Sequence[Change],
    lying: Mapping[Place, Sequence[Lying]],
    reason: StockAdjustmentReason,
    since: datetime | None,
    *,
    source: ID | None,
) -> tuple[list[list[costs.Draw]], Correction]:
    """What each loss takes, in their order: what is there now, or was there `since`. With it, what becomes of the costs
    of what left after that.
    """
    digits = currency_digits((await ledger.books(work)).currency)
    late: dict[Place, Loss] = {}
    for change in losses:
        if since is not None and change.level.kind != LocationKind.TRANSIT:
            loss = late.setdefault(change.level.place, Loss(change.level, reason, since))
            loss.parts.append(-change.delta)
    correction = await take_late(work, list(late.values()), source=source) if late else Correction()
    now = {change.level.place for change in losses if change.level.place not in late}
    layers = await costs.live_layers(work, now) if now else {}
    if any(change.level.kind == LocationKind.TRANSIT for change in losses):
        await _leave_loads(work, lying, layers)
    told_late = {place: iter(loss.draws) for place, loss in late.items()}
    drawn = [
        next(told_late[change.level.place])
        if change.level.place in late
        else costs.draw(layers[change.level.place], -change.delta, digits)
        for change in losses
    ]
    return drawn, correction


async def _leave_loads(
    work: Work, lying: Mapping[Place, Sequence[Lying]], layers: Mapping[Place, list[costs.Layer]]
) -> None:
    """What is on the road with transfers stays theirs, of each lot; what is there beside it goes first, however old.
    `lying`: what is left to lie there.

    Refused with NotAllowedNow where more is missing of a lot than there is beside them.
    """
    loads = await loads_among(work, [layer.id for found in layers.values() for layer in found])
    left: defaultdict[tuple[Place, ID | None], Decimal] = defaultdict(Decimal)
    for place, there in lying.items():
        for each in there:
            left[place, each.content.lot_id] += each.quantity
    for place, found in layers.items():
        found.sort(key=lambda layer: layer.id in loads)
        for layer in found:
            if (load := loads.get(layer.id)) is not None:
                left[place, load.lot_id] -= layer.quantity
                if left[place, load.lot_id] < 0:
                    raise belongs_to(load.number)


def _coming(gains: Sequence[Change], losses: Sequence[Change]) -> dict[Place, Decimal]:
    """How much more may be sold at each place that gains, or with a minus how much less: it may lose something too."""
    coming: dict[Place, Decimal] = {}
    for each in gains:
        if not each.content.state:
            coming[each.level.place] = coming.get(each.level.place, Decimal(0)) + each.delta
    for each in losses:
        if each.level.place in coming:
            coming[each.level.place] += each.delta + each.lost_unsellable
    return coming


async def _find(work: Work, losses: Sequence[Change]) -> dict[Place, list[Lying]]:
    """Where what is missing is missing. Returns what is left to lie at the places of losses. Refused with
    InsufficientStock when less than that is there.
    """
    lying = await contents_of(work, [change.level for change in losses])
    refusals: list[Refusal] = []
    for change in losses:
        there = lying[change.level.place]
        if change.exact:
            there = lying_exactly(there, change.content)
        elif change.content != LOOSE:
            there = matching(there, change.content)
        available = sum((each.quantity for each in there), Decimal(0))
        change.picks = pick(there, -change.delta)
        if available < -change.delta:
            refusals.append(
                InsufficientStock(
                    f"Only {format_quantity(available)} of {change.sku} are on hand there.",
                    path=(*change.path, "delta" if change.named == "unitCost" else change.named),
                    variant=change.level.place[0],
                    requested=-change.delta,
                    available=available,
                )
            )
    Refusals.raise_if_any(refusals)
    return lying


async def _refuse_more_than_was_there(work: Work, changes: Sequence[Change], since: datetime) -> None:
    """Make sure that at no instant since then less would have been on hand than nothing. What more of it is found by
    the same act was there, too. Refused with InsufficientStock, which tells the day and what was there.
    """
    losing = {change.level.place: change.level for change in changes if change.delta < 0}
    if not losing:
        return
    least = await least_since(work, list(losing.values()), since)
    room = {place: each.on_hand for place, each in least.items()}
    for change in changes:
        if change.delta > 0 and change.level.place in room:
            room[change.level.place] += change.delta
    kept = await ledger.books(work)
    refusals: list[Refusal] = []
    for change in changes:
        if change.delta > 0:
            continue
        place = change.level.place
        if room[place] + change.delta < 0:
            day = kept.day_of(least[place].since).isoformat()
            there = format_quantity(max(least[place].on_hand, Decimal(0)))
            refusals.append(
                InsufficientStock(
                    f"On {day} only {there} of {change.sku} were on hand there: no more can have been lost by then.",
                    path=(*change.path, "delta"),
                    variant=place[0],
                    requested=-change.delta,
                    available=max(room[place], Decimal(0)),
                )
            )
        else:
            room[place] += change.delta
    Refusals.raise_if_any(refusals)


async def _make_room(work: Work, levels: Levels, losses: Sequence[Change], *, gaining: Collection[ID]) -> None:
    """Where less is left than was promised, promises give way: first those whose time is over anyway. Those who wait
    for the variants `gaining` are served by the same act, later.
    """

    def missing() -> dict[Place, Decimal]:
        rest: dict[Place, Decimal] = {}
        for change in losses:
            before = rest.get(change.level.place, -change.level.available)
            rest[change.level.place] = before - change.delta - change.lost_unsellable
        return {place: quantity for place, quantity in rest.items() if quantity > 0}

    if missing():
        await free_expired(work, levels, missing())
    if short := missing():
        if gaining:
            await lock_queues(work, {*gaining, *(variant for variant, _ in short)})
        await give_way(work, levels, short)


def _is_unknown(change: Change) -> bool:
    return change.unit_cost is None and change.like is None and not change.level.on_hand


async def _gained_values(work: Work, gains: Sequence[Change], digits: int) -> list[Decimal]:
    last = await costs.last_in(work, [each.level.place[0] for each in gains if _is_unknown(each)])
    values: list[Decimal] = []
    refusals: list[Refusal] = []
    for change in gains:
        level = change.level
        if change.unit_cost is not None:
            values.append(costs.worth(change.delta, change.unit_cost.amount, digits))
        elif like := change.like or ((level.value, level.on_hand) if level.on_hand else last.get(level.place[0])):
            values.append(costs.proportion(like[0], change.delta, like[1], digits))
        else:
            sentence = f"Nothing tells what {change.sku} costs: receive it, or adjust it, with its unit cost."
            refusals.append(CostUnknown(sentence, path=(*change.path, change.named)))
    Refusals.raise_if_any(refusals)
    return values
