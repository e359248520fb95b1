"""What can be done with products."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from asyncpg import Record
from sqlalchemy import func, select

from domain import business
from domain.catalog import events
from domain.catalog.lifecycle import PRODUCT, ProductAction
from domain.catalog.tables import LARGEST_PRODUCT, Product, ProductStatus, ProductVariant
from domain.kernel import bulk, external, words
from domain.kernel.absent import ABSENT, Absent, given
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals, StaleVersion, of_one
from domain.kernel.events import Event
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import Money, price
from domain.kernel.work import Work

DEFAULT_UNIT = "EA"


@dataclass(frozen=True)
class NewVariant:
    """A variant to create: the sellable unit."""

    sku: str
    """The stock keeping unit, unique in the whole catalog without regard to case; at most 100 characters."""
    name: str | None = None
    """What tells it from its sisters, such as a size; the product's name when left out."""
    barcode: str | None = None
    """The code that scanners read, unique in the whole catalog."""
    price: Money | None = None
    """What it costs unless a price list says otherwise."""
    unit: str | None = None
    """The code of the unit its stock is counted in; EA (each) when left out."""
    external_id: ExternalId | None = None
    """What another system calls it."""


@dataclass(frozen=True)
class NewProduct:
    """A product to create, with its variants."""

    name: str
    """What customers read first; at most 255 characters."""
    variants: list[NewVariant]
    """Its variants in their order: at least one, at most 250."""
    slug: str | None = None
    """Its part of a web address: lower-case letters, digits and hyphens, unique; made from the name when left out."""
    description: str | None = None
    """Text for customers, at most 50,000 characters."""
    status: ProductStatus | None = None
    """The state it is born in; ACTIVE when left out."""
    external_id: ExternalId | None = None
    """What another system calls it."""


@dataclass(frozen=True)
class VariantChanges:
    """What to change on a variant; what is left out stays."""

    id: ID
    """The variant, one of this product's."""
    sku: str | Absent = ABSENT
    """The stock keeping unit."""
    name: str | Absent = ABSENT
    """What tells it from its sisters."""
    barcode: str | Absent | None = ABSENT
    """The code that scanners read; null takes it away."""
    price: Money | Absent | None = ABSENT
    """What it costs unless a price list says otherwise; null takes it away."""


@dataclass(frozen=True)
class ProductChanges:
    """What to change on a product; what is left out stays."""

    name: str | Absent = ABSENT
    """What customers read first."""
    slug: str | Absent = ABSENT
    """Its part of a web address."""
    description: str | Absent | None = ABSENT
    """Text for customers; null takes it away."""
    add_variants: list[NewVariant] = field(default_factory=list)
    """Variants to add behind the present ones."""
    update_variants: list[VariantChanges] = field(default_factory=list)
    """Variants of this product to change."""
    expected_version: int | Absent | None = ABSENT
    """The version the caller has seen: refused with STALE_VERSION when somebody has changed the product since."""


@dataclass(frozen=True)
class BroughtIn:
    """What became of products brought in from another system."""

    created: list[ID]
    updated: list[ID]
    unchanged: int


async def create(work: Work, new: NewProduct) -> ID:
    """A product exists from now on, with its variants and in the state given. Returns its id.

    Refused with Invalid when a SKU, barcode, slug or external id is taken, or a value cannot be.
    """
    with of_one():
        return (await create_many(work, [new]))[0]


async def create_many(work: Work, news: Sequence[NewProduct]) -> list[ID]:
    """Create products in one act, all or none. Returns their ids in the order given.

    Refused with one Invalid per offence, its path starting with the index of the product.
    """
    return await _create(work, list(enumerate(news)))


async def update(work: Work, product_id: str, changes: ProductChanges) -> ID:
    """The product reads differently from now on; its version rises by one. A call that changes nothing changes nothing.

    Refused with NotFound for an unknown product or variant, StaleVersion when `expected_version` is not the present
    one, Invalid when a value cannot be or is taken.
    """
    product = await _locked(work, product_id)
    if isinstance(changes.expected_version, int) and changes.expected_version != product.version:
        raise StaleVersion(
            f"The product is at version {product.version} by now, not {changes.expected_version}. Read it again.",
            path=("input", "expectedVersion"),
        )
    changed = _apply_product_changes(product, changes)
    touched = await _change_variants(work, product, changes.update_variants)
    added = await _add_variants(work, product, changes.add_variants)
    if changed or touched or added:
        product.version += 1
        product.updated_at = work.now
        work.announce(events.ProductUpdated(product.id, fields=changed, variants=[*touched, *added]))
    return product.id


async def activate(work: Work, product_id: str) -> ID:
    """The product is on sale from now on. Refused with NotAllowedNow when it is on sale already, or archived."""
    return await _move(work, product_id, ProductAction.ACTIVATE, events.ProductActivated)


async def discontinue(work: Work, product_id: str) -> ID:
    """The product sells out and is not bought in again. Refused with NotAllowedNow unless it is on sale."""
    return await _move(work, product_id, ProductAction.DISCONTINUE, events.ProductDiscontinued)


async def archive(work: Work, product_id: str) -> ID:
    """The product is kept for the records only. Refused with NotAllowedNow while it is on sale."""
    return await _move(work, product_id, ProductAction.ARCHIVE, events.ProductArchived)


async def bring_in(work: Work, system: str, news: Sequence[NewProduct]) -> BroughtIn:
    """Products as another system has them: created when unknown here, updated when different, else left alone.

    Each carries an external id of `system`, and so does each variant; said twice, the second time changes nothing.
    Products that left the other system stay. Refused as `create_many` is, and when a known product has no such variant
    here. Two acts that bring in from one system wait for each other: otherwise both would find the same product new.
    """
    keys = [new.external_id.id for new in news if new.external_id and new.external_id.system == system]
    if len(keys) != len(news):
        raise ValueError(f"every product brought in needs its id in {system}")
    refusals: list[Refusal] = []
    _refuse_twice(refusals, [(key, (n, "input", "externalId"), "external id") for n, key in enumerate(keys)])
    Refusals.raise_if_any(refusals)
    await work.raw.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"catalog.bring_in {system}")
    known = await external.find(work.connection, "prd", system, keys)
    indexed = list(enumerate(news))
    fresh = [(n, new) for n, new in indexed if keys[n] not in known]
    present = {known[keys[n]]: (n, new) for n, new in indexed if keys[n] in known}
    created = await _create(work, fresh) if fresh else []
    updated = await _refresh(work, present) if present else []
    return BroughtIn(created, updated, unchanged=len(present) - len(updated))


# --- creating -------------------------------------------------------------------------------------------------------


@dataclass
class _Plan:
    """Rows about to be written, and where in the input each one came from."""

    products: list[dict[str, Any]] = field(default_factory=list)
    variants: list[dict[str, Any]] = field(default_factory=list)
    references: list[tuple[ID, ExternalId]] = field(default_factory=list)
    wanted_slugs: dict[ID, str] = field(default_factory=dict)
    paths: dict[ID, tuple[str | int, ...]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


async def _create(work: Work, indexed: Sequence[tuple[int, NewProduct]]) -> list[ID]:
    """Create products that each know their index in the input, which is where their refusals point."""
    units = await _unit_ids(work)
    plan = _Plan()
    for index, new in indexed:
        _plan_product(work, plan, new, units, path=(index,))
    await _refuse_taken(work, plan)
    await _write(work, plan)
    return [product["id"] for product in plan.products]


def _plan_product(
    work: Work, plan: _Plan, new: NewProduct, units: dict[str, ID], *, path: tuple[str | int, ...]
) -> None:
    product_id = new_id("prd")
    here = (*path, "input")
    try:
        name = words.line(new.name, path=(*here, "name"))
        if new.description is not None:
            words.body(new.description, path=(*here, "description"))
        if new.slug is not None:
            plan.wanted_slugs[product_id] = _checked_slug(new.slug, path=(*here, "slug"))
        if not new.variants:
            raise Invalid("A product needs at least one variant.", path=(*here, "variants"))
        if len(new.variants) > LARGEST_PRODUCT:
            raise Invalid(f"A product has at most {LARGEST_PRODUCT} variants.", path=(*here, "variants"))
        if new.external_id:
            plan.references.append((product_id, external.check(new.external_id, path=(*here, "externalId"))))
    except Refusal as refusal:
        plan.refusals.append(refusal)
        return
    plan.paths[product_id] = here
    plan.products.append(
        {
            "id": product_id,
            "name": name,
            "slug": plan.wanted_slugs.get(product_id) or words.slug_of(name) or "product",
            "description": new.description,
            "status": new.status or ProductStatus.ACTIVE,
            "version": 1,
            "created_at": work.now,
            "updated_at": work.now,
        }
    )
    ids = [
        _plan_variant(work, plan, product_id, name, variant, units=units, position=n + 1, path=(*here, "variants", n))
        for n, variant in enumerate(new.variants)
    ]
    plan.events.append(events.ProductCreated(product_id, variants=ids))


def _plan_variant(
    work: Work,
    plan: _Plan,
    product_id: ID,
    product_name: str,
    new: NewVariant,
    *,
    units: dict[str, ID],
    position: int,
    path: tuple[str | int, ...],
) -> ID:
    variant_id = new_id("var")
    plan.paths[variant_id] = path
    try:
        unit = new.unit or DEFAULT_UNIT
        if unit not in units:
            raise Invalid(f"There is no unit {unit!r}.", path=(*path, "unit"))
        if new.external_id:
            plan.references.append((variant_id, external.check(new.external_id, path=(*path, "externalId"))))
        plan.variants.append(
            {
                "id": variant_id,
                "product_id": product_id,
                "position": position,
                "sku": words.line(new.sku, path=(*path, "sku"), longest=100),
                "name": words.line(new.name or product_name, path=(*path, "name")),
                "barcode": _checked_barcode(new.barcode, path=(*path, "barcode")),
                **_price_columns(new.price, path=(*path, "price")),
                "unit_id": units[unit],
                "created_at": work.now,
                "updated_at": work.now,
            }
        )
    except Refusal as refusal:
        plan.refusals.append(refusal)
    return variant_id


async def _refuse_taken(work: Work, plan: _Plan) -> None:
    """Name every SKU, barcode, slug and external id that is taken, here or twice in the input, before writing anything.

    The constraints would refuse too, but could name only the first, and not its place in the input.
    """
    driver, refusals = work.raw, plan.refusals
    _refuse_twice(refusals, [(each["sku"].lower(), (*plan.paths[each["id"]], "sku"), "SKU") for each in plan.variants])
    codes = [(each["barcode"], (*plan.paths[each["id"]], "barcode"), "barcode") for each in plan.variants]
    _refuse_twice(refusals, [code for code in codes if code[0] is not None])
    _refuse_twice(refusals, [(slug, (*plan.paths[row], "slug"), "slug") for row, slug in plan.wanted_slugs.items()])
    taken_skus = await driver.fetch(
        "SELECT given.n FROM unnest($1::text[]) WITH ORDINALITY AS given(sku, n)"
        " JOIN product_variants ON sku_folded = lower(given.sku) ORDER BY 1",
        [each["sku"] for each in plan.variants],
    )
    for record in taken_skus:
        variant = plan.variants[record["n"] - 1]
        refusals.append(Invalid(f"This SKU is taken: {variant['sku']}.", path=(*plan.paths[variant["id"]], "sku")))
    taken_codes = await driver.fetch(
        "SELECT barcode FROM product_variants WHERE barcode = ANY($1)",
        [each["barcode"] for each in plan.variants if each["barcode"] is not None],
    )
    by_code = {each["barcode"]: each["id"] for each in plan.variants}
    for record in taken_codes:
        path = (*plan.paths[by_code[record["barcode"]]], "barcode")
        refusals.append(Invalid(f"This barcode is taken: {record['barcode']}.", path=path))
    await _settle_slugs(work, plan)
    await _refuse_taken_references(work, plan)
    Refusals.raise_if_any(refusals)


_TAKE_TURNS = """
SELECT pg_advisory_xact_lock(turn) FROM (
  SELECT DISTINCT hashtextextended(word, 0) AS turn FROM unnest($1::text[]) AS word ORDER BY 1 OFFSET 0
) AS turns
"""


async def _settle_slugs(work: Work, plan: _Plan) -> None:
    """Refuse slugs that were asked for and are taken; give the made ones an ending that nobody else has."""
    # Two acts that would make the same slug take turns, so that the second one sees the first.
    made = [product["slug"] for product in plan.products if product["id"] not in plan.wanted_slugs]
    await work.raw.execute(_TAKE_TURNS, [f"slug {slug}" for slug in made])
    slugs = [product["slug"] for product in plan.products]
    taken = {record["slug"] for record in await work.raw.fetch("SELECT slug FROM products WHERE slug = ANY($1)", slugs)}
    taken_now = set(plan.wanted_slugs.values())
    for product in plan.products:
        asked = product["id"] in plan.wanted_slugs
        if asked and product["slug"] in taken:
            path = (*plan.paths[product["id"]], "slug")
            plan.refusals.append(Invalid(f"This slug is taken: {product['slug']}.", path=path))
        elif not asked and (product["slug"] in taken or product["slug"] in taken_now):
            product["slug"] = f"{product['slug']}-{product['id'][-10:]}"
        taken_now.add(product["slug"])


async def _refuse_taken_references(work: Work, plan: _Plan) -> None:
    by_system: dict[tuple[str, str], dict[str, ID]] = {}
    for row, reference in plan.references:
        ids = by_system.setdefault((row.partition("_")[0], reference.system), {})
        path = (*plan.paths.get(row, ()), "externalId")
        if reference.id in ids:
            plan.refusals.append(Invalid(f"This external id is given twice: {reference.id}.", path=path))
        ids[reference.id] = row
    for (noun, system), ids in by_system.items():
        for taken in await external.find(work.connection, noun, system, list(ids)):
            path = (*plan.paths.get(ids[taken], ()), "externalId")
            plan.refusals.append(Invalid(f"This external id is taken: {taken}.", path=path))


async def _write(work: Work, plan: _Plan) -> None:
    # In the order of their unique keys, so that two acts which want the same ones meet at the first.
    await bulk.insert(work, Product, sorted(plan.products, key=lambda row: row["slug"]))
    await bulk.insert(work, ProductVariant, sorted(plan.variants, key=lambda row: row["sku"].lower()))
    await external.link(work, plan.references)
    work.announce(*plan.events)


def _refuse_twice(refusals: list[Refusal], values: Sequence[tuple[str, tuple[str | int, ...], str]]) -> None:
    seen: set[str] = set()
    for value, path, word in values:
        if value in seen:
            refusals.append(Invalid(f"This {word} is given twice: {value}.", path=path))
        seen.add(value)


# --- changing -------------------------------------------------------------------------------------------------------


async def _locked(work: Work, product_id: str) -> Product:
    """The product, locked until the act ends. Variants are guarded by their product's lock."""
    if is_id(product_id, "prd"):
        product = await work.session.get(Product, product_id, with_for_update=True)
        if product is not None:
            return product
    raise NotFound("There is no such product.", path=("id",))


async def _move(work: Work, product_id: str, action: ProductAction, announcement: type[Event]) -> ID:
    product = await _locked(work, product_id)
    product.status = PRODUCT.after(product.status, action)
    product.version += 1
    product.updated_at = work.now
    work.announce(announcement(product.id))
    return product.id


def _apply_product_changes(product: Product, changes: ProductChanges) -> list[str]:
    """Set what differs and return the names of the changed fields."""
    wanted = given(changes)
    values: dict[str, Any] = {}
    if "name" in wanted:
        values["name"] = words.line(wanted["name"], path=("input", "name"))
    if "slug" in wanted:
        values["slug"] = _checked_slug(wanted["slug"], path=("input", "slug"))
    if "description" in wanted:
        text = wanted["description"]
        values["description"] = None if text is None else words.body(text, path=("input", "description"))
    return _set(product, values)


async def _change_variants(work: Work, product: Product, changes: Sequence[VariantChanges]) -> list[ID]:
    """Change variants of the product; returns the ids of those that differ now."""
    if not changes:
        return []
    rows = await work.session.execute(select(ProductVariant).where(ProductVariant.product_id == product.id))
    variants = {variant.id: variant for variant in rows.scalars()}
    touched: list[ID] = []
    for n, change in enumerate(changes):
        path = ("input", "updateVariants", n)
        variant = variants.get(change.id)
        if variant is None:
            raise NotFound("This product has no such variant.", path=(*path, "id"))
        wanted = given(change)
        values: dict[str, Any] = {}
        if "sku" in wanted:
            values["sku"] = words.line(wanted["sku"], path=(*path, "sku"), longest=100)
        if "name" in wanted:
            values["name"] = words.line(wanted["name"], path=(*path, "name"))
        if "barcode" in wanted:
            values["barcode"] = _checked_barcode(wanted["barcode"], path=(*path, "barcode"))
        if "price" in wanted:
            values |= _price_columns(wanted["price"], path=(*path, "price"))
        if _set(variant, values):
            variant.updated_at = work.now
            touched.append(variant.id)
    await work.session.flush()
    return touched


async def _add_variants(work: Work, product: Product, news: Sequence[NewVariant]) -> list[ID]:
    """Add variants behind the present ones; returns their ids."""
    if not news:
        return []
    highest = select(func.coalesce(func.max(ProductVariant.position), 0)).where(ProductVariant.product_id == product.id)
    start = (await work.session.execute(highest)).scalar_one() + 1
    if start + len(news) - 1 > LARGEST_PRODUCT:
        raise Invalid(f"A product has at most {LARGEST_PRODUCT} variants.", path=("input", "addVariants"))
    plan, units = _Plan(), await _unit_ids(work)
    for n, new in enumerate(news):
        path = ("input", "addVariants", n)
        _plan_variant(work, plan, product.id, product.name, new, units=units, position=start + n, path=path)
    await work.session.flush()
    await _refuse_taken(work, plan)
    await _write(work, plan)
    return [variant["id"] for variant in plan.variants]


def _set(row: Product | ProductVariant, values: dict[str, Any]) -> list[str]:
    """Set the values that differ; returns the names of what changed."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    return changed


# --- bringing in ----------------------------------------------------------------------------------------------------

# One statement, so that a product and its variants are seen at the same moment.
_PRESENT = """
SELECT product.id AS product_id, product.name AS product_name, product.description, product.version,
  variant.id, variant.sku_folded, variant.name, variant.barcode, variant.price_amount, variant.price_currency
FROM products AS product JOIN product_variants AS variant ON variant.product_id = product.id
WHERE product.id = ANY($1)
"""


@dataclass
class _Difference:
    """How a product here differs from the other system's: what to write, empty where nothing differs."""

    version: int
    fields: list[str]
    product: dict[str, Any]
    variants: list[dict[str, Any]]


async def _refresh(work: Work, present: dict[ID, tuple[int, NewProduct]]) -> list[ID]:
    """Bring known products to what the other system says now, set-based; returns the ids of those that differed.

    Most do not differ, and those are read without a lock: whoever changes one meanwhile comes after this act. The rest
    is compared once more under the lock, because only then nobody can change it in between.
    """
    await work.session.flush()
    work.session.expunge_all()
    suspects = list(await _differences(work, present))
    if not suspects:
        return []
    await work.raw.execute(
        "SELECT FROM products WHERE id = ANY($1) ORDER BY id FOR UPDATE", [row.partition("_")[2] for row in suspects]
    )
    differences = await _differences(work, {row: present[row] for row in suspects})
    stamp = {"updated_at": work.now}
    await bulk.update(
        work,
        Product,
        [{"id": row, **each.product, "version": each.version + 1, **stamp} for row, each in differences.items()],
    )
    await bulk.update(
        work, ProductVariant, [variant | stamp for each in differences.values() for variant in each.variants]
    )
    for row, each in differences.items():
        touched = [variant["id"] for variant in each.variants]
        work.announce(events.ProductUpdated(row, fields=each.fields, variants=touched))
    return list(differences)


async def _differences(work: Work, present: dict[ID, tuple[int, NewProduct]]) -> dict[ID, _Difference]:
    """The products that differ from what the other system says, in the order given. Refused with all offences."""
    records = await work.raw.fetch(_PRESENT, [row.partition("_")[2] for row in present])
    mine: dict[str, list[Record]] = {}
    for record in records:
        mine.setdefault(record["product_id"], []).append(record)
    differences: dict[ID, _Difference] = {}
    refusals: list[Refusal] = []
    for row, (index, new) in present.items():
        try:
            difference = _difference(mine[row.partition("_")[2]], new, path=(index, "input"))
        except Refusal as refusal:
            refusals.append(refusal)
            continue
        if difference.fields or difference.variants:
            differences[row] = difference
    Refusals.raise_if_any(refusals)
    return differences


def _difference(mine: Sequence[Record], new: NewProduct, *, path: tuple[str | int, ...]) -> _Difference:
    product = {"name": words.line(new.name, path=(*path, "name")), "description": new.description}
    if new.description is not None:
        words.body(new.description, path=(*path, "description"))
    here = {"name": mine[0]["product_name"], "description": mine[0]["description"]}
    fields = [name for name, value in product.items() if here[name] != value]
    by_sku = {record["sku_folded"]: record for record in mine}
    variants: list[dict[str, Any]] = []
    for n, variant in enumerate(new.variants):
        there = (*path, "variants", n)
        record = by_sku.get(variant.sku.strip().lower())
        if record is None:
            raise Invalid(f"This product has no such variant here: {variant.sku}.", path=(*there, "sku"))
        values = {
            "name": words.line(variant.name or product["name"], path=(*there, "name")),
            "barcode": _checked_barcode(variant.barcode, path=(*there, "barcode")),
            **_price_columns(variant.price, path=(*there, "price")),
        }
        if any(record[name] != value for name, value in values.items()):
            variants.append({"id": ID("var_" + record["id"]), **values})
    return _Difference(mine[0]["version"], fields, product, variants)


# --- values ---------------------------------------------------------------------------------------------------------


async def _unit_ids(work: Work) -> dict[str, ID]:
    rows = await work.connection.execute(select(business.Unit.code, business.Unit.id))
    return {row.code: row.id for row in rows}


def _checked_slug(slug: str, *, path: tuple[str | int, ...]) -> str:
    if slug != words.slug_of(slug) or not slug:
        raise Invalid("A slug has lower-case letters, digits and single hyphens, at most 100 characters.", path=path)
    return slug


def _checked_barcode(barcode: str | None, *, path: tuple[str | int, ...]) -> str | None:
    return None if barcode is None else words.line(barcode, path=path, longest=100)


def _price_columns(wanted: Money | None, *, path: tuple[str | int, ...]) -> dict[str, Decimal | str | None]:
    if wanted is None:
        return {"price_amount": None, "price_currency": None}
    checked = price(wanted, path=path)
    return {"price_amount": checked.amount, "price_currency": checked.currency}
