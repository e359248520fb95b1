"""What the business announces."""

from dataclasses import dataclass

from domain.kernel.events import Event


@dataclass(frozen=True)
class SalesChannelCreated(Event):
    """A channel exists from now on."""
