"""What the reference servers share, with each other and with Waterline: uvicorn, one process, no access log."""

import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

POOL = 12
"""Database connections of a server: as many as Waterline has for its queries and acts."""

Opened = Callable[[Starlette], AbstractAsyncContextManager[None]]


def application(routes: list[BaseRoute], opened: Opened) -> Starlette:
    """An application whose database is open while it runs. What exists at its start is frozen, as in Waterline."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with opened(app):
            gc.collect()
            gc.freeze()
            yield

    return Starlette(routes=routes, lifespan=lifespan)


def serve(app: Starlette) -> None:
    """Serve on PORT until the process is told to stop. uvicorn takes uvloop and httptools where they are installed."""
    port = int(os.environ["PORT"])
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning", timeout_keep_alive=75)
