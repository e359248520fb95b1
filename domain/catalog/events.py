"""What the catalog announces."""

from dataclasses import dataclass

from domain.kernel.events import Event
from domain.kernel.ids import ID


@dataclass(frozen=True)
class ProductCreated(Event):
    """A product exists from now on, with these variants."""

    variants: list[ID]


@dataclass(frozen=True)
class ProductUpdated(Event):
    """What describes the product changed: these fields of it, and these variants."""

    fields: list[str]
    variants: list[ID]


@dataclass(frozen=True)
class ProductActivated(Event):
    """The product is on sale from now on."""


@dataclass(frozen=True)
class ProductDiscontinued(Event):
    """The product sells out and is not bought in again."""


@dataclass(frozen=True)
class ProductArchived(Event):
    """The product is kept for the records only."""
