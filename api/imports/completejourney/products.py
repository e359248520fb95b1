"""The products of a supermarket."""

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from api.imports.completejourney.reading import SYSTEM_NAME, Refused, Report, note, quiet, table, told
from domain import catalog
from domain.kernel import events, words
from domain.kernel.database import Database
from domain.kernel.errors import Refusal, Refusals
from domain.kernel.external import ExternalId
from domain.kernel.work import SYSTEM, AsyncConnection, begin

BATCH = 1_000
"""Products per transaction: a fifth of a second of work, and what a killed run loses at most."""

_KEPT = frozenset({"BBQ", "CD", "DVD", "GM", "TV", "USA"})
_SMALL = frozenset({"AND", "OF", "OR", "WITH"})
_MEASURES = re.compile(r"(?<![A-Z])(BUNCHES|CM|CT|DZ|FL|FT|GA|GM|IN|KG|LBS?|ML|MM|OZ|PK|PT|QT|ROLLS?|SQ|YD)(?![A-Z])")


class CannotBeProduct(Refusal):
    """A row that lacks what makes a product."""


@dataclass
class ProductsReport:
    """What became of the products. Every row is in exactly one of the counts."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: Refused = field(default_factory=dict)
    """The ids of the rows that did not come in, by reason."""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        """What a person wants to know: how many came in, and why the others did not."""
        came = f"{self.created:,} created, {self.updated:,} updated, {self.unchanged:,} unchanged"
        lines = [f"{self.rows:,} products in {self.seconds:.1f} s ({self.rate:,.0f} a second): {came}."]
        return "\n".join([*lines, *told(self.refused)])


async def import_products(database: Database, *, report: Report = quiet, limit: int | None = None) -> ProductsReport:
    """Bring the products in, in the order of their ids, one transaction per batch; with `limit`, only the first ones.

    Killed anywhere and said again it ends the same, and said once more it changes nothing. Raises Trouble when the
    data or its reader is not installed.
    """
    result, started = ProductsReport(), time.monotonic()
    rows = await asyncio.to_thread(read)
    total = rows.num_rows if limit is None else min(limit, rows.num_rows)
    report("products", 0, total)
    async with database.connection() as connection:
        for start in range(0, total, BATCH):
            batch = rows.slice(start, min(BATCH, total - start)).to_pylist()
            await _bring_in(connection, list(_translated(batch, result)), result)
            await events.notify(connection)
            result.rows += len(batch)
            result.seconds = time.monotonic() - started
            report("products", result.rows, total)
    return result


async def _bring_in(connection: AsyncConnection, products: list[catalog.NewProduct], result: ProductsReport) -> None:
    """One batch, one transaction. Products that are refused are noted, and the others come in without them."""
    while products:
        try:
            async with begin(connection, actor=SYSTEM) as work:
                brought = await catalog.bring_in(work, SYSTEM_NAME, products)
        except Refusals as refusals:
            reasons = {refusal.path[0]: refusal for refusal in reversed(refusals.refusals)}
            for index, refusal in sorted(reasons.items()):
                note(result.refused, _id(products[int(index)]), refusal)
            products = [product for index, product in enumerate(products) if index not in reasons]
        else:
            result.created += len(brought.created)
            result.updated += len(brought.updated)
            result.unchanged += brought.unchanged
            return


def _id(product: catalog.NewProduct) -> str:
    assert product.external_id is not None
    return product.external_id.id


# --- translating ----------------------------------------------------------------------------------------------------


def _translated(batch: list[dict[str, Any]], result: ProductsReport) -> Iterator[catalog.NewProduct]:
    """The products of a batch; rows that cannot be any are noted and left out."""
    for row in batch:
        try:
            yield product_of(row)
        except CannotBeProduct as refusal:
            note(result.refused, str(row["product_id"]), refusal)


def product_of(row: dict[str, Any]) -> catalog.NewProduct:
    """A row as a product with one variant. Refused with CannotBeProduct when nothing says what it is.

    The type is what it is called, and the category where the type is missing; the department alone names a shelf.
    Prices are no part of these rows, so there is none.
    """
    what = readable(row["product_type"] or row["product_category"] or "")
    if not what:
        raise CannotBeProduct("The row has neither a product type nor a category")
    name = " ".join(part for part in (what, size(row["package_size"] or "")) if part)
    parts = (readable(row["department"] or ""), readable(row["product_category"] or ""), f"{row['brand']} brand")
    key = ExternalId(SYSTEM_NAME, str(row["product_id"]))
    return catalog.NewProduct(
        name=name,
        # Many products share a name: with their id, addresses are alike in every run.
        slug=words.slug_of(f"{name[:80]} {row['product_id']}"),
        description=" · ".join(part for part in parts if part) or None,
        variants=[catalog.NewVariant(sku=f"CJ-{row['product_id']}", external_id=key)],
        external_id=key,
    )


@lru_cache(maxsize=8192)
def readable(text: str) -> str:
    """Words in capitals as people write them: "SOFT DRINKS 12/18&15PK" is "Soft Drinks 12/18&15pk"."""

    def cased(match: re.Match[str]) -> str:
        word, before = match[0], match.string[match.start() - 1 : match.start()]
        if word in _KEPT:
            return word
        return word.lower() if before.isdigit() or (word in _SMALL and match.start()) else word.capitalize()

    return re.sub(r"[A-Z]+(?:'[A-Z]+)?", cased, " ".join(text.split()))


@lru_cache(maxsize=8192)
def size(text: str) -> str:
    """A package size with its units in small letters: "12 OZ/6 CT" is "12 oz/6 ct"."""
    return _MEASURES.sub(lambda match: match[0].lower(), " ".join(text.split()))


def read() -> Any:
    """The package's table of products, by product id."""
    return table("products").sort_by("product_id")
