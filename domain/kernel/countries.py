"""Countries: the two letters of ISO 3166 that addresses and tax rules name them by."""

from functools import lru_cache
from typing import NewType

from babel import Locale

CountryCode = NewType("CountryCode", str)
"""An ISO 3166-1 alpha-2 code in capitals, such as DE."""

# What CLDR names beside the countries: groups of them, places that post under another code, and codes for tests.
# XK (Kosovo) stays: ISO left it to users, and carriers use it.
_NO_COUNTRIES = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"})


@lru_cache(maxsize=1)
def country_codes() -> frozenset[str]:
    """The country codes that CLDR knows."""
    return frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2) - _NO_COUNTRIES
