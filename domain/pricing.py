"""Pricing: what a line costs, and why. Thin today: the variant's own price, or one that somebody says.

Price lists, quantity breaks and promotions will come in here, and nothing else will notice.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from domain.catalog import Sellable
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.money import CurrencyCode, Money, currency_digits
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

_EXACT = Context(prec=50)


class NoPrice(Invalid):
    """Nothing says what this costs in this currency."""


@dataclass(frozen=True)
class Ask:
    """A line that wants a price."""

    variant: Sellable
    quantity: Decimal
    path: tuple[str | int, ...]
    """Where in the input the line is."""
    unit_price: Money | None = None
    """A price that somebody says instead of the variant's own; up to six decimals."""
    discount: Money | None = None
    """What somebody takes off the whole line."""


@dataclass(frozen=True)
class Quote:
    """What a line comes to, before tax. Amounts in the currency asked for; `total` = `subtotal` - `discount`."""

    unit_price: Decimal
    subtotal: Decimal
    discount: Decimal

    @property
    def total(self) -> Decimal:
        """What is to be paid for the line."""
        return self.subtotal - self.discount


def quote(work: Work, asks: list[Ask], currency: CurrencyCode) -> list[Quote]:
    """The prices of lines, in their order. A line is rounded once: quantity times unit price, half away from zero.

    Refused with NoPrice and Invalid, all offences at once. Whoever says a price or a discount needs the scope
    `prices:override` (AccessDenied).
    """
    quotes: list[Quote] = []
    refusals: list[Refusal] = []
    for ask in asks:
        if ask.unit_price is not None or ask.discount is not None:
            work.require(Scope.PRICES_OVERRIDE)
        try:
            quotes.append(_quote(ask, currency))
        except Refusal as refusal:
            refusals.append(refusal)
    Refusals.raise_if_any(refusals)
    return quotes


def charged(money: Money, currency: CurrencyCode, *, decimals: int, path: tuple[str | int, ...]) -> Decimal:
    """An amount that somebody says, in the currency wanted, not negative and with so many decimals at most."""
    if money.currency != currency:
        raise Invalid(f"This is in {currency}: say the amount in {currency}.", path=(*path, "currency"))
    if money.amount < 0:
        raise Invalid("This cannot be negative.", path=(*path, "amount"))
    if -int(money.amount.normalize().as_tuple().exponent) > decimals:
        raise Invalid(f"At most {decimals} decimals.", path=(*path, "amount"))
    return money.amount


def _quote(ask: Ask, currency: CurrencyCode) -> Quote:
    digits = currency_digits(currency)
    if ask.unit_price is not None:
        unit_price = charged(ask.unit_price, currency, decimals=6, path=(*ask.path, "unitPrice"))
    elif ask.variant.price is not None and ask.variant.price.currency == currency:
        unit_price = ask.variant.price.amount
    else:
        raise NoPrice(f"{ask.variant.sku} has no price in {currency}.", path=ask.path)
    exact = _EXACT.multiply(unit_price, ask.quantity)
    subtotal = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, context=_EXACT)
    discount = Decimal(0)
    if ask.discount is not None:
        discount = charged(ask.discount, currency, decimals=digits, path=(*ask.path, "discount"))
    if discount > subtotal:
        raise Invalid("A discount cannot be more than the line comes to.", path=(*ask.path, "discount", "amount"))
    return Quote(unit_price, subtotal, discount)
