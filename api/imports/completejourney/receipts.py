"""The till receipts of the package: its rows, put together to baskets in the order of time.

What a row's figures mean, by the data's own description: `sales_value` is what the shop receives for the row, so it is
what the order line comes to; `retail_disc` (loyalty card) and `coupon_match_disc` are what the shop took off, so the
price on the shelf was the sum of the three. `coupon_disc` is a manufacturer's coupon: the shop receives that money too,
from the manufacturer, so it is a way to pay and no discount.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from api.imports.completejourney.reading import Refused, note, table
from domain.kernel.errors import Refusal

COLUMNS = (
    "basket_id",
    "store_id",
    "household_id",
    "transaction_timestamp",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
    "coupon_match_disc",
)


class CannotBeLine(Refusal):
    """A row that cannot be a line of an order."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a receipt. Amounts in dollars."""

    product: str
    quantity: int
    net: Decimal
    """What the shop receives for it."""
    discount: Decimal
    """What the shop took off."""
    coupon: Decimal
    """What a manufacturer's coupon paid of it."""

    @property
    def gross(self) -> Decimal:
        """What it would have cost without discounts."""
        return self.net + self.discount

    @property
    def unit_price(self) -> Decimal:
        """The price on the shelf, to six decimals: times the quantity it rounds to the gross again."""
        return (self.gross / self.quantity).quantize(Decimal("0.000001"))


@dataclass(slots=True)
class Basket:
    """What a household bought at once."""

    id: str
    store: str
    household: str
    at: datetime
    items: list[Item] = field(default_factory=list)

    @property
    def net(self) -> Decimal:
        """What the shop receives for all of it."""
        return sum((item.net for item in self.items), Decimal(0))

    @property
    def coupons(self) -> Decimal:
        """What coupons paid of it: never more than there was to pay."""
        return min(sum((item.coupon for item in self.items), Decimal(0)), self.net)


class Receipts:
    """All receipts, oldest first. Rows are read a part at a time."""

    def __init__(self, rows: Any) -> None:
        keys = [("transaction_timestamp", "ascending"), ("basket_id", "ascending"), ("product_id", "ascending")]
        self._rows = rows.select(COLUMNS).sort_by(keys)
        ids = self._rows.column("basket_id").to_pylist()
        starts = [0, *(n for n, (one, other) in enumerate(pairwise(ids), 1) if one != other)]
        self._bounds = [*starts, len(ids)]

    @classmethod
    def read(cls) -> "Receipts":
        """The package's receipts."""
        return cls(table("transactions"))

    def __len__(self) -> int:
        """How many baskets there are."""
        return len(self._bounds) - 1

    def stores(self) -> list[str]:
        """The ids of all stores, in their order."""
        return _distinct(self._rows, "store_id")

    def households(self) -> list[str]:
        """The ids of all households, in their order."""
        return _distinct(self._rows, "household_id")

    def baskets(self, start: int, stop: int, petrol: frozenset[str], refused: Refused) -> Iterator[Basket]:
        """The baskets from `start` to before `stop`. Rows that cannot be lines are noted and left out."""
        first, last = self._bounds[start], self._bounds[min(stop, len(self))]
        basket: Basket | None = None
        for row in self._rows.slice(first, last - first).to_pylist():
            if basket is None or basket.id != str(row["basket_id"]):
                if basket is not None:
                    yield basket
                at = row["transaction_timestamp"].replace(tzinfo=UTC)
                basket = Basket(str(row["basket_id"]), str(row["store_id"]), str(row["household_id"]), at)
            try:
                basket.items.append(item_of(row, petrol))
            except CannotBeLine as refusal:
                note(refused, f"{row['basket_id']}/{row['product_id']}", refusal)
        if basket is not None:
            yield basket


def item_of(row: dict[str, Any], petrol: frozenset[str]) -> Item:
    """A row as a line. Refused with CannotBeLine where nothing was counted."""
    product, quantity = str(row["product_id"]), row["quantity"]
    if quantity <= 0:
        raise CannotBeLine("The quantity is zero")
    if product in petrol:
        raise CannotBeLine("Petrol is measured, so its quantity is no count of pieces")
    discount = _cents(row["retail_disc"]) + _cents(row["coupon_match_disc"])
    return Item(product, quantity, _cents(row["sales_value"]), discount, _cents(row["coupon_disc"]))


def petrol_of(products: Any) -> frozenset[str]:
    """The ids of the products that are petrol, of the package's table of products."""
    rows = products.select(["product_id", "product_category", "product_type"]).to_pylist()
    return frozenset(
        str(row["product_id"])
        for row in rows
        if (row["product_type"] or "").startswith("GASOLINE") or row["product_category"] == "FUEL"
    )


def _cents(value: float) -> Decimal:
    """The data are whole cents that were written as floats: the nearest cent is what was meant."""
    return Decimal(round(value * 100)).scaleb(-2)


def _distinct(rows: Any, column: str) -> list[str]:
    return [str(each) for each in sorted(set(rows.column(column).to_pylist()))]
