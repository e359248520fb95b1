"""The server process: uvicorn around the application, told when it is ready and how it ends."""

import socket
from collections.abc import Callable

import uvicorn
from rich.console import Console
from starlette.applications import Starlette

from api.app import application
from domain.kernel.settings import Settings

GRACE_SECONDS = 5
"""How long requests may run on once the process was told to stop."""


def serve_on(listening: socket.socket, settings: Settings, database_url: str, *, ready: Callable[[], None]) -> None:
    """Serve the API on a socket until the process is told to stop. `ready` is called once it answers."""
    _Server(application(settings, database_url), ready=ready).run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn, which ends the subscriptions first when it is told to stop: it would wait for them for ever."""

    def __init__(self, app: Starlette, *, ready: Callable[[], None]) -> None:
        # What still runs after the seconds of grace is cancelled: acts roll back, and answers were not sent.
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                ws="websockets-sansio",
                lifespan="on",
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=75,  # longer than clients and proxies keep a connection that they do not use
            )
        )
        self._app, self._ready = app, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what would never end by itself, then stop as uvicorn does."""
        Console(stderr=True).print("Stopping …")
        services = getattr(self._app.state, "services", None)
        if services is not None:
            await services.tail.stop()
        await super().shutdown(sockets)
