"""The charts of accounts that a business may begin with. Each has an account for every role, so all of them work."""

from collections.abc import Mapping
from enum import StrEnum

from domain.ledger.charts.ifrs import IFRS
from domain.ledger.charts.line import Line
from domain.ledger.charts.retail import RETAIL
from domain.ledger.charts.us import US


class Template(StrEnum):
    """A chart to begin with."""

    RETAIL = "retail"
    IFRS = "ifrs"
    US = "us"


CHARTS: Mapping[Template, tuple[Line, ...]] = {Template.RETAIL: RETAIL, Template.IFRS: IFRS, Template.US: US}

__all__ = ["CHARTS", "Line", "Template"]
