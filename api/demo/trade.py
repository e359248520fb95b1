"""What the demo shop has lived through: its people, its stock, its orders. The dice fall the same way every time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from random import Random

from api.demo.articles import SYSTEM_NAME, USD
from domain.customers import Address, NewCustomer
from domain.kernel.countries import CountryCode
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID
from domain.kernel.money import Money, Quantity
from domain.orders import NewOrder, NewOrderLine
from domain.stock import LocationKind, NewLocation, NewReceipt, NewReceiptLine

ORDERS = 40
"""Orders of the last weeks."""
COST = Decimal("0.45")
"""What goods cost the shop, of what it sells them for."""

_LOCATIONS = (
    ("WAREHOUSE", "Harbor warehouse", LocationKind.WAREHOUSE, 10),
    ("STORE", "Harbor Street store", LocationKind.STORE, 20),
    ("NORTH", "Northern fulfillment house", LocationKind.THIRD_PARTY, 30),
)

_PEOPLE = (
    ("Ada Brightwater", "14 Pier Lane", "Astoria", "OR", "97103"),
    ("Ben Okafor", "220 Cedar Street", "Portland", "OR", "97209"),
    ("Carla Mendes", "9 Lighthouse Road", "Newport", "OR", "97365"),
    ("Dmitri Volkov", "31 Gull Court", "Seattle", "WA", "98101"),
    ("Elin Strand", "77 Fjord Avenue", "Poulsbo", "WA", "98370"),
    ("Farah Haddad", "502 Alder Way", "Tacoma", "WA", "98402"),
    ("Gus Whitfield", "8 Millrace", "Bend", "OR", "97701"),
    ("Hana Sato", "66 Juniper Drive", "Eugene", "OR", "97401"),
    ("Iris Calloway", "1 Saltmarsh End", "Coos Bay", "OR", "97420"),
    ("Jonas Lind", "43 Ferry Street", "Bellingham", "WA", "98225"),
    ("Kavita Rao", "19 Orchard Hill", "Hood River", "OR", "97031"),
    ("Tidewater Outfitters LLC", "300 Dock Street", "Olympia", "WA", "98501"),
)


@dataclass(frozen=True)
class DemoOrder:
    """An order of the demo, and how far it has come."""

    order: NewOrder
    ago: timedelta
    """How long ago it was placed."""
    paid: bool
    shipped: bool
    cancelled: bool


@dataclass
class Trade:
    """The dice of the demo's trade, thrown in one order."""

    dice: Random = field(default_factory=lambda: Random(20_261_101))  # noqa: S311  nothing is secret about a demo

    def receipts(self, variants: Sequence[tuple[str, ID, Money]], places: Mapping[str, ID]) -> list[NewReceipt]:
        """First deliveries: plenty in the warehouse, a few in the store, some of the best at the fulfillment house."""
        wanted = (("WAREHOUSE", 24, 90, 1.0), ("STORE", 2, 9, 0.7), ("NORTH", 5, 20, 0.3))
        receipts = []
        for code, least, most, share in wanted:
            chosen = [variant for variant in variants if self.dice.random() < share]
            receipts.append(
                NewReceipt(
                    location_id=places[code],
                    lines=[
                        NewReceiptLine(row, pieces(self.dice.randint(least, most)), self._cost(price))
                        for _, row, price in chosen
                    ],
                    reference=f"Opening stock, {code.lower()}",
                    external_id=ExternalId(SYSTEM_NAME, f"OPENING-{code}"),
                )
            )
        return receipts

    def orders(
        self, variants: Sequence[tuple[str, ID, Money]], people: Sequence[ID], channels: Sequence[ID]
    ) -> list[DemoOrder]:
        """The orders of the last weeks, oldest first; the older ones have come further."""
        made = []
        for n in range(ORDERS):
            chosen = self.dice.sample(list(variants), self.dice.randint(1, 4))
            person = self.dice.randrange(len(people))
            order = NewOrder(
                lines=[NewOrderLine(quantity=pieces(self.dice.randint(1, 2)), variant_id=row) for _, row, _ in chosen],
                customer_id=people[person],
                channel_id=self.dice.choice(list(channels)),
                shipping_address=address(person),
                external_id=ExternalId(SYSTEM_NAME, f"WEB-{1001 + n}"),
            )
            old, luck = n < ORDERS * 3 // 4, self.dice.random()
            ago = timedelta(hours=6 + (ORDERS - n) * 17, minutes=self.dice.randint(0, 59))
            paid = luck < (0.8 if old else 0.6)
            made.append(DemoOrder(order, ago, paid, shipped=paid and old, cancelled=old and luck > 0.9))
        return made

    def _cost(self, price: Money) -> Money:
        share = COST + Decimal(self.dice.randint(-5, 5)) / 100
        return Money((price.amount * share).quantize(Decimal("0.01")), USD)


def pieces(many: int) -> Quantity:
    """So many, counted."""
    return Quantity(Decimal(many))


def locations() -> list[NewLocation]:
    """The places where the demo shop keeps its stock."""
    return [
        NewLocation(name=name, kind=kind, priority=priority, external_id=ExternalId(SYSTEM_NAME, code))
        for code, name, kind, priority in _LOCATIONS
    ]


def customers() -> list[NewCustomer]:
    """The people who buy there. Nobody of them exists."""
    return [
        NewCustomer(
            name=name,
            email=f"{name.lower().replace(' ', '.')}@example.com",
            addresses=[address(n)],
            external_id=ExternalId(SYSTEM_NAME, f"PERSON-{n + 1}"),
        )
        for n, (name, *_) in enumerate(_PEOPLE)
    ]


def address(person: int) -> Address:
    """Where one of them lives."""
    name, line1, city, region, postal_code = _PEOPLE[person]
    return Address(
        line1=line1, country_code=CountryCode("US"), name=name, city=city, region=region, postal_code=postal_code
    )
