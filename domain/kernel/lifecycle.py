"""Lifecycles: which act is possible in which state, as data.

A lifecycle says nothing about what an act does; that stays in its operation. It is checked when it is declared: every
state must be reachable, so a table with a forgotten row stops the import and not the first customer.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from domain.kernel.errors import NotAllowedNow

State = TypeVar("State", bound=StrEnum)
Action = TypeVar("Action", bound=StrEnum)


@dataclass(frozen=True)
class Transition(Generic[State]):
    """From any of `sources` to `target`."""

    sources: frozenset[State]
    target: State


class Lifecycle(Generic[State, Action]):
    """The status table of one kind of row.

    `initial` are the states a row may be born in; `actions` maps each act to its source states and its target.
    """

    def __init__(
        self, *, noun: str, initial: Collection[State], actions: Mapping[Action, tuple[Collection[State], State]]
    ) -> None:
        self.noun = noun
        self.initial = frozenset(initial)
        self.actions = {name: Transition(frozenset(sources), target) for name, (sources, target) in actions.items()}
        states = type(next(iter(initial)))
        unreachable = set(states) - self._reachable()
        if unreachable:
            raise ValueError(f"{noun}: no way leads to {', '.join(sorted(unreachable))}")

    def available(self, state: State) -> list[Action]:
        """What can be done in this state, in the order of declaration."""
        return [name for name, transition in self.actions.items() if state in transition.sources]

    def after(self, state: State, action: Action, *, path: Sequence[str | int] = ()) -> State:
        """The state that the act leads to. Refuses with NotAllowedNow, about the argument at `path`, and says what is
        possible instead.
        """
        transition = self.actions[action]
        if state not in transition.sources:
            possible = ", ".join(self.available(state)) or "nothing"
            raise NotAllowedNow(f"A {self.noun} that is {state} cannot {action}; possible now: {possible}.", path=path)
        return transition.target

    def _reachable(self) -> set[State]:
        reached, growing = set(self.initial), True
        while growing:
            targets = {transition.target for transition in self.actions.values() if transition.sources & reached}
            growing = not targets <= reached
            reached |= targets
        return reached
