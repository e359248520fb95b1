"""Is the process alive, is it ready, and what has it counted?"""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.graphql.kit.errors import outage
from api.http import observe


async def live(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """The database answers, and the tail of the event log follows it."""
    services = request.app.state.services
    try:
        async with asyncio.timeout(observe.PATIENCE_SECONDS), services.database.connection() as connection:
            await connection.exec_driver_sql("SELECT 1")
    except Exception as error:
        if outage(error) is None:
            raise
        return JSONResponse({"status": "unavailable", "reason": "The database does not answer."}, 503)
    if not services.tail.following:
        return JSONResponse({"status": "unavailable", "reason": "The event log is not followed yet."}, 503)
    return JSONResponse({"status": "ok"})


async def metrics(request: Request) -> Response:
    """For Prometheus."""
    await observe.sample(request.app.state.services)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


routes = [
    Route("/health/live", live),
    Route("/health/ready", ready),
    Route("/metrics", metrics),
]
