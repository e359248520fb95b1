"""What can be asked of the customers."""

from sqlalchemy import ColumnElement, select

from domain.customers.tables import Customer
from domain.kernel import listing

_customer = Customer.__table__.c


def search_customers(search: str) -> ColumnElement[bool]:
    """Customers found by words of their name or by how their email starts. Each half has its own index."""
    by_name = select(_customer.id).where(listing.has_words(_customer.search, search))
    by_email = select(_customer.id).where(listing.starts_folded(_customer.email_folded, search))
    return _customer.id.in_(by_name.union(by_email))


customers = listing.Listing(
    Customer,
    filters={
        "id": listing.identity(_customer.id),
        "email": listing.folded(_customer.email_folded),
        "name": listing.folded(_customer.name_folded),
        "created_at": listing.instant(_customer.created_at),
    },
    sorts={"CREATED_AT": _customer.created_at, "NAME": _customer.name_folded},
    search=search_customers,
)
