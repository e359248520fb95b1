"""GraphQL over WebSocket, by the protocol `graphql-transport-ws`.

One socket carries any number of operations. The token comes in the Authorization header or, for browsers, which cannot
set one, in the payload of `connection_init`. A socket lives no longer than its token.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.graphql import execution
from api.graphql.execution import Answer, Services
from api.http.requests import LARGEST_BODY, BadRequest, graphql_request, parse_json, token_in
from domain.identity import Caller
from domain.kernel.errors import AccessDenied

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10
OPERATIONS = 200
"""Operations that one socket may have running."""

BAD, UNAUTHORIZED, FORBIDDEN, INIT_TIMEOUT, DUPLICATE, TWICE = 4400, 4401, 4403, 4408, 4409, 4429
UNACCEPTABLE, BUG = 4406, 4500
TOO_BIG, TRY_LATER = 1009, 1013


async def websocket(socket: WebSocket) -> None:
    """`WebSocket /graphql`."""
    if PROTOCOL not in socket.scope.get("subprotocols", ()):
        await socket.accept()
        await socket.close(UNACCEPTABLE, "Subprotocol not acceptable")
        return
    await socket.accept(PROTOCOL)
    await _Connection(socket, socket.app.state.services).serve()


class _Closed(Exception):  # noqa: N818
    """The socket must be closed with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class _Connection:
    """One socket and the operations on it."""

    def __init__(self, socket: WebSocket, services: Services) -> None:
        self.socket, self.services = socket, services
        self.caller: Caller | None = None
        self.token: str | None = None
        self.is_revoked = False
        self.running: dict[str, asyncio.Task[None]] = {}
        self.sending = asyncio.Lock()

    async def serve(self) -> None:
        """Read messages until the client leaves, breaks the protocol or its token is worth nothing any more."""
        try:
            async with asyncio.timeout(INIT_SECONDS) as patience:
                await self._listen(patience)
        except TimeoutError:
            if self.caller is None:
                await self._close(INIT_TIMEOUT, "Connection initialisation timeout")
                return
            await self._close(FORBIDDEN, "Token revoked" if self.is_revoked else "Token expired")
        except _Closed as closed:
            await self._close(closed.code, closed.reason)
        except WebSocketDisconnect:
            pass
        except Exception as error:  # the outermost door: nobody may see a stack trace
            told = execution.refusal(error).errors[0]
            busy = told["extensions"]["code"] in ("OVERLOADED", "UNAVAILABLE")
            await self._close(TRY_LATER if busy else BUG, told["message"][:120])
        finally:
            for task in self.running.values():
                task.cancel()
            await asyncio.gather(*self.running.values(), return_exceptions=True)

    async def _listen(self, patience: asyncio.Timeout) -> None:
        """Handle messages, and lose patience when the token is worth nothing any more."""

        def lost() -> None:
            if not patience.expired():
                # What has run out is lost, too. The loop's own clock may end it a little before this one says so.
                over = self._until_expiry()
                self.is_revoked = over is None or over > asyncio.get_running_loop().time()
                patience.reschedule(0)

        leave: Callable[[], None] | None = None
        try:
            while True:
                await self._handle(await self._receive())
                if leave is None and self.caller is not None:
                    patience.reschedule(self._until_expiry())
                    leave = self.services.callers.follow(self.caller, lost)
        finally:
            if leave is not None:
                leave()

    def _until_expiry(self) -> float | None:
        if self.caller is None or self.caller.expires_at is None:
            return None
        left = (self.caller.expires_at - datetime.now(UTC)).total_seconds()
        return asyncio.get_running_loop().time() + left

    async def _receive(self) -> dict[str, Any]:
        event = await self.socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1000))
        text = event.get("text")
        if text is None:
            raise _Closed(BAD, "Messages are text")
        if len(text) > LARGEST_BODY:
            raise _Closed(TOO_BIG, f"At most {LARGEST_BODY // 1_000_000} MB")
        try:
            message = parse_json(text)
        except BadRequest as bad:
            raise _Closed(BAD, "Invalid message: no JSON") from bad
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise _Closed(BAD, "Invalid message: no type")
        return message

    async def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_init":
                await self._init(message.get("payload"))
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                self._subscribe(message)
            case "complete":
                task = self.running.pop(str(message.get("id")), None)
                if task is not None:
                    task.cancel()
            case other:
                raise _Closed(BAD, f"Invalid message type: {other[:50]}")

    async def _init(self, payload: object) -> None:
        if self.caller is not None:
            raise _Closed(TWICE, "Too many initialisation requests")
        given = payload if isinstance(payload, dict) else {}
        header = next((str(value) for name, value in given.items() if name.lower() == "authorization"), None)
        try:
            self.token = token_in(header if header is not None else self.socket.headers.get("authorization"))
            self.caller = await self.services.callers.authenticated(self.token)
        except AccessDenied as denied:
            raise _Closed(FORBIDDEN, denied.message[:120]) from denied
        await self._send({"type": "connection_ack"})

    def _subscribe(self, message: dict[str, Any]) -> None:
        if self.caller is None:
            raise _Closed(UNAUTHORIZED, "Unauthorized")
        key = message.get("id")
        if not isinstance(key, str) or not key:
            raise _Closed(BAD, "Invalid message: no id")
        if key in self.running:
            raise _Closed(DUPLICATE, f"Subscriber for {key[:50]} already exists")
        if len(self.running) >= OPERATIONS:
            raise _Closed(TWICE, f"At most {OPERATIONS} operations at a time")
        try:
            request = graphql_request(message.get("payload"))
        except BadRequest as bad:
            raise _Closed(BAD, bad.message[:120]) from bad
        self.running[key] = asyncio.create_task(self._operate(key, request, self.caller))

    async def _operate(self, key: str, request: execution.Request, caller: Caller) -> None:
        started: Answer | AsyncIterator[Answer] | None = None
        try:
            if execution.is_subscription(self.services, request, caller):
                caller = await self.services.callers.authenticated(self.token)
                started = await execution.stream(self.services, request, caller)
            else:
                started = await execution.ask(self.services, request, self.token)
            async for answer in execution.single(started) if isinstance(started, Answer) else started:
                if answer.refused:
                    await self._send({"id": key, "type": "error", "payload": answer.errors})
                    return
                await self._send({"id": key, "type": "next", "payload": answer.as_dict()})
            await self._send({"id": key, "type": "complete"})
        except WebSocketDisconnect:
            pass
        except Exception as error:  # the outermost door: nobody may see a stack trace
            await self._send({"id": key, "type": "error", "payload": execution.refusal(error).errors})
        finally:
            if self.running.get(key) is asyncio.current_task():
                del self.running[key]
            close = getattr(started, "aclose", None)
            if close is not None:
                await close()

    async def _send(self, message: dict[str, Any]) -> None:
        async with self.sending:
            if self.socket.application_state is not WebSocketState.CONNECTED:
                raise WebSocketDisconnect(1006)
            try:
                await self.socket.send_text(execution.encode(message).decode())
            except RuntimeError as gone:  # closed between the check and the send
                raise WebSocketDisconnect(1006) from gone

    async def _close(self, code: int, reason: str) -> None:
        if self.socket.application_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError):
                await self.socket.close(code, reason)
