"""Who calls: apps, their secrets and tokens, and what each token may do."""

from domain.identity.events import AppRegistered
from domain.identity.operations import (
    ANONYMOUS,
    COMMAND_LINE_LIFETIME,
    TOKEN_LIFETIME,
    Caller,
    app_by_name,
    authenticate,
    authenticate_app,
    hash_of,
    issue_token,
    proof_of,
    register_app,
    revoke_token,
    secret_matches,
    still_valid,
    valid_token,
    worth_nothing,
)
from domain.identity.tables import AccessToken, App

__all__ = [
    "ANONYMOUS",
    "COMMAND_LINE_LIFETIME",
    "TOKEN_LIFETIME",
    "AccessToken",
    "App",
    "AppRegistered",
    "Caller",
    "app_by_name",
    "authenticate",
    "authenticate_app",
    "hash_of",
    "issue_token",
    "proof_of",
    "register_app",
    "revoke_token",
    "secret_matches",
    "still_valid",
    "valid_token",
    "worth_nothing",
]
