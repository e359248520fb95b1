"""What identity announces."""

from dataclasses import dataclass

from domain.kernel.events import Event


@dataclass(frozen=True)
class AppRegistered(Event):
    """An app may ask for tokens from now on."""

    scopes: list[str]
