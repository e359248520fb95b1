"""The differential test would notice: an engine that is broken on purpose is found within a few documents."""

from collections.abc import Callable
from typing import Any

import pytest

from api.graphql.documents import Documents
from api.graphql.engine import run, selection, shapes, statement
from api.graphql.schema import built
from domain.identity import Caller
from tests.engine.bench import Bench, both
from tests.engine.documents import Document, document

MOST_DOCUMENTS = 400
Mutant = Callable[[pytest.MonkeyPatch], None]

# Nor can Python always say so: within the making of a named tuple there is nothing to import with.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def without_null_checks(patch: pytest.MonkeyPatch) -> None:
    """Generated code lets null stand where it may not."""
    patch.setattr(shapes, "stop", lambda: None)


def levels_swapped(patch: pytest.MonkeyPatch) -> None:
    """The rows of the last two levels of a statement are taken for each other's."""
    fetch = run.Run._fetch

    async def fetch_and_swap(self: run.Run, layout: statement.Layout, **options: Any) -> None:
        await fetch(self, layout, **options)
        if len(layout.levels) > 1:
            one, other = (level.index for level in layout.levels[-2:])
            self.rows[one], self.rows[other] = self.rows[other], self.rows[one]

    patch.setattr(run.Run, "_fetch", fetch_and_swap)


def without_row_scopes(patch: pytest.MonkeyPatch) -> None:
    """Everybody sees every row."""
    patch.setattr(statement.Builder, "scope", lambda _self, _view: ())


def one_row_scope_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Rows that are joined to others are in everybody's sight; those of levels of their own are not."""
    scope = statement.Builder.scope

    def forgetful(self: statement.Builder, view: Any) -> Any:
        return scope(self, view) if any(level.view is view for level in self.layout.levels) else ()

    patch.setattr(statement.Builder, "scope", forgetful)


def statements_of_others(patch: pytest.MonkeyPatch) -> None:
    """A statement that was compiled for one caller's row scopes is run for everybody."""
    form_of = run.form_of
    patch.setattr(run, "form_of", lambda bindings, _scopes, **options: form_of(bindings, {}, **options))


def fields_in_another_order(patch: pytest.MonkeyPatch) -> None:
    """The fields of an object come in the order of the alphabet."""
    below = selection.Selector.below
    patch.setattr(selection.Selector, "below", lambda *given: sorted(below(*given), key=lambda selected: selected.key))


def only_the_first_of_those_that_merge(patch: pytest.MonkeyPatch) -> None:
    """A field that is asked for twice has only what is selected the first time."""
    below = selection.Selector.below

    def careless(self: selection.Selector, kind: Any, above: selection.Selected) -> list[selection.Selected]:
        first = selection.Selected(above.key, above.name, above.parent, above.definition, above.details[:1])
        return below(self, kind, first)

    patch.setattr(selection.Selector, "below", careless)


@pytest.mark.parametrize(
    "mutate",
    [
        without_null_checks,
        levels_swapped,
        without_row_scopes,
        one_row_scope_forgotten,
        statements_of_others,
        fields_in_another_order,
        only_the_first_of_those_that_merge,
    ],
)
async def test_a_broken_engine_is_found(bench: Bench, mutate: Mutant) -> None:
    broken, whole = Documents(built()), Documents(built())
    for seed in range(MOST_DOCUMENTS):
        asked = document(built(), bench.pool, seed)
        for who in bench.callers.values():
            with pytest.MonkeyPatch.context() as patch:
                mutate(patch)
                found = await _differs(bench, asked, who, broken)
            if found and not await _differs(bench, asked, who, whole):
                return
    pytest.fail(f"{mutate.__doc__} Nobody noticed in {MOST_DOCUMENTS} documents.")


async def _differs(bench: Bench, asked: Document, who: Caller, known: Documents) -> bool:
    """Whether the engine fails or answers otherwise than the oracle. `known` holds what it planned before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.services, "documents", known)
        try:
            return (await both(bench.services, asked, who)).difference is not None
        except Exception:
            return True
