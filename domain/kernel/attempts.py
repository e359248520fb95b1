"""A part of an act that may fail without the rest of it: what it wrote and said is undone, and the act goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError

from domain.kernel.constraints import refusal_of
from domain.kernel.errors import Refusal, Refusals
from domain.kernel.work import Work


@asynccontextmanager
async def attempt(work: Work) -> AsyncIterator[None]:
    """What is done within is done as a whole, or not at all where it is refused.

    A refusal leaves as it came, and a broken constraint as the refusal it stands for: whoever catches it may go on with
    the act. Anything else is a fault of the whole act, as it is outside. Not for what the ORM's session writes.
    """
    announced, remembered = len(work.announced), dict(work.remembered)
    ending, closing = dict(work.ending), dict(work.closing)
    await work.raw.execute("SAVEPOINT attempt")
    try:
        yield
        await work.raw.execute("RELEASE SAVEPOINT attempt")  # what waits to be written goes out before
    except (Refusal, Refusals, DBAPIError, asyncpg.PostgresError) as error:
        refused = error if isinstance(error, (Refusal, Refusals)) else refusal_of(error)
        if refused is None:
            raise
        work.raw.waiting.clear()
        await work.raw.execute("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt")
        del work.announced[announced:]
        work.remembered, work.ending, work.closing = remembered, ending, closing
        if refused is error:
            raise
        raise refused from error
