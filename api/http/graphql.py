"""GraphQL over HTTP (the specification of the GraphQL foundation), and over server-sent events.

`application/graphql-response+json` answers refused requests with a 4xx status; plain `application/json`, for older
clients, answers every well-formed request with 200.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.callers import Callers
from api.graphql import execution
from api.graphql.execution import Answer, Services
from api.graphql.kit.errors import request_error
from api.http.requests import BadRequest, bearer, graphql_request, parse_json, read_body
from domain.identity import Caller
from domain.kernel.errors import AccessDenied

MODERN = "application/graphql-response+json"
PLAIN = "application/json"
EVENTS = "text/event-stream"
KEEP_ALIVE_SECONDS = 12

_STATUS = {
    "UNAUTHENTICATED": 401,
    "METHOD_NOT_ALLOWED": 405,
    "PERSISTED_QUERY_NOT_FOUND": 200,
    "THROTTLED": 429,
    "INTERNAL": 500,
    "OVERLOADED": 503,
    "UNAVAILABLE": 503,
}
"""Statuses that are the same for all clients."""
_MODERN_STATUS = {"FORBIDDEN": 403}
_RETRY_AFTER = {"THROTTLED": 1, "OVERLOADED": 2, "UNAVAILABLE": 5}
"""Seconds, unless the error knows better."""
_QUALITY = re.compile(r"q=[01](\.[0-9]{0,3})?")


class GraphQL:
    """`GET` and `POST /graphql`, as an application of its own: what Starlette does for a function is not needed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await graphql(Request(scope, receive))
        await response(scope, receive, send)


class StraightToGraphQL:
    """What nearly every request is for is not looked up among the routes, and asks no leave that only browsers need.
    Each layer costs something on the way in, and again on the way out.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._graphql = app, GraphQL()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and scope["path"] == "/graphql" and scope["method"] == "POST"
        is_straight = is_ours and not any(name == b"origin" for name, _ in scope["headers"])
        await (self._graphql if is_straight else self._app)(scope, receive, send)


async def graphql(request: Request) -> Response:
    """The response to one request."""
    services: Services = request.app.state.services
    media = _negotiated(request.headers.get("accept"))
    if media is None:
        return _bad(BadRequest(f"Accept {MODERN}, {PLAIN} or {EVENTS}.", status=406), PLAIN)
    try:
        asked = graphql_request(await _parameters(request))
        token = bearer(request)
        caller = await services.callers.authenticated(token) if media == EVENTS else None
    except BadRequest as bad:
        return _bad(bad, media)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    except Exception as error:  # a refused token, a busy database
        return _respond(execution.refusal(error), media)
    read_only = request.method != "POST"
    if caller is not None:
        return await _event_stream(services, asked, caller, get=read_only)
    return _respond(await execution.ask(services, asked, token, read_only=read_only), media)


async def _parameters(request: Request) -> object:
    if request.method != "POST":
        parameters: dict[str, object] = dict(parse_qsl(request.url.query, keep_blank_values=True))
        for name in ("variables", "extensions"):
            if parameters.get(name):
                parameters[name] = parse_json(str(parameters[name]))
            else:
                parameters.pop(name, None)
        return parameters
    kind, _, options = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != PLAIN:
        raise BadRequest(f"Send the request as {PLAIN}.", status=415)
    charset = options.lower().partition("charset=")[2].strip(' "')
    if charset and charset not in ("utf-8", "utf8"):
        raise BadRequest("Send the request in UTF-8.", status=415)
    body = await read_body(request)
    if not body.strip():
        raise BadRequest("The request has no body.")
    return parse_json(body)


def _negotiated(accept: str | None) -> str | None:
    """The media type to answer in: the one of ours that the client likes best; None when it takes none of them."""
    if not accept:
        return PLAIN
    best: tuple[float, int, str] | None = None
    offers = {MODERN: (MODERN,), PLAIN: (PLAIN,), EVENTS: (EVENTS,), "application/*": (PLAIN,), "*/*": (PLAIN,)}
    for place, each in enumerate(accept.lower().split(",")):
        media, *options = (part.strip() for part in each.split(";"))
        quality = next((float(each[2:]) for each in options if _QUALITY.fullmatch(each)), 1.0)
        for offered in offers.get(media, ()):
            if quality > 0 and (best is None or (quality, -place) > best[:2]):
                best = (quality, -place, offered)
    return best[2] if best else None


def _respond(answer: Answer, media: str) -> Response:
    first = answer.errors[0]["extensions"] if answer.errors else {}
    code = str(first.get("code"))
    status, headers = 200, {}
    if answer.refused:
        status = _STATUS.get(code) or (_MODERN_STATUS.get(code, 400) if media == MODERN else 200)
    elif answer.data is None and _STATUS.get(code) == 503:
        status = 503  # a query that lost its database on the way: no mutation gives null as a whole
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="waterline"'
    if status == 405:
        headers["allow"] = "POST"
    if status in (429, 503):
        headers["retry-after"] = str(first.get("retryAfterSeconds", _RETRY_AFTER[code]))
    media = PLAIN if media == EVENTS else media
    return Response(answer.as_bytes(), status, headers, media_type=f"{media}; charset=utf-8")


def _bad(bad: BadRequest, media: str) -> Response:
    answer = execution.refusal(request_error(bad.message, "BAD_REQUEST"))
    media = PLAIN if media == EVENTS else media
    return Response(answer.as_bytes(), bad.status, bad.headers, media_type=f"{media}; charset=utf-8")


async def _event_stream(services: Services, asked: execution.Request, caller: Caller, *, get: bool) -> Response:
    """One operation over server-sent events: `next` for each answer, then `complete`."""
    if execution.is_subscription(services, asked, caller):
        started = await execution.stream(services, asked, caller)
    else:
        started = await execution.run(services, asked, caller, read_only=get)
    if isinstance(started, Answer) and started.refused:
        return _respond(started, MODERN)
    answers = execution.single(started) if isinstance(started, Answer) else started
    return StreamingResponse(
        _events(answers, services.callers, caller),
        media_type=EVENTS,
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _events(answers: AsyncIterator[Answer], callers: Callers, caller: Caller) -> AsyncIterator[bytes]:
    """Messages as they come, and a comment now and then so that nobody between takes the connection for dead.

    A stream lives no longer than its token: it ends with a message that says so.
    """
    yield b":\n\n"
    waiting: asyncio.Task[Answer] | None = None
    lost = asyncio.get_running_loop().create_future()

    def is_lost() -> None:
        if not lost.done():
            lost.set_result(None)

    leave = callers.follow(caller, is_lost)
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(answers))  # type: ignore[arg-type]
            left = (caller.expires_at - datetime.now(UTC)).total_seconds() if caller.expires_at else KEEP_ALIVE_SECONDS
            if left <= 0 or lost.done():
                why = "has expired" if left <= 0 else "is not valid any more"
                over = AccessDenied("UNAUTHENTICATED", f"This access token {why}. Subscribe again with a new one.")
                yield _message(execution.refusal(over))
                break
            await asyncio.wait(
                {waiting, lost}, timeout=min(left, KEEP_ALIVE_SECONDS), return_when=asyncio.FIRST_COMPLETED
            )
            if lost.done():
                continue
            if not waiting.done():
                yield b":\n\n"
                continue
            try:
                answer = waiting.result()
            except StopAsyncIteration:
                break
            waiting = None
            yield _message(answer)
        yield b"event: complete\ndata:\n\n"
    finally:
        leave()
        # Whoever cancels a response does so again at every await: the leave-taking needs a task of its own.
        await asyncio.shield(asyncio.ensure_future(_leave(waiting, answers)))


def _message(answer: Answer) -> bytes:
    return b"event: next\ndata: " + answer.as_bytes() + b"\n\n"


async def _leave(waiting: "asyncio.Task[Answer] | None", answers: AsyncIterator[Answer]) -> None:
    if waiting is not None:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    close = getattr(answers, "aclose", None)
    if close is not None:
        await close()
