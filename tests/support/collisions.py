"""How acts got into each other's way. Locks are taken in one order, so that there are no deadlocks to be had. Acts that
collide begin anew at the doors, and nobody would notice that they did: so it is counted where that is decided.
"""

from collections import Counter

import pytest

from api.graphql.kit import operations as doors
from domain.kernel.errors import Overtaken


def deadlocks_counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The collisions that the database ended, by the class of their error. An act that was `Overtaken` is none: it
    begins anew so that none comes up.
    """
    collisions: Counter[str] = Counter()
    collided = doors.collided

    def counting(error: BaseException) -> bool:
        found = collided(error)
        if found and not isinstance(error, Overtaken):
            collisions[type(error).__name__] += 1
        return found

    monkeypatch.setattr(doors, "collided", counting)
    return collisions
