"""Gathers what the capabilities declare and makes the schema from it, once per process."""

from functools import lru_cache

import api.graphql.business
import api.graphql.catalog
import api.graphql.customers
import api.graphql.events
import api.graphql.fulfillment
import api.graphql.ledger
import api.graphql.ledger_audit
import api.graphql.live.orders
import api.graphql.live.stock
import api.graphql.orders
import api.graphql.payments
import api.graphql.rates
import api.graphql.stock
from api.graphql.kit.build import Built, build


@lru_cache(maxsize=1)
def built() -> Built:
    """The schema with its scopes and costs."""
    return build()


def print_schema() -> str:
    """The schema as `schema.graphql` holds it."""
    return built().schema.as_str() + "\n"
