"""The business: its name and currency, its sales channels and brands, its units of measure."""

from domain.business.events import SalesChannelCreated
from domain.business.operations import NewSalesChannel, found, open_channel
from domain.business.queries import channels, units
from domain.business.tables import Business, ChannelKind, Dimension, SalesChannel, TaxMode, Unit
from domain.business.units import convert, unit_by_code

__all__ = [
    "Business",
    "ChannelKind",
    "Dimension",
    "NewSalesChannel",
    "SalesChannel",
    "SalesChannelCreated",
    "TaxMode",
    "Unit",
    "channels",
    "convert",
    "found",
    "open_channel",
    "unit_by_code",
    "units",
]
