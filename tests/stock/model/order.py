"""In which order acts took effect that ran at once.

Every act that moves or claims stock locks the levels it looks at, and each of them has a version that every change
raises. So what version an act found says behind which other act it came, and before which: for what was refused, too.
Where that leaves a choice, because acts met elsewhere or nowhere, an order is looked for in which the model agrees with
all that is known of every act: its refusal, or the figures that its events announced. If there is none, the shop has
done something that no order of these acts can explain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.stock.model.acts.base import Act, Seen
from tests.stock.model.exact import Cents, Many
from tests.stock.model.kept import NOTHING, Case, Count, Figures, No, Proposal
from tests.stock.model.reference import Model
from tests.stock.model.world import Document, Place

MOST_TRIES = 10_000
"""Acts done to the model in search of an order."""
MOST_REPAIRS = 100
"""Acts put elsewhere, one upon the other: more than any burst has."""


@dataclass(frozen=True)
class Done:
    """An act that was done to the shop, and what is known of it."""

    act: Act
    seen: Seen
    found: Mapping[Place, int]
    """The versions of the levels that it locked."""
    left: Mapping[Place, tuple[int, Figures]] = field(default_factory=dict)
    """The versions and figures of those that it changed, by its events."""
    moved: Mapping[tuple[Place, str], tuple[Many, Cents]] = field(default_factory=dict)
    """The sums of its movements, by place and kind."""
    posted: Mapping[str, Cents] = field(default_factory=dict)
    """What it posted to each account that the model keeps."""
    noticed: Mapping[str, Mapping[Any, Many]] = field(default_factory=dict)
    """Where it looked: who it found waiting, and what it found elsewhere."""
    documents: Mapping[Document, int] = field(default_factory=dict)
    """The versions that it gave to documents."""
    codes: frozenset[str] = frozenset()
    """Why it was refused."""
    message: str = ""
    """In words."""

    def __str__(self) -> str:
        became = f"refused, {', '.join(sorted(self.codes))}: {self.message}" if self.codes else "done"
        return f"#{self.seen.number} {self.act} -> {became}"


class Disagreement(AssertionError):  # noqa: N818  what it is, and no error
    """No order of the acts explains what the shop did."""


@dataclass
class _Search:
    """One act after the other, as they ended. Where none of those left fits, one came earlier: it is put where it
    fits, with those that it needs before it, the latest such place first, and the search goes on from there.
    """

    accept: Callable[[Model], str | None]
    tries: int = 0
    deepest: list[Done] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    nowhere: dict[int, str] = field(default_factory=dict)
    """Why acts did not fit where they found their levels to be."""
    tried: set[tuple[int, ...]] = field(default_factory=set)
    """Orders that a repair has begun with: two acts that fit nowhere would take turns before each other."""
    repairs: int = 0
    """How many are under way, one upon the other."""

    def go(self, models: list[Model], so_far: list[Done], left: list[Done]) -> tuple[Model, list[Done]] | None:
        models, so_far, left = list(models), list(so_far), list(left)
        misfits: list[tuple[Done, str]] = []
        while left:
            misfits = []
            for each in left:
                reason, after = self.done(models[-1], each, left)
                if after is not None:
                    break
                misfits.append((each, reason or ""))
            else:
                break
            left.remove(each)
            so_far.append(each)
            models.append(after)
        if not left:
            reason = self.accept(models[-1])
            if reason is None:
                return models[-1], so_far
            # Of some acts nothing tells but the end when they came.
            misfits = [(each, reason) for each in so_far if each.act.unversioned]
            self.note(so_far, [reason])
            return self.repaired(models, so_far, left, [each for each, _ in misfits])
        self.note(so_far, [f"{each}: {reason}" for each, reason in misfits])
        return self.repaired(models, so_far, left, [each for each, _ in misfits])

    def repaired(
        self, models: list[Model], so_far: list[Done], left: list[Done], misfits: list[Done]
    ) -> tuple[Model, list[Done]] | None:
        if self.repairs >= MOST_REPAIRS:
            return None
        self.repairs += 1
        try:
            return self._first_repair(models, so_far, left, misfits)
        finally:
            self.repairs -= 1

    def _first_repair(
        self, models: list[Model], so_far: list[Done], left: list[Done], misfits: list[Done]
    ) -> tuple[Model, list[Done]] | None:
        for each in misfits:
            last = so_far.index(each) if each in so_far else len(so_far)
            for n in range(last - 1, -1, -1):
                if self.tries > MOST_TRIES:
                    return None
                moved = [*_needed(each, so_far[n:]), each]
                rest = [other for other in (*so_far[n:], *left) if other not in moved]
                order = tuple(other.seen.number for other in (*so_far[:n], *moved, *rest))
                if order in self.tried:
                    continue
                self.tried.add(order)
                after = self.in_turn(models[n], moved, rest)
                if not after and moved[:-1]:
                    # What it needs fits here, and it comes a little later: as soon as it does.
                    moved, rest = moved[:-1], [each, *rest]
                    after = self.in_turn(models[n], moved, rest)
                if after:
                    found = self.go([*models[: n + 1], *after], [*so_far[:n], *moved], rest)
                    if found is not None:
                        return found
        return None

    def in_turn(self, model: Model, acts: Sequence[Done], rest: Sequence[Done]) -> list[Model]:
        """The models after each of these acts; none where one of them does not fit."""
        models: list[Model] = []
        for n, each in enumerate(acts):
            _, after = self.done(models[-1] if models else model, each, [*acts[n:], *rest])
            if after is None:
                return []
            models.append(after)
        return models

    def done(self, model: Model, each: Done, left: Sequence[Done]) -> tuple[str | None, Model | None]:
        if (first := _first(each, left)) is not None:
            return first, None
        self.tries += 1
        reason, after = _done(model, each)
        if reason is not None and not reason.startswith("it found ("):
            there = {place: (model.figures(place), model.lying(place)) for place in each.found}
            self.nowhere[each.seen.number] = f"{reason}; before it the model has {there}"
        return reason, after

    def note(self, so_far: list[Done], reasons: list[str]) -> None:
        if reasons and (not self.reasons or len(so_far) > len(self.deepest)):
            self.deepest, self.reasons = list(so_far), reasons


def arranged(model: Model, acts: Sequence[Done], accept: Callable[[Model], str | None]) -> tuple[Model, list[Done]]:
    """An order of acts in which the model agrees, and the model after it. The acts come as they ended; `accept` says
    what is wrong at the end. Raises Disagreement, with the longest agreement there was and why it went no further.
    """
    search = _Search(accept)
    found = search.go([model], [], list(acts))
    if found is None:
        agreed = "\n  ".join(str(each) for each in search.deepest) or "nothing"
        nowhere = [f"#{number}: {reason}" for number, reason in search.nowhere.items()]
        reasons = "\n  ".join([*search.reasons, "Where they would fit by their levels:", *nowhere])
        raise Disagreement(
            f"No order explains these acts ({search.tries:,} tries). Agreed on:\n  {agreed}\nBut then:\n  {reasons}"
        )
    return found


def _moved_since(model: Model, turn: int) -> dict[tuple[Place, str], tuple[Many, Cents]]:
    """The sums of what moved after a turn, by place and kind."""
    sums: dict[tuple[Place, str], tuple[Many, Cents]] = {}
    for place, told in model.told.items():
        for each in reversed(told):
            if each.number <= turn:
                break
            many, value = sums.get((place, each.kind), (NOTHING, 0))
            sums[place, each.kind] = many + each.quantity, value + each.value
    return {key: each for key, each in sums.items() if any(each)}


def _version(model: Model, document: Document) -> int | None:
    kind, key = document
    kept: dict[str, Mapping[Any, Case | Count | Proposal]] = {
        "case": model.cases,
        "count": model.counts,
        "proposal": model.proposals,
    }
    found = kept[kind].get(key)
    return None if found is None else found.version


def _needed(each: Done, earlier: Sequence[Done]) -> list[Done]:
    """Those of earlier acts that an act cannot do without: it found a level as they left it, or they found one as it
    was before it; or that is so of one of them.
    """
    needed: list[Done] = []
    for other in reversed(earlier):
        if any(_is_before(other, after) for after in (each, *needed)):
            needed.insert(0, other)
    return needed


def _is_before(one: Done, other: Done) -> bool:
    """Whether one act came before another, by the versions of the levels that they found and left."""
    return any(other.found.get(place, -1) >= version for place, (version, _) in one.left.items()) or any(
        one.found.get(place, version) < version for place, (version, _) in other.left.items()
    )


def _first(each: Done, left: Sequence[Done]) -> str | None:
    """Why an act cannot be next: another one found a level as it was before this one changed it."""
    for place, (version, _) in each.left.items():
        for other in left:
            if other is not each and other.found.get(place, version) < version:
                return f"#{other.seen.number} found {place} at version {other.found[place]}, before it"
    return None


def _done(model: Model, each: Done) -> tuple[str | None, Model | None]:
    """The model after an act; None where it does not agree, and why."""
    for place, version in each.found.items():
        if model.versions.get(place, 0) != version:
            return f"it found {place} at version {version}, not {model.versions.get(place, 0)}", None
    after = model.copy()
    after.act, after.now, after.noticed = each.seen.number, each.seen.now, {}
    after.told_rules = each.seen.rules
    try:
        each.act.replay(after, each.seen)
    except No as refusal:
        if refusal.codes == each.codes:
            return None, model
        return f"the model refuses it: {refusal}", None
    if each.codes:
        return "the model does not refuse it", None
    for place in each.found:
        version, figures = each.left.get(place, (each.found[place], model.figures(place)))
        if after.figures(place) != figures:
            told = f"which moved {each.moved}, and posted {each.posted}"
            return f"the model says {place} is {after.figures(place)}, the shop {figures}, {told}", None
        if place in after.versions or place in each.left:
            after.versions[place] = version
    moved = _moved_since(after, model.turn)
    if moved != each.moved:
        return f"the model moves {moved}, the shop {each.moved}", None
    posted = {role: cents - model.books.get(role, 0) for role, cents in after.books.items()}
    posted = {role: cents for role, cents in posted.items() if cents}
    if posted != each.posted:
        return f"the model posts {posted}, the shop {each.posted}", None
    for name, found in each.noticed.items():
        if after.noticed.get(name) != found:
            return f"it found {name} {found}, by the model {after.noticed.get(name)}", None
    versions = {each: _version(after, each) for each in each.documents}
    if versions != each.documents:
        return f"the model says that documents are at {versions}, the shop {each.documents}", None
    return None, after
