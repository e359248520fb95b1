"""OAuth 2: where apps ask for tokens, give them back and ask about them (RFC 6749, 7009, 7662, 8414).

The protocol is authlib's, which is synchronous. Each request is one act: its form is read first, then authlib runs in
the act's session, and its hooks reach back to the asynchronous operations of `identity`.
"""

import base64
import logging
from collections.abc import Callable, Collection
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl, unquote

from authlib.oauth2 import AuthorizationServer, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import (
    ClientCredentialsGrant,
    ClientMixin,
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
    UnsupportedGrantTypeError,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from sqlalchemy.util import await_only
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.graphql.execution import Services
from api.graphql.kit.errors import outage
from api.http.requests import BadRequest, read_body
from domain import identity
from domain.identity import TOKEN_LIFETIME, AccessToken, App
from domain.kernel.scopes import Scope, implied
from domain.kernel.work import SYSTEM, Work, begin

LARGEST_FORM = 16_384
"""Bytes. Every scope there is fits in many times over."""
MOST_PARAMETERS = 50
RETRY_AFTER_SECONDS = 5
"""What whoever meets a database that is busy or away is asked to wait."""

FORM = "application/x-www-form-urlencoded"
AUTHENTICATION = ["client_secret_basic", "client_secret_post"]

_work: ContextVar[Work] = ContextVar("work")
"""The act that authlib's hooks run in."""

# authlib writes the tokens that it issues into its debug log.
logging.getLogger("authlib").setLevel(logging.INFO)


async def token(request: Request) -> Response:
    """`POST /oauth/token`."""
    return await _answer(request, _server.create_token_response)


async def revoke(request: Request) -> Response:
    """`POST /oauth/revoke`."""
    return await _answer(request, lambda asked: _server.create_endpoint_response(_Revocation.ENDPOINT_NAME, asked))


async def introspect(request: Request) -> Response:
    """`POST /oauth/introspect`."""
    return await _answer(request, lambda asked: _server.create_endpoint_response(_Introspection.ENDPOINT_NAME, asked))


async def metadata(request: Request) -> Response:
    """`GET /.well-known/oauth-authorization-server`."""
    issuer = str(request.base_url).rstrip("/")
    document = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "token_endpoint_auth_methods_supported": AUTHENTICATION,
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": AUTHENTICATION,
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": AUTHENTICATION,
        "grant_types_supported": [ClientCredentialsGrant.GRANT_TYPE],
        "response_types_supported": [],  # required, even where nothing can be authorized by hand
        "scopes_supported": list(Scope),
    }
    # The addresses come from the Host header, so no cache may show them to anybody else.
    return JSONResponse(document, headers={"cache-control": "no-store"})


routes = [
    Route("/oauth/token", token, methods=["POST"]),
    Route("/oauth/revoke", revoke, methods=["POST"]),
    Route("/oauth/introspect", introspect, methods=["POST"]),
    Route("/.well-known/oauth-authorization-server", metadata),
]


class _Asked(OAuth2Request):
    """A request whose form has been read.

    authlib refuses addresses without https. TLS ends in front of Waterline, where alone this can be enforced, so the
    address given to authlib says what the outside is taken for.
    """

    def __init__(self, request: Request, form: dict[str, str]) -> None:
        super().__init__(request.method, f"https://waterline{request.scope['path']}", headers=request.headers)
        self.payload = BasicOAuth2Payload(form)
        self.authorization = request.headers.getlist("authorization")

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data if self.payload else {}


class _Client(ClientMixin):
    """An app, in authlib's words."""

    def __init__(self, app: App) -> None:
        self.app = app

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == ClientCredentialsGrant.GRANT_TYPE


class _NotAuthenticated(InvalidClientError):  # noqa: N818  an answer about the caller
    """One answer for unknown, disabled and mistaken clients, so that it tells nothing about which apps there are."""

    status_code = 401
    description = "There is no such client, or this is not its secret."

    def get_headers(self) -> list[tuple[str, str]]:
        return [*OAuth2Error.get_headers(self), ("WWW-Authenticate", 'Basic realm="waterline", charset="UTF-8"')]


class _ClientCredentials(ClientCredentialsGrant):
    """An app asks for itself."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTHENTICATION

    def validate_requested_scope(self) -> None:
        """An app may narrow what it may do at all, down to a scope that another of its scopes implies."""
        asked = self.request.scope
        if asked is None:
            return
        scopes, granted = set(asked.split()), implied(_app(self.client).scopes)
        if not scopes or not scopes <= granted:
            raise InvalidScopeError(f"This client may ask for: {' '.join(sorted(granted))}.")


class _Revocation(RevocationEndpoint):
    """An app gives one of its tokens back. Other tokens stay as they are, and the answer does not tell."""

    CLIENT_AUTH_METHODS = AUTHENTICATION

    def authenticate_token(self, request: _Asked, client: _Client) -> str:  # noqa: ARG002
        return _token_text(request)

    def revoke_token(self, token: str, request: _Asked) -> None:
        await_only(identity.revoke_token(_work.get(), token, app=_app(request.client)))


class _Introspection(IntrospectionEndpoint):
    """An app asks about one of its tokens. Other tokens look like none at all."""

    CLIENT_AUTH_METHODS = AUTHENTICATION

    def authenticate_token(self, request: _Asked, client: _Client) -> AccessToken | None:
        return await_only(identity.valid_token(_work.get(), _token_text(request), app=client.app))

    def create_introspection_payload(self, token: AccessToken | None) -> dict[str, Any]:
        if token is None:
            return {"active": False}
        return {
            "active": True,
            "token_type": "Bearer",
            "client_id": token.app_id,
            "sub": token.app_id,
            "scope": " ".join(token.scopes),
            "iat": int(token.created_at.timestamp()),
            "exp": int(token.expires_at.timestamp()),
        }


class _Server(AuthorizationServer):
    """authlib on Starlette and on `identity`."""

    def create_oauth2_request(self, request: _Asked) -> _Asked:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Response:
        return JSONResponse(body, status, dict(headers))

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def authenticate_client(self, request: Any, methods: Collection[str], endpoint: str = "token") -> _Client:  # noqa: ARG002
        """By the header or by the form. Both, or one twice, is a mistake (RFC 6749, section 2.3)."""
        form, headers = request.form, request.authorization
        if len(headers) + ("client_secret" in form) > 1:
            raise InvalidRequestError("Authenticate by the Authorization header or by the form, once.")
        app_id, secret = _basic(headers[0]) if headers else (form.get("client_id", ""), form.get("client_secret", ""))
        if form.get("client_id", app_id) != app_id:
            raise InvalidRequestError("The client_id is another one than in the Authorization header.")
        app = await_only(identity.authenticate_app(_work.get(), app_id, secret))
        if app is None:
            raise _NotAuthenticated
        return _Client(app)

    def get_token_grant(self, request: OAuth2Request) -> Any:
        """As authlib does, without repeating to the caller what was asked."""
        try:
            return super().get_token_grant(request)
        except UnsupportedGrantTypeError as error:
            if error.grant_type is None:
                raise InvalidRequestError("The parameter grant_type is missing.") from None
            supported = ClientCredentialsGrant.GRANT_TYPE
            raise OAuth2Error(f"Supported is {supported}.", error="unsupported_grant_type") from None

    def generate_token(self, *_: Any, **asked: Any) -> dict[str, str | int]:
        """Make and save a token in one step. Without named scopes it carries all that the app has."""
        app, scope = _app(asked["client"]), asked["scope"]
        scopes = set(app.scopes if scope is None else scope.split())
        issued, text = await_only(identity.issue_token(_work.get(), app, scopes=scopes, lifetime=TOKEN_LIFETIME))
        return {
            "access_token": text,
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFETIME.total_seconds()),
            "scope": " ".join(issued.scopes),
        }

    def save_token(self, token: dict[str, str | int], request: OAuth2Request) -> None:
        """Saved already, as a hash, when it was made."""


_server = _Server()
_server.register_grant(_ClientCredentials)
_server.register_endpoint(_Revocation)
_server.register_endpoint(_Introspection)


async def _answer(request: Request, respond: Callable[[_Asked], Any]) -> Response:
    """What authlib answers to the request, in one act. A form that cannot be read never gets as far as the database."""
    services: Services = request.app.state.services
    try:
        asked = _Asked(request, await _form(request))
        async with services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            reset = _work.set(work)
            try:
                return await work.session.run_sync(lambda _: respond(asked))
            finally:
                _work.reset(reset)
    except OAuth2Error as error:
        return _server.handle_response(*error())
    except Exception as error:
        out = outage(error)
        if out is None:
            raise
        told = {"error": "temporarily_unavailable", "error_description": out[1]}
        return JSONResponse(told, 503, {"retry-after": str(RETRY_AFTER_SECONDS), "cache-control": "no-store"})


async def _form(request: Request) -> dict[str, str]:
    """The parameters in the body: each once, and none without a value (RFC 6749, section 3.2)."""
    kind, _, options = request.headers.get("content-type", "").partition(";")
    charset = options.lower().partition("charset=")[2].strip(' "')
    if kind.strip().lower() != FORM or charset not in ("", "utf-8", "utf8"):
        raise InvalidRequestError(f"Send the request as {FORM}, in UTF-8.")
    try:
        body = await read_body(request)
    except BadRequest as bad:
        raise InvalidRequestError(bad.message, status_code=bad.status) from None
    if len(body) > LARGEST_FORM:
        raise InvalidRequestError(f"The form is larger than {LARGEST_FORM} bytes.", status_code=413)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:  # not UTF-8, or too many
        raise InvalidRequestError(f"The form is not in UTF-8, or has more than {MOST_PARAMETERS} parameters.") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise InvalidRequestError("A parameter is given more than once.")
    if any("\0" in text for pair in pairs for text in pair):
        raise InvalidRequestError("The form holds a NUL character.")
    return {name: value for name, value in pairs if value}


def _basic(header: str) -> tuple[str, str]:
    """Id and secret in an Authorization header. authlib's own reader breaks on bytes that are not UTF-8."""
    scheme, _, encoded = header.partition(" ")
    try:
        app_id, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise _NotAuthenticated from None
    if scheme.lower() != "basic":
        raise _NotAuthenticated
    return unquote(app_id), unquote(secret)


def _app(client: ClientMixin | None) -> App:
    assert isinstance(client, _Client)
    return client.app


def _token_text(request: _Asked) -> str:
    """The token that the request is about. What kind the client takes it for does not matter: there is but one."""
    text = request.form.get("token")
    if text is None:
        raise InvalidRequestError("The parameter token is missing.")
    return text
