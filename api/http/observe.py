"""One log line and one measurement per request, and a net for what nobody caught."""

import asyncio
import math
import secrets
import time
from functools import lru_cache
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import logs
from api.graphql.kit.errors import outage
from domain import ledger

log = structlog.get_logger("waterline.http")

REQUESTS = Counter("waterline_http_requests_total", "Requests answered.", ["path", "status"])
SECONDS = Histogram("waterline_http_request_seconds", "Time to the end of the answer.", ["path"])
POOL = Gauge("waterline_database_connections_in_use", "Connections of the pool that are in use.")
FOLLOWERS = Gauge("waterline_live_followers", "Subscriptions that follow the event log.")
DELIVERED = Gauge("waterline_live_events_read", "Events that the tail of the log has read since the start.")
UNSEALED = Gauge("waterline_journal_entries_unsealed", "Entries in the books without a place in the journal yet.")

PATIENCE_SECONDS = 5
"""How long the database may take to answer."""

_KNOWN = ("/graphql", "/oauth/token", "/health/live", "/health/ready", "/metrics")


class Observe:
    """Pure ASGI, so that streams pass through unbuffered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note)
        except Exception as error:
            correlation = secrets.token_hex(8)
            log.error("bug", correlation_id=correlation, path=scope["path"], exc_info=error)
            if status == 0:
                message = f"Something went wrong on our side. Tell us the correlation id {correlation}."
                masked = {"message": message, "extensions": {"code": "INTERNAL", "correlationId": correlation}}
                await JSONResponse({"errors": [masked]}, 500)(scope, receive, note)
        finally:
            _measure(scope, status, time.perf_counter() - started)


async def sample(services: Any) -> None:
    """Bring the gauges up to date, when somebody reads them. What a silent database would tell is not a number."""
    POOL.set(services.database.connections.used)
    FOLLOWERS.set(services.tail.followers)
    DELIVERED.set(services.tail.events_read)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), services.database.connection() as connection:
            UNSEALED.set(await ledger.unsealed(connection))
    except Exception as error:
        if outage(error) is None:
            raise
        UNSEALED.set(math.nan)


def _measure(scope: Scope, status: int, seconds: float) -> None:
    path = scope["path"] if scope["path"] in _KNOWN else "other"
    _counter(path, status).inc()
    _timer(path).observe(seconds)
    if logs.debugging():
        log.debug(
            "request", method=scope["method"], path=scope["path"], status=status, milliseconds=round(seconds * 1000, 1)
        )


@lru_cache(maxsize=256)
def _counter(path: str, status: int) -> Counter:
    return REQUESTS.labels(path, str(status))


@lru_cache(maxsize=16)
def _timer(path: str) -> Histogram:
    return SECONDS.labels(path)
