"""The Starlette application: routes, middleware, and what lives as long as the process."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from api.graphql.execution import Services
from api.graphql.live.tail import Tail
from api.graphql.schema import built
from api.housekeeping import Housekeeping
from api.http import health, oauth
from api.http.graphql import GraphQL, StraightToGraphQL
from api.http.observe import Observe
from api.http.patience import Patience
from api.http.requests import BODY_SECONDS
from api.http.websocket import websocket
from domain.kernel import events
from domain.kernel.database import Database, raw
from domain.kernel.settings import Settings


def application(settings: Settings, database_url: str) -> Starlette:
    """The application on one database. It opens its connections when it starts, and closes them when it stops."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        database = Database(
            database_url,
            pool=settings.database_pool + 2,  # the tail of the event log and the housekeeping have their own
            readers=max(2, settings.database_pool // 2),
        )
        await database.check()
        async with database.connection() as connection:
            await events.raise_epoch(await raw(connection))
        services, patience = Services(database, built(), Tail(database)), Patience(BODY_SECONDS)
        await services.tail.start()
        housekeeping = Housekeeping(database, seconds=settings.housekeeping_seconds, wake=services.wake)
        await housekeeping.start()
        app.state.services, app.state.patience = services, patience
        # What exists by now lives as long as the process: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            patience.stop()
            await services.joining.stop()
            await housekeeping.stop()
            await services.tail.stop()
            await database.close()

    origins = settings.cors_origins.split()
    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/graphql", GraphQL(), methods=["GET", "POST"]),
            WebSocketRoute("/graphql", websocket),
            *oauth.routes,
            *health.routes,
            Route("/", welcome),
        ],
        middleware=[
            Middleware(Observe),
            Middleware(StraightToGraphQL),
            Middleware(
                CORSMiddleware,
                allow_origins=origins,
                allow_credentials="*" not in origins,
                allow_methods=["GET", "POST"],
                allow_headers=["*"],  # clients name requests as they like; what counts is the token
            ),
        ],
    )


async def welcome(_: Request) -> JSONResponse:
    """What is where, for whoever opens the address in a browser."""
    return JSONResponse(
        {
            "name": "Waterline",
            "graphql": "/graphql",
            "token": "/oauth/token",
            "health": "/health/ready",
            "metrics": "/metrics",
        }
    )
