"""How Waterline says no.

A `Refusal` is an anticipated no: a business answer that the caller can act on. It rolls the act back and becomes a
`userError` whose `code` is the class name in UPPER_SNAKE (`StaleVersion` → `STALE_VERSION`), so a code is invented by
writing a class beside the function that raises it, and nowhere else.

`AccessDenied` is about the caller, not the act: it becomes a top-level error.
`Overtaken` is no answer at all: another act got between, so this one is to begin anew, as after a deadlock.
`Trouble` is for the person at a command line: what is wrong and what to do, in plain words, without a traceback.
Everything else that is raised is a bug: loud in the log, masked to the caller.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar


class Refusal(Exception):  # noqa: N818  a refusal is an answer, not an error of the program
    """Base of all anticipated refusals. Subclasses set their public data as attributes.

    `path` names the offending argument from the mutation's arguments downwards: `("input", "variants", 0, "sku")`.
    """

    code: ClassVar[str] = "REFUSAL"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in vars(cls):
            cls.code = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).upper()

    def __init__(self, message: str, *, path: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path: tuple[str | int, ...] = tuple(path)

    def under(self, *prefix: str | int) -> "Refusal":
        """The same refusal, seen from an argument that holds the refused one."""
        self.path = (*prefix, *self.path)
        return self


class Invalid(Refusal):
    """The input cannot be accepted as it is, now or later."""


class NotFound(Refusal):
    """No such thing, or none that this caller may see: both look the same on purpose."""


class NotAllowedNow(Refusal):
    """The thing exists, but its present state does not allow this act."""


class StaleVersion(Refusal):
    """Somebody changed the row since the caller read it (`expectedVersion`)."""


class Refusals(Exception):  # noqa: N818  a bundle of refusals
    """Several refusals of one act, so that a form can show all of them at once."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("; ".join(refusal.message for refusal in refusals))
        self.refusals = tuple(refusals)

    @classmethod
    def raise_if_any(cls, refusals: Sequence[Refusal]) -> None:
        """Raise when there is at least one; otherwise do nothing."""
        if refusals:
            raise cls(refusals)


@contextmanager
def of_one() -> Iterator[None]:
    """For an act that is done to one of what it can be done to many of: refusals lose the index of the one."""
    try:
        yield
    except Refusal as refusal:
        refusal.path = refusal.path[1:]
        raise
    except Refusals as several:
        for refusal in several.refusals:
            refusal.path = refusal.path[1:]
        raise


class AccessDenied(Exception):  # noqa: N818  an answer about the caller
    """The caller may not do this at all: `code` is UNAUTHENTICATED (who are you?) or FORBIDDEN (not with this one)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Overtaken(Exception):  # noqa: N818  nothing went wrong
    """What an act looked at before it held its locks was changed meanwhile by another one, and to go on would break the
    order of locks or a rule. It is rolled back whole and begins anew: `database.collided` knows it.
    """


class Apart(Exception):  # noqa: N818  nothing went wrong
    """Acts that were to be committed together are not as plain as that takes. All is rolled back, and whoever began
    them does each by itself.
    """


class Trouble(Exception):  # noqa: N818  shown to a person, not handled by a program
    """Something around Waterline is not as it must be: one plain sentence (`problem`) and what to do (`remedy`)."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy
