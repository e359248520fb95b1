"""Customers and their addresses."""

from datetime import datetime
from typing import Annotated

from sqlalchemy import func

from api.graphql.external import ExternalReference, external_ids_of, external_key
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, batch, extends, find, many, pages, view
from domain import customers
from domain.kernel.countries import CountryCode
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(customers.Address, "AddressInput")

CustomerId = Annotated[ID, "The customer."]


@view(customers.CustomerAddress)
@access(Scope.CUSTOMERS_READ)
class Address:
    """Where somebody is reached, as it is written on a parcel. A value: it has no id and no life of its own."""

    name: str | None
    """Who receives there; the customer where it is null."""
    company: str | None
    """The company there."""
    line1: str
    """Street and house number, or a post box."""
    line2: str | None
    """Floor, building or whatever else finds the door."""
    city: str | None
    """City, town or village."""
    region: str | None
    """State, province or county, where addresses there name one."""
    postal_code: str | None
    """The postal code, where there is one."""
    country_code: CountryCode
    """The country."""
    phone: str | None
    """The number to call about a delivery."""


@view(customers.Customer)
@access(Scope.CUSTOMERS_READ)
class Customer(Node):
    """Whoever buys: a person, a household or a company."""

    name: str
    """The name."""
    email: str | None
    """The email address as it was typed; unique without regard to case."""
    phone: str | None
    """The phone number as it was typed."""
    addresses: list[Address] = many(customers.CustomerAddress.__table__.c.position)
    """The addresses in their order; at most 50."""
    external_ids: list[ExternalReference] = batch(external_ids_of)
    """What other systems call it."""
    version: int
    """Rises with every change; for `expectedVersion`."""
    created_at: datetime
    """Since when it exists."""
    updated_at: datetime
    """When it was changed last."""


_customer = customers.Customer.__table__.c


@extends("Query")
class CustomerQueries:
    customer: Customer | None = find(
        id=(ID, lambda value: _customer.id == value),
        email=(str, lambda value: _customer.email_folded == func.lower(value.strip())),
        external=(ExternalId, external_key("cus", _customer.id)),
    )
    """One customer, by its id, its email or what another system calls it."""
    customers: Connection[Customer] = pages(customers.customers)
    """The customers: by default the oldest first."""


@mutation
@access(Scope.CUSTOMERS_WRITE)
async def customer_create(work: Work, input: customers.NewCustomer) -> Customer:
    """Creates a customer."""
    return await customers.create(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.CUSTOMERS_WRITE)
async def customer_update(work: Work, id: CustomerId, input: customers.CustomerChanges) -> Customer:
    """Changes what describes a customer. What is left out stays as it is."""
    return await customers.update(work, id, input)  # type: ignore[return-value]
