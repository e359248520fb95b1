"""Lists: every page of every sort, every filter, every search, and what each of them costs."""

import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select

from domain import business, catalog
from domain.catalog import NewProduct, NewVariant, ProductStatus
from domain.kernel import listing
from domain.kernel.database import Database, raw
from domain.kernel.external import ExternalId
from domain.kernel.ids import new_id
from domain.kernel.listing import Listing, Order, Slice
from domain.kernel.work import SYSTEM, begin
from tests.support.api import Api
from tests.support.server import Server

Node = dict[str, Any]
SELECTED = {
    "products": "id name slug status createdAt updatedAt variants { sku barcode }",
    "variants": "id sku name barcode createdAt product { name }",
    "channels": "id name createdAt",
    "units": "id code",
}
LISTINGS: dict[str, Listing] = {
    "products": catalog.products,
    "variants": catalog.variants,
    "channels": business.channels,
    "units": business.units,
}
TYPES = {"products": "Product", "variants": "ProductVariant", "channels": "SalesChannel", "units": "Unit"}
KEYS: dict[str, Callable[[Node], Any]] = {
    "CREATED_AT": lambda node: node["createdAt"],
    "UPDATED_AT": lambda node: node["updatedAt"],
    "NAME": lambda node: node["name"].lower(),
    "SKU": lambda node: node["sku"].lower(),
    "CODE": lambda node: node["code"],
}
SORTS = [(name, sort) for name, each in LISTINGS.items() for sort in each.sorts]
BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = [
    "Blue Tee",
    "blue tee",
    "BLUE TEE",
    "Äpfel",
    "apple",
    "Zebra (striped)",
    "100% cotton",
    "O'Neill's \\ hat",
    "🦆",
]


@pytest.fixture(scope="module", autouse=True)
async def shop(database: Database) -> None:
    """Products in all states with equal names and equal instants, channels and units in plenty."""
    chance = random.Random(11)
    for day in range(6):
        async with (
            database.connection() as connection,
            begin(connection, actor=SYSTEM, now=BEGINNING + timedelta(days=day)) as work,
        ):
            products = [
                NewProduct(
                    name=chance.choice(NAMES),
                    slug=f"thing-{day}-{n}",
                    status=chance.choice(list(ProductStatus)),
                    variants=[
                        NewVariant(
                            sku=f"{chance.choice(['A', 'a', 'B_', 'Ü'])}{day}-{n}-{v}",
                            barcode=f"40{day}{n:02}{v}" if chance.random() < 0.7 else None,
                            name=chance.choice(["Small", "small", "Large"]),
                            external_id=ExternalId("shop", f"v{day}-{n}-{v}"),
                        )
                        for v in range(chance.randint(1, 3))
                    ],
                    external_id=ExternalId("shop", f"p{day}-{n}"),
                )
                for n in range(10)
            ]
            ids = await catalog.create_many(work, products)
            await work.finish()
        assert len(ids) == 10
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        some = "SELECT id FROM products ORDER BY slug LIMIT 20"
        await work.raw.execute(f"UPDATE products SET updated_at = now() WHERE id IN ({some})")
        await work.raw.execute(
            "INSERT INTO sales_channels (id, name, kind, currency, locale, tax_mode, created_at, updated_at)"
            " SELECT uuid7(), 'Channel ' || n, 'PHONE', 'EUR', 'de-DE', 'INCLUSIVE',"
            "   now() - (n / 5) * interval '1 day', now() FROM generate_series(1, 40) n"
        )
        await work.raw.execute(
            "INSERT INTO units (id, code, name, dimension, decimals, numerator, denominator)"
            " SELECT uuid7(), 'U' || n, 'Unit ' || n, 'COUNT', 0, n, 1 FROM generate_series(1, 40) n"
        )


def document(name: str, selected: str | None = None) -> str:
    """A query for a page of a list, with all the arguments that the list takes."""
    kind, each = TYPES[name], LISTINGS[name]
    search = ("$search: String, ", "search: $search, ") if each.search else ("", "")
    return f"""
      query Page($first: Int, $after: String, $last: Int, $before: String, {search[0]}
                 $filter: {kind}Filter, $sort: [{kind}Sort!]) {{
        {name}(first: $first, after: $after, last: $last, before: $before, {search[1]}filter: $filter, sort: $sort) {{
          totalCount edges {{ cursor node {{ {selected or SELECTED[name]} }} }}
          pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
        }}
      }}"""


async def page(api: Api, name: str, **arguments: Any) -> dict[str, Any]:
    found = (await api.data(document(name), arguments))[name]
    edges, info = found["edges"], found["pageInfo"]
    assert info["startCursor"] == (edges[0]["cursor"] if edges else None)
    assert info["endCursor"] == (edges[-1]["cursor"] if edges else None)
    return found


async def pages(api: Api, name: str, sizes: Iterator[int], *, backward: bool = False, **arguments: Any) -> list[Node]:
    """All nodes of a list, page by page, in the order of the list."""
    nodes: list[Node] = []
    cursor, total = None, None
    size_name, cursor_name = ("last", "before") if backward else ("first", "after")
    while True:
        size = next(sizes)
        found = await page(api, name, **{size_name: size, cursor_name: cursor}, **arguments)
        assert total in (None, found["totalCount"])
        total, shown = found["totalCount"], [edge["node"] for edge in found["edges"]]
        nodes = shown + nodes if backward else nodes + shown
        ahead, behind = ("hasPreviousPage", "hasNextPage") if backward else ("hasNextPage", "hasPreviousPage")
        assert found["pageInfo"][behind] is (cursor is not None)
        if not found["pageInfo"][ahead]:
            assert len(nodes) == total
            return nodes
        assert len(shown) == size
        cursor = found["pageInfo"]["startCursor" if backward else "endCursor"]


async def whole(api: Api, name: str, **arguments: Any) -> list[Node]:
    """The whole list, on one page."""
    found = await page(api, name, first=250, **arguments)
    assert not found["pageInfo"]["hasNextPage"]
    assert found["totalCount"] == len(found["edges"])
    return [edge["node"] for edge in found["edges"]]


def random_sizes(seed: int) -> Iterator[int]:
    chance = random.Random(seed)
    while True:
        yield chance.randint(1, 25)


def in_order(nodes: Sequence[Node], *orders: tuple[str, bool]) -> list[Node]:
    """Sorted here, in code point order, ties by id the way of the last sort."""
    nodes = sorted(nodes, key=lambda node: node["id"], reverse=orders[-1][1])
    for sort, descending in reversed(orders):  # ties keep their order, also where the order is reversed
        nodes = sorted(nodes, key=KEYS[sort], reverse=descending)
    return nodes


# --- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["ASC", "DESC"])
@pytest.mark.parametrize(("name", "sort"), SORTS)
async def test_pages_of_any_size_in_either_direction_make_up_the_sorted_whole(
    api: Api, name: str, sort: str, way: str
) -> None:
    everything = await whole(api, name)
    assert len(everything) > 40
    wanted = in_order(everything, (sort, way == "DESC"))
    by = [f"{sort}_{way}"]
    assert await whole(api, name, sort=by) == wanted
    assert await pages(api, name, random_sizes(1), sort=by) == wanted
    assert await pages(api, name, random_sizes(2), backward=True, sort=by) == wanted


@pytest.mark.parametrize("second", ["CREATED_AT_ASC", "CREATED_AT_DESC"])
@pytest.mark.parametrize("first", ["NAME_ASC", "NAME_DESC"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
async def test_two_sorts_hold_together_whichever_way_each_goes(
    api: Api, first: str, second: str, backward: bool
) -> None:
    orders = [(each.rpartition("_")[0], each.endswith("_DESC")) for each in (first, second)]
    wanted = in_order(await whole(api, "products"), *orders)
    assert await pages(api, "products", random_sizes(3), backward=backward, sort=[first, second]) == wanted


@pytest.mark.parametrize("name", LISTINGS)
async def test_without_a_sort_the_first_declared_one_applies_and_without_a_size_fifty(api: Api, name: str) -> None:
    wanted = in_order(await whole(api, name), (LISTINGS[name].default_sort, False))
    found = await page(api, name)
    assert [edge["node"] for edge in found["edges"]] == wanted[:50]
    last = await page(api, name, last=3)
    assert [edge["node"] for edge in last["edges"]] == wanted[-3:]


async def test_an_empty_page_has_no_edges_but_a_count(api: Api) -> None:
    total = (await page(api, "products", first=1))["totalCount"]
    found = await page(api, "products", first=0)
    assert (found["edges"], found["totalCount"], found["pageInfo"]["hasPreviousPage"]) == ([], total, False)
    nothing = await page(api, "products", filter={"slug": {"eq": "no-such-thing"}})
    assert (nothing["edges"], nothing["totalCount"]) == ([], 0)
    assert nothing["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
async def test_rows_that_come_and_go_between_pages_do_not_repeat_or_hide_others(
    fresh_api: Api, fresh_database: Database, server: Server, fresh_name: str, backward: bool
) -> None:
    async def add(names: Sequence[str]) -> None:
        async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            news = [NewProduct(name=name, variants=[NewVariant(sku=new_id("sku"))]) for name in names]
            await catalog.create_many(work, news)

    chance = random.Random(7)
    lasting = [f"M{n:02}" for n in range(40)] + ["M20"] * 5
    await add(lasting)
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    seen: list[Node] = []
    cursor = None
    for size in random_sizes(5):
        part = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        found = await page(fresh_api, "products", sort=["NAME_ASC"], **part)
        seen += [edge["node"] for edge in found["edges"]]
        if not found["pageInfo"]["hasPreviousPage" if backward else "hasNextPage"]:
            break
        cursor = found["pageInfo"]["startCursor" if backward else "endCursor"]
        # The row that the cursor was made of goes, and others come on both sides of it.
        gone = seen[-len(found["edges"])]["id"] if backward else seen[-1]["id"]
        await owner.execute("DELETE FROM product_variants WHERE product_id = $1::uuid", gone[4:])
        await owner.execute("DELETE FROM products WHERE id = $1::uuid", gone[4:])
        await add([chance.choice(["A", "M20", "Z"]) + " new" for _ in range(4)])
    await owner.close()
    assert len({node["id"] for node in seen}) == len(seen)
    assert sorted(node["name"] for node in seen if not node["name"].endswith("new")) == sorted(lasting)


# --- filters --------------------------------------------------------------------------------------------------------


async def matching(api: Api, name: str, given: dict[str, Any], test: Callable[[Node], bool]) -> int:
    """Assert that the filter finds what the test here finds, in order, with the right count; returns how many."""
    wanted = [node for node in await whole(api, name) if test(node)]
    assert await whole(api, name, filter=given) == wanted
    assert await pages(api, name, random_sizes(4), filter=given) == wanted
    return len(wanted)


def day(number: int) -> str:
    return (BEGINNING + timedelta(days=number)).isoformat()


def at(node: Node, field: str = "createdAt") -> datetime:
    return datetime.fromisoformat(node[field])


FILTERS: list[tuple[str, dict[str, Any], Callable[[Node], bool]]] = [
    ("products", {"status": {"in": ["DRAFT", "ACTIVE"]}}, lambda node: node["status"] in ("DRAFT", "ACTIVE")),
    ("products", {"status": {"notIn": ["DRAFT"]}}, lambda node: node["status"] != "DRAFT"),
    (
        "products",
        {"status": {"in": ["DRAFT", "ACTIVE"], "notIn": ["DRAFT"]}},
        lambda node: node["status"] == "ACTIVE",
    ),
    ("products", {"name": {"eq": "BLUE tee"}}, lambda node: node["name"].lower() == "blue tee"),
    ("products", {"name": {"eq": "äpfel"}}, lambda node: node["name"] == "Äpfel"),
    ("products", {"name": {"in": ["APPLE", "🦆"]}}, lambda node: node["name"] in ("apple", "🦆")),
    ("products", {"name": {"startsWith": "O'NEILL'S \\"}}, lambda node: node["name"].startswith("O'Neill")),
    ("products", {"name": {"startsWith": "100%"}}, lambda node: node["name"].startswith("100%")),
    ("products", {"name": {"startsWith": ""}}, lambda _: True),
    ("products", {"slug": {"eq": "thing-3-4"}}, lambda node: node["slug"] == "thing-3-4"),
    ("products", {"slug": {"in": ["thing-3-4", "thing-0-0", "x"]}}, lambda n: n["slug"] in ("thing-3-4", "thing-0-0")),
    ("products", {"slug": {"startsWith": "thing-3"}}, lambda node: node["slug"].startswith("thing-3")),
    (
        "products",
        {"sku": {"startsWith": "a1"}},
        lambda node: any(each["sku"].lower().startswith("a1") for each in node["variants"]),
    ),
    (
        "products",
        {"sku": {"startsWith": "B_"}},
        lambda node: any(each["sku"].startswith("B_") for each in node["variants"]),
    ),
    ("products", {"createdAt": {"after": day(2)}}, lambda node: at(node) > BEGINNING + timedelta(days=2)),
    ("products", {"createdAt": {"before": day(2)}}, lambda node: at(node) < BEGINNING + timedelta(days=2)),
    (
        "products",
        {"createdAt": {"after": day(0), "before": day(2)}},
        lambda node: at(node) == BEGINNING + timedelta(days=1),
    ),
    ("products", {"updatedAt": {"after": day(5)}}, lambda node: at(node, "updatedAt") > BEGINNING + timedelta(days=5)),
    (
        "products",
        {"any": [{"name": {"eq": "apple"}}, {"status": {"in": ["ARCHIVED"]}, "slug": {"startsWith": "thing-1"}}]},
        lambda n: n["name"] == "apple" or (n["status"] == "ARCHIVED" and n["slug"].startswith("thing-1")),
    ),
    (
        "products",
        {"status": {"in": ["ACTIVE"]}, "any": [{"any": [{"name": {"eq": "apple"}}]}, {"name": {"eq": "🦆"}}]},
        lambda n: n["status"] == "ACTIVE" and n["name"] in ("apple", "🦆"),
    ),
    ("variants", {"sku": {"eq": "a0-0-0"}}, lambda node: node["sku"].lower() == "a0-0-0"),
    ("variants", {"sku": {"startsWith": "Ü"}}, lambda node: node["sku"].startswith("Ü")),
    ("products", {"name": {"startsWith": "Ä"}}, lambda node: node["name"] == "Äpfel"),
    ("products", {"name": {"in": ["ÄPFEL", "x"]}}, lambda node: node["name"] == "Äpfel"),
    ("variants", {"sku": {"in": ["A0-0-0", "b_0-0-0", "ü0-0-0"]}}, lambda node: node["sku"][-5:] == "0-0-0"),
    ("variants", {"barcode": {"startsWith": "403"}}, lambda node: (node["barcode"] or "").startswith("403")),
    ("variants", {"name": {"eq": "SMALL"}}, lambda node: node["name"].lower() == "small"),
    ("variants", {"createdAt": {"after": day(4)}}, lambda node: at(node) > BEGINNING + timedelta(days=4)),
    ("units", {"code": {"eq": "KG"}}, lambda node: node["code"] == "KG"),
    ("units", {"code": {"eq": "kg"}}, lambda _: False),
    ("units", {"code": {"in": ["KG", "M", "kg"]}}, lambda node: node["code"] in ("KG", "M")),
    ("units", {"code": {"startsWith": "U1"}}, lambda node: node["code"].startswith("U1")),
    ("units", {"any": [{"code": {"eq": "KG"}}, {"code": {"eq": "M"}}]}, lambda node: node["code"] in ("KG", "M")),
]


@pytest.mark.parametrize(("name", "given", "test"), FILTERS, ids=[f"{name} {given}" for name, given, _ in FILTERS])
async def test_a_filter_finds_exactly_what_it_says(
    api: Api, name: str, given: dict[str, Any], test: Callable[[Node], bool]
) -> None:
    total = len(await whole(api, name))
    found = await matching(api, name, given, test)
    nothing_to_find = given == {"code": {"eq": "kg"}}
    assert (found > 0) is not nothing_to_find
    assert found < total or given == {"name": {"startsWith": ""}}


@pytest.mark.parametrize("name", ["products", "variants", "channels"])
async def test_ids_that_name_nothing_are_left_out_of_a_filter_by_id(api: Api, name: str) -> None:
    some = [node["id"] for node in await whole(api, name)][3:6]
    for strangers in ([], ["", "x", "uom_" + "0" * 32, some[0][:4] + "0" * 32, some[0].upper()]):
        assert await matching(api, name, {"id": {"in": some + strangers}}, lambda node: node["id"] in some) == 3
    assert await matching(api, name, {"id": {"in": []}}, lambda _: False) == 0


@pytest.mark.parametrize("given", [None, {}, {"any": []}, {"any": [{}]}, {"name": {}}, {"name": None}])
async def test_a_filter_that_says_nothing_narrows_nothing(api: Api, given: Any) -> None:
    assert await whole(api, "products", filter=given) == await whole(api, "products")


async def test_filters_of_several_fields_all_hold_and_a_search_narrows_further(api: Api) -> None:
    nodes = await whole(api, "products", filter={"status": {"in": ["ACTIVE"]}}, search="tee")
    everything = await whole(api, "products")
    assert nodes == [n for n in everything if n["status"] == "ACTIVE" and n["name"].lower() == "blue tee"]
    assert 0 < len(nodes) < len(everything)


# --- search ---------------------------------------------------------------------------------------------------------


def named(*names: str) -> Callable[[Node], bool]:
    return lambda node: node["name"] in names


TEES = ("Blue Tee", "blue tee", "BLUE TEE")
SEARCHES: list[tuple[str, Callable[[Node], bool]]] = [
    ("tee", named(*TEES)),
    ("BLUE", named(*TEES)),
    ("tee blue", named(*TEES)),
    ("blu te", named(*TEES)),
    ("  Tee \t blue\n", named(*TEES)),
    ("blue hat", named()),
    ("lue", named()),
    ("äpf", named("Äpfel")),
    ("striped", named("Zebra (striped)")),
    ("(striped)", named("Zebra (striped)")),
    ("zebra striped", named("Zebra (striped)")),
    ("cotton", named("100% cotton")),
    ("100", named("100% cotton")),
    ("hat", named("O'Neill's \\ hat")),
    ("neill", named("O'Neill's \\ hat")),
    ("O'Neill's", named("O'Neill's \\ hat")),
    ("b_2-", lambda node: any(each["sku"].startswith("B_2-") for each in node["variants"])),
    ("thing", named()),
]


@pytest.mark.parametrize(("words", "test"), SEARCHES, ids=[words for words, _ in SEARCHES])
async def test_products_are_found_by_words_of_their_name_and_by_sku(
    api: Api, words: str, test: Callable[[Node], bool]
) -> None:
    wanted = [node for node in await whole(api, "products") if test(node)]
    assert await whole(api, "products", search=words) == wanted
    assert await pages(api, "products", random_sizes(6), search=words, sort=["CREATED_AT_ASC"]) == wanted
    assert (len(wanted) > 0) is (words not in ("blue hat", "lue", "thing"))


async def test_variants_are_found_by_words_of_their_product_by_sku_and_by_barcode(api: Api) -> None:
    everything = await whole(api, "variants")
    coded = next(node for node in everything if node["barcode"])
    for words, test in [
        ("blue tee", lambda node: node["product"]["name"] in TEES),
        ("A0-", lambda node: node["sku"].lower().startswith("a0-")),
        ("ü1-", lambda node: node["sku"].startswith("Ü1-")),
        (coded["barcode"], lambda node: node["id"] == coded["id"]),
        (f" {coded['sku'].upper()} ", lambda node: node["sku"].lower().startswith(coded["sku"].lower())),
    ]:
        wanted = [node for node in everything if test(node)]
        assert wanted
        assert await whole(api, "variants", search=words) == wanted
    found = await whole(api, "products", search=coded["barcode"])
    assert [coded["sku"] in [each["sku"] for each in node["variants"]] for node in found] == [True]


@pytest.mark.parametrize("blank", [None, "", " ", "\t\n  ", "\u00a0"])
async def test_a_blank_search_narrows_nothing(api: Api, blank: str | None) -> None:
    for name in ("products", "variants"):
        assert await whole(api, name, search=blank) == await whole(api, name)


@pytest.mark.parametrize(
    "words",
    [
        *"'\\:&|!*()<>%_\"$;`-+?#@^~[]{}",
        "''",
        "\\\\",
        "'\\",
        "\\'",
        ":*",
        "a:*b",
        "!!!",
        "& |",
        "( )",
        "<->",
        "tee:",
        "tee:A",
        "'; DROP TABLE products; --",
        "\U0010ffff",
        "x" * 255,
        "a " * 16,
    ],
)
async def test_no_character_means_anything_special_to_a_search(api: Api, words: str) -> None:
    everything = {node["id"] for node in await whole(api, "products")}
    for name in ("products", "variants"):
        found = await page(api, name, search=words, first=250)
        assert found["totalCount"] == len(found["edges"]) < (await page(api, name))["totalCount"] or words == "_"
    assert {node["id"] for node in await whole(api, "products")} == everything


# --- refusals -------------------------------------------------------------------------------------------------------


async def refusal(api: Api, name: str, **arguments: Any) -> tuple[str, list[str]]:
    """The code and the argument that a list was refused with."""
    answer = await api.post(document(name), arguments)
    assert answer.get("data") is None
    [error] = answer["errors"]
    assert error["message"].endswith(".")
    return error["extensions"]["code"], error["extensions"].get("argument")


@pytest.mark.parametrize("name", LISTINGS)
@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"first": -1}, "first"),
        ({"last": -1}, "last"),
        ({"first": 251}, "first"),
        ({"last": 251}, "last"),
        ({"first": 1, "last": 1}, "last"),
        ({"first": 1, "before": "x"}, "last"),
        ({"after": "x", "last": 1}, "last"),
        ({"after": "x"}, "after"),
        ({"after": ""}, "after"),
        ({"before": "🦆"}, "before"),
        ({"after": "W10"}, "after"),
        ({"after": "bnVsbA"}, "after"),
        ({"after": "e30"}, "after"),
        ({"after": "W251bGwsbnVsbCxudWxsXQ"}, "after"),
    ],
    ids=str,
)
async def test_paging_arguments_that_cannot_be_are_refused_by_name(
    api: Api, name: str, arguments: dict[str, Any], argument: str
) -> None:
    assert await refusal(api, name, **arguments) == ("INVALID", [argument])


async def test_a_cursor_of_another_sort_or_list_is_refused(api: Api) -> None:
    mine = (await page(api, "products", first=1, sort=["NAME_ASC"]))["pageInfo"]["endCursor"]
    for other in (["NAME_DESC"], ["CREATED_AT_ASC"], ["NAME_ASC", "CREATED_AT_ASC"], None):
        assert await refusal(api, "products", after=mine, sort=other) == ("INVALID", ["after"])
        assert await refusal(api, "products", last=1, before=mine, sort=other) == ("INVALID", ["before"])
    assert await refusal(api, "variants", after=mine, sort=["NAME_ASC"]) == ("INVALID", ["after"])
    assert len((await page(api, "products", after=mine, sort=["NAME_ASC"]))["edges"]) > 0


@pytest.mark.parametrize(
    ("sort", "values"),
    [
        ("CREATED_AT", ["yesterday", "prd_" + "0" * 32]),
        ("CREATED_AT", [5, "prd_" + "0" * 32]),
        ("CREATED_AT", ["2024-01-01T00:00:00Z", "var_" + "0" * 32]),
        ("CREATED_AT", ["2024-01-01T00:00:00Z", None]),
        ("CREATED_AT", ["2024-01-01T00:00:00", "prd_" + "0" * 32]),
        ("NAME", [None, "prd_" + "0" * 32]),
        ("NAME", ["a\x00b", "prd_" + "0" * 32]),
        ("NAME", [["a"], "prd_" + "0" * 32]),
        ("NAME", ["a"]),
        ("NAME", ["a", "prd_" + "0" * 32, "b"]),
    ],
    ids=str,
)
async def test_a_forged_cursor_is_refused_or_a_mere_place_never_a_fault(api: Api, sort: str, values: list[Any]) -> None:
    forged = listing.write_cursor([Order(sort)], values)
    answer = await api.post(document("products"), {"after": forged, "sort": [f"{sort}_ASC"]})
    codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
    assert codes in ([], ["INVALID"])
    assert (codes == []) is (values[0] == "2024-01-01T00:00:00" and len(values) == 2)


async def test_the_same_sort_twice_is_refused(api: Api) -> None:
    assert await refusal(api, "products", sort=["NAME_ASC", "NAME_DESC"]) == ("INVALID", ["sort"])


@pytest.mark.parametrize(
    "arguments", [{"search": "a\x00b"}, {"filter": {"name": {"eq": "a\x00b"}}}, {"filter": {"slug": {"in": ["\x00"]}}}]
)
async def test_what_no_database_can_store_is_no_fault_of_ours(api: Api, arguments: dict[str, Any]) -> None:
    answer = await api.post(document("products"), arguments)
    assert [error["extensions"]["code"] for error in answer.get("errors", [])] in ([], ["BAD_REQUEST"], ["INVALID"])


# --- cost -----------------------------------------------------------------------------------------------------------

NESTED = """
  id variants { id unit { code dimension } externalIds { system id } product { id } } externalIds { system id }
  availableActions
"""
COSTS = [
    ("products", SELECTED["products"]),
    ("products", NESTED),
    ("variants", "id unit { code } externalIds { id } product { id variants { id unit { code } } externalIds { id } }"),
    ("channels", SELECTED["channels"]),
    ("units", SELECTED["units"]),
]


@pytest.fixture(scope="module")
async def crowded(database: Database, owner_of_module: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A thousand rows in every list."""
    for first in range(0, 1000, 250):
        async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            news = [
                NewProduct(
                    name=f"Crowd {n}",
                    slug=f"crowd-{n}",
                    variants=[
                        NewVariant(sku=f"CROWD-{n}-{v}", external_id=ExternalId("c", f"{n}.{v}")) for v in (1, 2)
                    ],
                    external_id=ExternalId("c", str(n)),
                )
                for n in range(first, first + 250)
            ]
            await catalog.create_many(work, news)
    await fill(owner_of_module, "sales_channels", 1000)
    await fill(owner_of_module, "units", 1000)


@pytest.fixture(scope="module")
async def owner_of_module(server: Server, database_name: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(server.owner_url(database_name))
    yield connection
    await connection.close()


@pytest.mark.parametrize("size", [10, 250])
@pytest.mark.parametrize(("name", "selected"), COSTS, ids=[f"{name} {len(what)}" for name, what in COSTS])
async def test_the_number_of_statements_depends_on_the_document_alone(
    api: Api, crowded: None, name: str, selected: str, size: int
) -> None:
    query = document(name, selected)
    await api.data(query, {"first": 1})
    counts = []
    for arguments in ({"first": 1}, {"first": size}, {"last": size}):
        async with api.counted() as statements:
            found = (await api.data(query, arguments))[name]
            assert len(found["edges"]) == min(arguments.get("first", size), size)
            assert found["totalCount"] > 1000
        counts.append([each for each in statements if is_read(each)])
    assert len(counts[0]) == len(counts[1]) == len(counts[2]), counts
    levels = selected.count("{")
    assert 1 <= len(counts[0]) <= levels + 3  # at most one for the caller, the page, its count and each level below


def is_read(statement: str) -> bool:
    """Whether it reads for the caller.

    The tail follows the log on its own meanwhile, and the driver asks a new connection once about its types.
    """
    others = ("FROM events", "current_setting('jit')")
    text = statement.strip()
    return text.startswith(("SELECT", "WITH")) and text != "SELECT 1" and not any(each in text for each in others)


# --- indexes --------------------------------------------------------------------------------------------------------

ROWS = {
    "products": """INSERT INTO products (id, name, slug, status, created_at, updated_at)
        SELECT uuid7(), 'Thing ' || n % 7000, 'many-' || n, 'ACTIVE', now() - n % 9000 * interval '1 minute',
          now() - n % 5000 * interval '1 minute' FROM generate_series(1, $1::int) n""",
    "product_variants": """INSERT INTO product_variants
          (id, product_id, position, sku, name, barcode, unit_id, created_at, updated_at)
        SELECT uuid7(), p.id, 1, 'MANY-' || row_number() OVER (), p.name, 'b' || row_number() OVER (), u.id,
          p.created_at, p.created_at FROM products p, units u WHERE u.code = 'EA' LIMIT $1::int""",
    "sales_channels": """INSERT INTO sales_channels
          (id, name, kind, currency, locale, tax_mode, created_at, updated_at)
        SELECT uuid7(), 'Many ' || n, 'PHONE', 'EUR', 'de-DE', 'INCLUSIVE', now() - n / 3 * interval '1 minute', now()
        FROM generate_series(1, $1::int) n""",
    "units": """INSERT INTO units (id, code, name, dimension, decimals, numerator, denominator)
        SELECT uuid7(), 'N' || n, 'Unit', 'COUNT', 0, n, 1 FROM generate_series(1, $1::int) n""",
}


async def fill(owner: "asyncpg.Connection[asyncpg.Record]", table: str, number: int) -> None:
    await owner.execute(ROWS[table], number)


@dataclass
class Planner:
    """Shows how the server would run a statement."""

    driver: Any
    dialect: Any

    async def plan(self, statement: Any) -> str:
        compiled = statement.compile(dialect=self.dialect)
        values = compiled.construct_params()
        processors = compiled._bind_processors
        arguments = [
            processors[name](values[name]) if name in processors else values[name] for name in compiled.positiontup
        ]
        return "\n".join(record[0] for record in await self.driver.fetch("EXPLAIN " + compiled.string, *arguments))


@pytest.fixture(scope="module")
async def planner(server: Server, template: str) -> AsyncIterator[Planner]:
    """A database with 20,000 rows in every list."""
    async with server.clone(template) as name:
        owner = await asyncpg.connect(server.owner_url(name))
        for table in ROWS:
            await fill(owner, table, 20_000)
        await owner.execute("ANALYZE")
        await owner.close()
        database = Database(server.app_url(name), pool=1)
        async with database.snapshot() as connection:
            await connection.exec_driver_sql("SELECT 1")
            yield Planner(await raw(connection), connection.dialect)
        await database.close()


def base(each: Listing) -> Any:
    return select(*each.row.__table__.c)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize(("name", "sort"), SORTS)
async def test_every_page_of_every_sort_comes_from_an_index_unsorted(
    planner: Planner, name: str, sort: str, descending: bool, backward: bool
) -> None:
    each, orders = LISTINGS[name], [Order(sort, descending)]
    middle = (
        select(*listing.sort_values(each, orders)).order_by(*listing.ordering(each, orders)).offset(15_000).limit(1)
    )
    [row] = await planner_rows(planner, middle)
    for cursor in (None, listing.write_cursor(orders, row)):
        plan = await planner.plan(listing.keyset(each, orders, Slice(50, backward, cursor), base=base(each)))
        assert "Index Scan" in plan, plan
        assert "Sort" not in plan, plan
        assert "Seq Scan" not in plan, plan
        assert ("Index Cond" in plan) is (cursor is not None), plan


async def planner_rows(planner: Planner, statement: Any) -> list[list[Any]]:
    """What a statement finds, as the cursors of lists hold it."""
    compiled = statement.compile(dialect=planner.dialect)
    values = compiled.construct_params()
    records = await planner.driver.fetch(compiled.string, *(values[name] for name in compiled.positiontup))
    prefixes = [getattr(column.type, "prefix", None) for column in statement.selected_columns]
    return [
        [f"{prefix}_{value}" if prefix else value for prefix, value in zip(prefixes, record, strict=True)]
        for record in records
    ]


@pytest.mark.parametrize("name", LISTINGS)
async def test_every_column_that_lists_sort_or_filter_by_has_an_index(planner: Planner, name: str) -> None:
    query = """
        SELECT t.relname AS table, a.attname AS column FROM pg_index i
        JOIN pg_class t ON t.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
        WHERE i.indpred IS NULL
    """
    leading = {(record["table"], record["column"]) for record in await planner.driver.fetch(query)}
    each = LISTINGS[name]
    columns: list[Any] = [*each.sorts.values(), *(one.column for one in each.filters.values())]
    assert {(column.table.name, column.name) for column in columns} <= leading
    assert not [column.name for column in each.sorts.values() if column.nullable]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("products", {"name": {"starts_with": "thing 12"}}),
        ("products", {"name": {"eq": "THING 12"}}),
        ("products", {"name": {"in": ["THING 12", "thing 13"]}}),
        ("products", {"slug": {"in": ["many-1", "many-2"]}}),
        ("products", {"slug": {"starts_with": "many-12"}}),
        ("products", {"sku": {"eq": "many-12"}}),
        ("products", {"id": {"in": ["prd_" + "0" * 32]}}),
        ("variants", {"sku": {"starts_with": "MANY-12"}}),
        ("variants", {"barcode": {"eq": "b12"}}),
        ("variants", {"name": {"eq": "thing 12"}}),
        ("units", {"code": {"starts_with": "N12"}}),
    ],
    ids=str,
)
async def test_a_narrow_filter_reads_no_whole_table(planner: Planner, name: str, given: dict[str, Any]) -> None:
    each = LISTINGS[name]
    condition = listing.condition(each, given)
    assert condition is not None
    plan = await planner.plan(base(each).where(condition))
    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize("name", ["products", "variants"])
async def test_a_search_reads_no_whole_table(planner: Planner, name: str) -> None:
    each = LISTINGS[name]
    assert each.search is not None
    plan = await planner.plan(base(each).where(each.search("thing 123")))
    assert "Seq Scan" not in plan, plan
    assert "ix_products_search" in plan
    assert "uq_product_variants_sku" in plan


def test_ties_are_told_apart_by_the_id_in_these_tests_too() -> None:
    nodes = [{"id": mark, "createdAt": "same"} for mark in "abc"]
    for descending in (False, True):
        ordered = [node["id"] for node in in_order(nodes, ("CREATED_AT", descending))]
        assert all((a > b) is descending for a, b in pairwise(ordered))


@pytest.mark.parametrize("name", [name for name, each in LISTINGS.items() if each.search])
async def test_whether_anything_is_found_can_be_asked_for_alone(api: Api, name: str) -> None:
    """Then no column of the rows is read at all."""
    query = f"query Q($words: String) {{ {name}(first: 1, search: $words) {{ pageInfo {{ hasNextPage }} }} }}"
    for words, more in (("blue", True), ("nothing like it", False)):
        assert (await api.data(query, {"words": words}))[name]["pageInfo"] == {"hasNextPage": more}
