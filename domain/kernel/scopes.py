"""What a token may do, as words of the form `noun:verb`.

`noun:write` implies `noun:read`. A third verb exists only for the dangerous (`payments:refund`), and is implied by
none: `stock:approve` makes goods worth what somebody else proposed. Nothing is allowed that is not named: a door
without a scope does not open.
"""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """Every scope there is, in the alphabet's order."""

    COSTS_READ = "costs:read"
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    EVENTS_READ = "events:read"
    LEDGER_CLOSE = "ledger:close"
    LEDGER_READ = "ledger:read"
    LEDGER_REOPEN = "ledger:reopen"
    LEDGER_WRITE = "ledger:write"
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    PAYMENTS_READ = "payments:read"
    PAYMENTS_REFUND = "payments:refund"
    PAYMENTS_WRITE = "payments:write"
    PRICES_OVERRIDE = "prices:override"
    PRODUCTS_READ = "products:read"
    PRODUCTS_WRITE = "products:write"
    SCHEMA_READ = "schema:read"
    STOCK_APPROVE = "stock:approve"
    STOCK_READ = "stock:read"
    STOCK_WRITE = "stock:write"


AUDITOR = frozenset(scope for scope in Scope if scope.endswith(":read"))
"""What an auditor's token may do: read everything, change nothing."""


def implied(granted: Iterable[str]) -> frozenset[str]:
    """The scopes with all they imply."""
    scopes = set(granted)
    known = set(Scope)
    for scope in tuple(scopes):
        noun, _, verb = scope.partition(":")
        if verb == "write" and f"{noun}:read" in known:
            scopes.add(f"{noun}:read")
    return frozenset(scopes)


def parse(words: str) -> frozenset[str]:
    """Read a space-separated list, as OAuth writes it. Raises ValueError that names the unknown ones."""
    scopes = frozenset(words.split())
    unknown = sorted(scopes - set(Scope))
    if unknown:
        raise ValueError(f"unknown scope {', '.join(unknown)}; known are {', '.join(Scope)}")
    return scopes
