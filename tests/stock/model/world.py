"""The variants and places that acts are about. Acts and the model name them by their numbers; ids come with the shop,
so that the same acts can be done again to other variants.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from domain import catalog, ledger, stock
from domain.catalog import NewProduct, NewVariant
from domain.kernel.database import Database
from domain.kernel.ids import ID, new_id
from domain.kernel.money import CurrencyCode, Money, Quantity, Rate
from domain.kernel.work import SYSTEM, Work, begin
from domain.ledger import NewExchangeRate, NewExchangeRates
from domain.stock import (
    BackorderPolicy,
    CostMethod,
    LocationChanges,
    LocationKind,
    NewBin,
    NewBins,
    NewChannelRule,
    NewLocation,
    NewLot,
    StockPolicyChanges,
)
from domain.stock.operations.lots import NamedLot, lots_named

_numbers, _roads = itertools.count(1), itertools.count(1)

Place = tuple[int, int]
"""A variant and a location."""
CaseKey = tuple[int, str, Place, int]
"""The act that opened a case, its kind and place, and its number among those that are alike in all of these."""
SpotKey = tuple[int, int, int | None, int | None]
"""The act that started a count, and what a line of it counts: a variant, the bin it lies in and its lot."""
Document = tuple[str, CaseKey | int]
"""What has a version of its own: "case" and its key, or "count" or "proposal" and the act that made it."""


@dataclass(frozen=True)
class Lot:
    """Goods of one variant that were made together."""

    name: str
    expires_on: date | None


@dataclass(frozen=True)
class Variant:
    """How one variant is kept."""

    averaged: bool = False
    lots: tuple[Lot, ...] = ()
    """The lots that its goods may belong to."""
    tracked: bool = False
    """Whether they must belong to one."""
    waits: str = "DENY"
    limit: int | None = None
    decimals: int = 0


@dataclass(frozen=True)
class Location:
    """A place, the smaller its number the earlier it is asked among those of the same priority."""

    priority: int
    transit: bool = False
    oversells: bool = False
    """Whether goods may be handed over there that the books do not know of."""
    bins: tuple[str, ...] = ()
    """The paths of its bins, in their order."""


RATES = ((-400, Fraction("1.1")), (-30, Fraction("0.9375")), (-3, Fraction("1.234567")))
"""What a euro is worth, from a day before the beginning on."""


@dataclass
class World:
    """What acts are about, and its ids in one shop."""

    variants: tuple[Variant, ...]
    locations: tuple[Location, ...]
    begins: datetime
    variant_ids: list[ID] = field(default_factory=list)
    skus: list[str] = field(default_factory=list)
    channels: list[ID] = field(default_factory=list)
    """Sales channels beside the default one."""
    location_ids: list[ID] = field(default_factory=list)
    bin_ids: list[list[ID]] = field(default_factory=list)
    lot_ids: list[list[ID]] = field(default_factory=list)
    made: dict[tuple[str, int, int], ID] = field(default_factory=dict)
    """What acts made: ("hold", number of the act, 0), ("order", …, 0), ("line", …, position), ("incoming", …, n),
    ("transfer", …, 0), ("transfer line", …, position), ("count", …, 0), ("proposal", …, 0).
    """
    count_lines: dict[SpotKey, ID] = field(default_factory=dict)
    """The lines of counts."""
    cases: dict[CaseKey, ID] = field(default_factory=dict)
    """The cases that acts opened."""

    def euro(self, day: date) -> Fraction:
        """What a euro was worth on a day."""
        rates = [rate for days, rate in RATES if (self.begins + timedelta(days=days)).date() <= day]
        return rates[-1]

    @property
    def road(self) -> int:
        """Where goods of transfers are while they are on the road."""
        return next(n for n, each in enumerate(self.locations) if each.transit)

    def lot(self, variant: int, lot: int | None) -> Lot | None:
        """A lot of a variant."""
        return None if lot is None else self.variants[variant].lots[lot]


async def found(database: Database, world: World) -> None:
    """Make the rates of a shop and its channels: once."""
    async with database.connection() as connection, begin(connection, actor=SYSTEM, now=world.begins) as work:
        euro = CurrencyCode("EUR")
        rates = [
            NewExchangeRate(
                euro, (world.begins + timedelta(days=days)).date(), Rate(Decimal(rate.numerator) / rate.denominator)
            )
            for days, rate in RATES
        ]
        await ledger.set_rates(work, NewExchangeRates(rates))
        for _ in range(CHANNELS):
            world.channels.append(new_id("chn"))
            await work.raw.execute(_CHANNEL, world.channels[-1][4:], f"Model {next(_numbers)}", work.now)


CHANNELS = 2
_CHANNEL = """
INSERT INTO sales_channels (id, name, kind, currency, locale, tax_mode, created_at, updated_at)
VALUES ($1, $2, 'ONLINE_STORE', 'USD', 'en-US', 'EXCLUSIVE', $3, $3)
"""


async def _location(work: Work, kept: Location) -> ID:
    kind = LocationKind.TRANSIT if kept.transit else LocationKind.WAREHOUSE
    location = await stock.create_location(work, NewLocation(f"Model {next(_numbers)}", kind, kept.priority))
    if kept.oversells:
        await stock.update_location(work, location, LocationChanges(allows_oversell=True))
    return location


async def _open_road(database: Database, world: World) -> ID:
    """A fresh place of what is on the road, older than all of them: transfers take the first there is."""
    now = world.begins - timedelta(seconds=next(_roads))
    async with database.connection() as connection, begin(connection, actor=SYSTEM, now=now) as work:
        return await _location(work, world.locations[world.road])


async def _open_locations(work: Work, world: World, road: ID) -> None:
    """Fresh places: a count of everything there finds nothing of earlier ones."""
    world.location_ids, world.bin_ids = [], []
    for each in world.locations:
        world.location_ids.append(road if each.transit else await _location(work, each))
        bins = [NewBin(path) for path in each.bins]
        world.bin_ids.append(await stock.create_bins(work, NewBins(world.location_ids[-1], bins)) if bins else [])


async def stock_with_variants(database: Database, world: World, variants: Sequence[Variant]) -> None:
    """Fresh variants, at fresh places, take the place of those there were."""
    world.variants = tuple(variants)
    world.variant_ids, world.skus, world.lot_ids, world.made, world.cases = [], [], [], {}, {}
    world.count_lines = {}
    road = await _open_road(database, world)
    async with database.connection() as connection, begin(connection, actor=SYSTEM, now=world.begins) as work:
        await _open_locations(work, world, road)
        for channel in world.channels:
            await stock.set_channel_rule(work, NewChannelRule(channel))
        for each in world.variants:
            sku = f"MODEL-{next(_numbers)}"
            price = Money(Decimal("10.00"), CurrencyCode("USD"))
            unit = "KG" if each.decimals else None
            product = await catalog.create(
                work, NewProduct(name=sku, variants=[NewVariant(sku=sku, price=price, unit=unit)])
            )
            await work.session.flush()
            row = await work.raw.fetchval("SELECT id FROM product_variants WHERE product_id = $1", product[4:])
            world.variant_ids.append(ID(f"var_{row}"))
            world.skus.append(sku)
            await _policy(work, world.variant_ids[-1], each)
            named = [
                NamedLot(world.variant_ids[-1], NewLot(lot.name, lot.expires_on), ("lots", n))
                for n, lot in enumerate(each.lots)
            ]
            made = await lots_named(work, named)
            world.lot_ids.append([made[world.variant_ids[-1], lot.name.lower()].id for lot in each.lots])


async def _policy(work: Work, variant: ID, kept: Variant) -> None:
    if not (kept.averaged or kept.tracked or kept.waits != "DENY"):
        return
    await stock.set_policy(
        work,
        StockPolicyChanges(
            variant,
            cost_method=CostMethod.MOVING_AVERAGE if kept.averaged else CostMethod.FIFO,
            tracks_lots=kept.tracked,
            backorders=BackorderPolicy(kept.waits),
            backorder_limit=None if kept.limit is None else Quantity(Decimal(kept.limit)),
        ),
    )
