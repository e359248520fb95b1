"""What is announced of customers: ids and names of fields, never what is in them."""

from dataclasses import dataclass

from domain.kernel.events import Event


@dataclass(frozen=True)
class CustomerCreated(Event):
    """A customer exists from now on."""


@dataclass(frozen=True)
class CustomerUpdated(Event):
    """These fields of the customer changed."""

    fields: list[str]
