"""Reading requests: bodies of bounded size, JSON without floats, bearer tokens."""

from decimal import Decimal
from typing import Any

import msgspec
from starlette.requests import HTTPConnection, Request

from api.graphql.execution import Request as GraphQLRequest
from api.http.patience import Patience
from domain.kernel.errors import AccessDenied

LARGEST_BODY = 5_000_000
"""Bytes."""
BODY_SECONDS = 30
"""How long a body may take to come: until then it is kept, whoever sends it."""

# Numbers with a fraction become decimals, so that no quantity ever passes through a float.
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class BadRequest(Exception):  # noqa: N818
    """A request that is no GraphQL request. `status` is the HTTP status."""

    def __init__(self, message: str, *, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.headers = message, status, headers or {}


async def read_body(request: Request) -> bytes:
    """The body, refused with 413 as soon as it is larger than LARGEST_BODY, and with 408 when it does not come."""
    patience: Patience = request.app.state.patience
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > LARGEST_BODY:
        raise _too_large()
    chunks, size = [], 0
    try:
        with patience():
            async for chunk in request.stream():
                size += len(chunk)
                if size > LARGEST_BODY:
                    raise _too_large()
                chunks.append(chunk)
    except TimeoutError:
        late = f"The body did not come within {patience.seconds} seconds."
        raise BadRequest(late, status=408, headers={"connection": "close"}) from None
    return b"".join(chunks)


def parse_json(body: bytes | str) -> Any:
    """JSON as data. Raises BadRequest that says where it breaks."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        raise BadRequest(f"The body is no JSON: {error}.") from None


def graphql_request(parameters: Any) -> GraphQLRequest:
    """The parameters of a request, each of its type. Raises BadRequest that names the offending one."""
    if isinstance(parameters, list):
        raise BadRequest("Batches of requests are not accepted: send one, with several fields.")
    if not isinstance(parameters, dict):
        raise BadRequest("The body must be a JSON object with `query`.")
    query, variables = parameters.get("query"), parameters.get("variables")
    operation_name, extensions = parameters.get("operationName"), parameters.get("extensions")
    if query is None and isinstance(extensions, dict) and "persistedQuery" in extensions:
        query = None
    elif not isinstance(query, str) or not query.strip():
        raise BadRequest("`query` must be given, as a string.")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("`variables` must be an object.")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadRequest("`operationName` must be a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest("`extensions` must be an object.")
    return GraphQLRequest(query, variables or {}, operation_name or None, extensions or {})


def bearer(connection: HTTPConnection) -> str | None:
    """The bearer token of the Authorization header, or None when there is no such header."""
    return token_in(connection.headers.get("authorization"))


def token_in(header: str | None) -> str | None:
    """The token in an Authorization header. Raises AccessDenied when it holds something else."""
    if header is None:
        return None
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AccessDenied("UNAUTHENTICATED", "Send the access token as `Authorization: Bearer …`.")
    return token.strip()


def _too_large() -> BadRequest:
    return BadRequest(f"The body is larger than {LARGEST_BODY // 1_000_000} MB.", status=413)
