"""The same part of the schema as an experienced developer would write it in stock Strawberry: ORM rows and DataLoaders.

Nothing is left out that is known to help: parsed and validated documents are remembered, answers are written by orjson,
relations are loaded a level at a time, and reads need no transaction of their own.
"""

import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
import strawberry
from sqlalchemy import ForeignKey, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache

from bench.reference.serving import POOL, application, serve

Sessions = async_sessionmaker[AsyncSession]


# --- rows -----------------------------------------------------------------------------------------------------------


class Base(DeclarativeBase):
    """Base of the tables, with only the columns that are read here."""


class ProductRow(Base):
    __tablename__ = "products"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    slug: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[datetime]


class VariantRow(Base):
    __tablename__ = "product_variants"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id"))
    position: Mapped[int]
    sku: Mapped[str]
    name: Mapped[str]
    price_amount: Mapped[Decimal | None]
    price_currency: Mapped[str | None]


class LocationRow(Base):
    __tablename__ = "locations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    priority: Mapped[int]


class LevelRow(Base):
    __tablename__ = "stock_levels"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    variant_id: Mapped[UUID] = mapped_column(ForeignKey("product_variants.id"))
    location_id: Mapped[UUID] = mapped_column(ForeignKey("locations.id"))
    on_hand: Mapped[Decimal]
    allocated: Mapped[Decimal]
    reserved: Mapped[Decimal]
    unavailable: Mapped[Decimal]


class CustomerRow(Base):
    __tablename__ = "customers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]


class OrderRow(Base):
    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int]
    status: Mapped[str]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id"))
    currency: Mapped[str]
    total: Mapped[Decimal]
    placed_at: Mapped[datetime]


class LineRow(Base):
    __tablename__ = "order_lines"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    position: Mapped[int]
    variant_id: Mapped[UUID] = mapped_column(ForeignKey("product_variants.id"))
    quantity: Mapped[Decimal]
    currency: Mapped[str]
    total: Mapped[Decimal]


# --- loaders --------------------------------------------------------------------------------------------------------

Row = TypeVar("Row", bound=Base)


@dataclass
class Loaders:
    """The loaders of one request: each makes one statement of all that is asked for in one turn of the event loop."""

    sessions: Sessions
    variants_of: DataLoader[UUID, list[VariantRow]] = field(init=False)
    levels_of: DataLoader[UUID, list[LevelRow]] = field(init=False)
    lines_of: DataLoader[UUID, list[LineRow]] = field(init=False)
    variants: DataLoader[UUID, VariantRow] = field(init=False)
    locations: DataLoader[UUID, LocationRow] = field(init=False)
    customers: DataLoader[UUID, CustomerRow] = field(init=False)

    def __post_init__(self) -> None:
        self.variants_of = DataLoader(self._many(VariantRow, VariantRow.product_id, VariantRow.position))
        self.levels_of = DataLoader(self._levels_of)
        self.lines_of = DataLoader(self._many(LineRow, LineRow.order_id, LineRow.position))
        self.variants = DataLoader(self._by_id(VariantRow))
        self.locations = DataLoader(self._by_id(LocationRow))
        self.customers = DataLoader(self._by_id(CustomerRow))

    def _by_id(self, row: type[Row]) -> Callable[[list[UUID]], Awaitable[Sequence[Any]]]:
        async def load(ids: list[UUID]) -> Sequence[Any]:
            key: Any = row.__table__.c.id
            async with self.sessions() as session:
                found = {each.id: each for each in await session.scalars(select(row).where(key.in_(ids)))}  # type: ignore[attr-defined]
            return [found[each] for each in ids]

        return load

    def _many(self, row: type[Row], parent: Any, order: Any) -> Callable[[list[UUID]], Awaitable[list[list[Any]]]]:
        async def load(ids: list[UUID]) -> list[list[Any]]:
            async with self.sessions() as session:
                rows = await session.scalars(select(row).where(parent.in_(ids)).order_by(order))
                return _grouped(rows, parent.key, ids)

        return load

    async def _levels_of(self, ids: list[UUID]) -> list[list[LevelRow]]:
        async with self.sessions() as session:
            statement = select(LevelRow).join(LocationRow, LocationRow.id == LevelRow.location_id)
            statement = statement.where(LevelRow.variant_id.in_(ids)).order_by(LocationRow.priority, LocationRow.id)
            return _grouped(await session.scalars(statement), "variant_id", ids)


def _grouped(rows: Any, parent: str, ids: list[UUID]) -> list[list[Any]]:
    groups: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, parent)].append(row)
    return [groups[each] for each in ids]


@dataclass
class Context:
    """What resolvers of one request share."""

    sessions: Sessions
    loaders: Loaders


Info = strawberry.Info[Context, None]


# --- types ----------------------------------------------------------------------------------------------------------


def _plain(number: Decimal) -> str:
    """A quantity without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@strawberry.type
class Money:
    amount: str
    currency: str


def _money(amount: Decimal, currency: str) -> Money:
    return Money(amount=f"{amount:.2f}", currency=currency)


@strawberry.type
class Location:
    name: str


@strawberry.type
class StockLevel:
    on_hand: str
    allocated: str
    available: str
    location_id: strawberry.Private[UUID]

    @strawberry.field
    async def location(self, info: Info) -> Location:
        row = await info.context.loaders.locations.load(self.location_id)
        return Location(name=row.name)


@strawberry.type
class ProductVariant:
    id: strawberry.ID
    sku: str
    name: str
    price: Money | None
    key: strawberry.Private[UUID]

    @strawberry.field
    async def stock_levels(self, info: Info) -> list[StockLevel]:
        return [
            StockLevel(
                on_hand=_plain(row.on_hand),
                allocated=_plain(row.allocated),
                available=_plain(row.on_hand - row.allocated - row.reserved - row.unavailable),
                location_id=row.location_id,
            )
            for row in await info.context.loaders.levels_of.load(self.key)
        ]


def _variant(row: VariantRow) -> ProductVariant:
    price = None
    if row.price_amount is not None and row.price_currency is not None:
        price = _money(row.price_amount, row.price_currency)
    return ProductVariant(id=strawberry.ID(f"var_{row.id.hex}"), sku=row.sku, name=row.name, price=price, key=row.id)


@strawberry.type
class Product:
    id: strawberry.ID
    name: str
    slug: str
    description: str | None
    key: strawberry.Private[UUID]

    @strawberry.field
    async def variants(self, info: Info) -> list[ProductVariant]:
        return [_variant(row) for row in await info.context.loaders.variants_of.load(self.key)]


def _product(row: ProductRow) -> Product:
    return Product(
        id=strawberry.ID(f"prd_{row.id.hex}"), name=row.name, slug=row.slug, description=row.description, key=row.id
    )


@strawberry.type
class Customer:
    name: str
    email: str | None


@strawberry.type
class OrderLine:
    quantity: str
    total: Money
    variant_id: strawberry.Private[UUID]

    @strawberry.field
    async def variant(self, info: Info) -> ProductVariant:
        return _variant(await info.context.loaders.variants.load(self.variant_id))


@strawberry.type
class Order:
    number: str
    status: str
    total: Money
    key: strawberry.Private[UUID]
    customer_id: strawberry.Private[UUID | None]

    @strawberry.field
    async def customer(self, info: Info) -> Customer | None:
        if self.customer_id is None:
            return None
        row = await info.context.loaders.customers.load(self.customer_id)
        return Customer(name=row.name, email=row.email)

    @strawberry.field
    async def lines(self, info: Info) -> list[OrderLine]:
        return [
            OrderLine(quantity=_plain(row.quantity), total=_money(row.total, row.currency), variant_id=row.variant_id)
            for row in await info.context.loaders.lines_of.load(self.key)
        ]


def _order(row: OrderRow) -> Order:
    return Order(
        number=f"SO-{row.number}",
        status=row.status,
        total=_money(row.total, row.currency),
        key=row.id,
        customer_id=row.customer_id,
    )


Listed = TypeVar("Listed")


@strawberry.type
class Connection(Generic[Listed]):
    nodes: list[Listed]


@strawberry.input
class ProductKey:
    id: strawberry.ID


@strawberry.enum
class OrderSort(Enum):
    PLACED_AT_DESC = "PLACED_AT_DESC"


@strawberry.type
class Query:
    @strawberry.field
    async def product(self, info: Info, by: ProductKey) -> Product | None:
        async with info.context.sessions() as session:
            row = await session.get(ProductRow, UUID(by.id[4:]))
        return None if row is None else _product(row)

    @strawberry.field
    async def products(self, info: Info, first: int) -> Connection[Product]:
        statement = select(ProductRow).order_by(ProductRow.created_at, ProductRow.id).limit(first)
        async with info.context.sessions() as session:
            return Connection(nodes=[_product(row) for row in await session.scalars(statement)])

    @strawberry.field
    async def orders(self, info: Info, first: int, sort: list[OrderSort]) -> Connection[Order]:  # noqa: ARG002
        statement = select(OrderRow).order_by(OrderRow.placed_at.desc(), OrderRow.id.desc()).limit(first)
        async with info.context.sessions() as session:
            return Connection(nodes=[_order(row) for row in await session.scalars(statement)])


schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])


# --- serving --------------------------------------------------------------------------------------------------------


class Endpoint(GraphQL[Context, None]):
    """Strawberry's own endpoint, with the faster JSON."""

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002
        sessions: Sessions = request.app.state.sessions
        return Context(sessions, Loaders(sessions))


@asynccontextmanager
async def _open(app: Starlette) -> AsyncIterator[None]:
    address = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(address, pool_size=POOL, max_overflow=0, isolation_level="AUTOCOMMIT")
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


app = application([Route("/graphql", Endpoint(schema), methods=["POST"])], _open)

if __name__ == "__main__":
    serve(app)
