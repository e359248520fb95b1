"""The customers: who buys, and where to reach them."""

from domain.customers.events import CustomerCreated, CustomerUpdated
from domain.customers.operations import (
    Address,
    BroughtIn,
    CustomerChanges,
    NewCustomer,
    bring_in,
    checked_address,
    checked_email,
    create,
    create_many,
    update,
)
from domain.customers.queries import customers
from domain.customers.tables import MOST_ADDRESSES, Customer, CustomerAddress

__all__ = [
    "MOST_ADDRESSES",
    "Address",
    "BroughtIn",
    "Customer",
    "CustomerAddress",
    "CustomerChanges",
    "CustomerCreated",
    "CustomerUpdated",
    "NewCustomer",
    "bring_in",
    "checked_address",
    "checked_email",
    "create",
    "create_many",
    "customers",
    "update",
]
