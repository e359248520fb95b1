"""What can be asked of the customers."""

from sqlalchemy import ColumnElement, func, select

from domain.customers.tables import Customer
from domain.kernel import listing
from domain.kernel.listing import HIGHEST

_customer = Customer.__table__.c


def _words(search: str) -> ColumnElement[bool]:
    """Customers whose name has all the words, each perhaps cut short."""
    terms = ["'" + word.replace("\\", "\\\\").replace("'", "''") + "':*" for word in search.split()]
    return _customer.search.op("@@")(func.to_tsquery("simple", " & ".join(terms)))


def _email(search: str) -> ColumnElement[bool]:
    """Customers whose email starts so."""
    start = func.lower(search.strip())
    return _customer.email_folded.between(start, start.op("||")(HIGHEST))


def search_customers(search: str) -> ColumnElement[bool]:
    """Customers found by words of their name or by how their email starts. Each half has its own index."""
    by_name = select(_customer.id).where(_words(search))
    by_email = select(_customer.id).where(_email(search))
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
