"""What the shop says of its stock, and where that differs from the model."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import stock
from domain.kernel.database import raw
from domain.kernel.ids import ID
from domain.stock import AvailabilityTermKind
from tests.stock.model.costs import Layers
from tests.stock.model.exact import Cents, Many
from tests.stock.model.kept import NOTHING, Case, Content, CountLine, Figures, Rule, day
from tests.stock.model.promising import availability
from tests.stock.model.reference import Model
from tests.stock.model.world import Document, Place, World

Said = dict[str, dict[Any, Any]]
"""By subject, key and value."""


def cents(amount: Decimal | str) -> Cents:
    """An amount in whole cents."""
    exact = Fraction(amount) * 100
    assert exact.denominator == 1, f"{amount} has fractions of a cent"
    return exact.numerator


def figures(data: Mapping[str, str]) -> Figures:
    """What an event says of a level."""
    many = (Many(data[name]) for name in ("on_hand", "allocated", "reserved", "unavailable"))
    return Figures(*many, value=cents(data["value"]))


class Names:
    """What the ids of a shop are called in the model."""

    def __init__(self, world: World) -> None:
        self.channels = {each[4:]: n for n, each in enumerate(world.channels)}
        self.variants = {each[4:]: n for n, each in enumerate(world.variant_ids)}
        self.locations = {each[4:]: n for n, each in enumerate(world.location_ids)}
        self.bins = {each[4:]: n for rows in world.bin_ids for n, each in enumerate(rows)}
        self.lots = {each[4:]: n for rows in world.lot_ids for n, each in enumerate(rows)}
        self.lines = {row: key[1:] for key, row in world.made.items() if key[0] in ("line", "transfer line")}
        self.holds = {row[4:]: key[1] for key, row in world.made.items() if key[0] == "hold"}
        self.incoming = {row[4:]: key[1:] for key, row in world.made.items() if key[0] == "incoming"}
        self.counts = {row[4:]: key[1] for key, row in world.made.items() if key[0] == "count"}
        self.proposals = {row[4:]: key[1] for key, row in world.made.items() if key[0] == "proposal"}
        self.cases = {row[4:]: key for key, row in world.cases.items()}
        self.documents: dict[str, Document] = {row: ("case", key) for key, row in world.cases.items()}
        self.documents |= {row: (key[0], key[1]) for key, row in world.made.items() if key[0] in ("count", "proposal")}

    def place(self, row: Any) -> Place:
        """The place of a row."""
        return self.variants[row["variant_id"]], self.locations[row["location_id"]]

    def content(self, row: Any, state: str | None = None) -> Content:
        """Where what a row is about lies."""
        return Content(
            None if row["bin_id"] is None else self.bins[row["bin_id"]],
            None if row["lot_id"] is None else self.lots[row["lot_id"]],
            state,
        )


QUERIES = {
    "levels": """SELECT id, variant_id, location_id, on_hand, allocated, reserved, unavailable, value_amount, version
      FROM stock_levels WHERE variant_id = ANY($1)""",
    "layers": """SELECT variant_id, location_id, quantity, value_amount, base_quantity, base_value, founded_at
      FROM cost_layers WHERE variant_id = ANY($1) ORDER BY founded_at, id""",
    "contents": """SELECT variant_id, location_id, bin_id, lot_id, state, quantity FROM stock_contents
      WHERE variant_id = ANY($1) AND quantity <> 0""",
    "allocations": """SELECT source, variant_id, location_id, quantity, allocated_at, bound FROM stock_allocations
      WHERE variant_id = ANY($1)""",
    "waiting": """SELECT source, variant_id, location_id, quantity, since, priority, channel_id, taken
      FROM stock_backorders WHERE variant_id = ANY($1)""",
    "held": """SELECT reservation_id, n, variant_id, location_id, held FROM stock_reservation_lines
      WHERE variant_id = ANY($1) AND held <> 0""",
    "pools": """SELECT channel_id, variant_id, location_id, held FROM stock_pools
      WHERE variant_id = ANY($1) AND held <> 0""",
    "incoming": "SELECT id, outstanding FROM incoming_stock WHERE variant_id = ANY($1)",
    "cases": """SELECT id, kind, variant_id, location_id, quantity, expected, reported, resolution, system,
      opened_at, version, taken_at
      FROM stock_discrepancies WHERE variant_id = ANY($1)""",
    "transfers": """SELECT line.id, status, coalesce(freight_amount, 0) AS freight, quantity, dispatched, received, lost
      FROM stock_transfer_lines AS line JOIN stock_transfers AS transfer ON transfer.id = transfer_id
      WHERE variant_id = ANY($1)""",
    "shipped": "SELECT id, shipped FROM order_lines WHERE variant_id = ANY($1)",
}
RULES = """
SELECT channel_id, variant_id, buffer, cap FROM stock_channel_rules
WHERE channel_id = ANY($1) AND (variant_id IS NULL OR variant_id = ANY($2))
"""
COUNTS = "SELECT id, status, version FROM stock_counts WHERE id = ANY($1)"
COUNT_LINES = """
SELECT count_id, position, variant_id, bin_id, lot_id, expected, moved, counted, rounds, unit_cost_amount
FROM stock_count_lines WHERE count_id = ANY($1)
"""
PROPOSALS = "SELECT id, status, proposed_by, decided_by, version FROM stock_revaluations WHERE id = ANY($1)"
OUTCOMES = "SELECT id, outcome FROM stock_reservations WHERE id = ANY($1)"
ROLES = """('INVENTORY', 'COGS', 'SHRINKAGE', 'DAMAGE', 'SAMPLES', 'STOCK_CORRECTION', 'STOCK_REVALUATION',
  'RECEIVED_NOT_BILLED', 'FREIGHT_ABSORBED')"""
BALANCES = f"""
SELECT role, sum(debit_base - credit_base) AS balance FROM journal_lines JOIN accounts ON accounts.id = account_id
WHERE role IN {ROLES} GROUP BY role
"""


async def said_by_shop(connection: AsyncConnection, world: World, instants: tuple[datetime, datetime]) -> Said:
    """What the shop says, in the model's words. `instants`: as of when, as known when."""
    names, driver = Names(world), await raw(connection)
    variants = [each[4:] for each in world.variant_ids]
    rows = {name: await driver.fetch(query, variants) for name, query in QUERIES.items()}
    said: Said = {
        "levels": {
            names.place(row): (
                Figures(*map(Fraction, list(row.values())[3:7]), value=cents(row["value_amount"])),
                row["version"],
            )
            for row in rows["levels"]
            if row["version"]  # an act of which nobody knows how it ended may have made one, and left it empty
        },
        "contents": {
            (names.place(row), names.content(row, row["state"])): Fraction(row["quantity"]) for row in rows["contents"]
        },
        "allocations": {
            (names.lines[row["source"]], names.place(row)): (
                Fraction(row["quantity"]),
                row["allocated_at"],
                row["bound"],
            )
            for row in rows["allocations"]
        },
        "waiting": {
            names.lines[row["source"]]: (
                names.variants[row["variant_id"]],
                row["location_id"] and names.locations[row["location_id"]],
                Fraction(row["quantity"]),
                row["since"],
                row["priority"],
                names.channels.get(row["channel_id"]),
                Fraction(row["taken"]) if row["channel_id"] in names.channels else NOTHING,
            )
            for row in rows["waiting"]
        },
        "held": {},
        "pools": {(names.channels[row["channel_id"]], names.place(row)): Many(row["held"]) for row in rows["pools"]},
        "incoming": {names.incoming[row["id"]]: Fraction(row["outstanding"]) for row in rows["incoming"]},
        "cases": {
            names.cases[row["id"]]: Case(
                row["kind"],
                names.place(row),
                Fraction(row["quantity"]),
                _exact(row["expected"]),
                _exact(row["reported"]),
                row["resolution"],
                row["system"],
                row["opened_at"],
                row["version"],
                row["taken_at"],
            )
            for row in rows["cases"]
        },
        "transfers": {
            names.lines["trl_" + row["id"]]: (
                row["status"],
                cents(row["freight"]),
                *map(Fraction, list(row.values())[3:]),
            )
            for row in rows["transfers"]
        },
        "shipped": {names.lines["oln_" + row["id"]]: Fraction(row["shipped"]) for row in rows["shipped"]},
    }
    layers: dict[Any, list[Any]] = {}
    for row in rows["layers"]:
        place, left = names.place(row), Fraction(row["quantity"])
        averaged = world.variants[place[0]].averaged
        worth = left, cents(row["value_amount"]), Fraction(row["base_quantity"]), cents(row["base_value"])
        if left or not averaged:
            layers.setdefault(place, []).append((None if averaged else row["founded_at"], *worth))
    said["layers"] = layers
    for row in rows["held"]:
        key = names.holds[row["reservation_id"]], names.place(row)
        said["held"][key] = said["held"].get(key, NOTHING) + Fraction(row["held"])
    said["rules"] = {
        (names.channels[row["channel_id"]], row["variant_id"] and names.variants[row["variant_id"]]): Rule(
            Many(row["buffer"]), _exact(row["cap"])
        )
        for row in await driver.fetch(RULES, list(names.channels), variants)
    }
    counts = await driver.fetch(COUNTS, list(names.counts))
    said["counts"] = {names.counts[row["id"]]: (row["status"], row["version"]) for row in counts}
    said["count lines"] = {
        (names.counts[row["count_id"]], row["position"] - 1): _count_line(names, row)
        for row in await driver.fetch(COUNT_LINES, list(names.counts))
    }
    said["proposals"] = {
        names.proposals[row["id"]]: tuple(row.values())[1:]
        for row in await driver.fetch(PROPOSALS, list(names.proposals))
    }
    outcomes = await driver.fetch(OUTCOMES, list(names.holds))
    said["outcomes"] = {names.holds[row["id"]]: row["outcome"] for row in outcomes}
    said["books"] = await balances(connection)
    levels = {ID("slv_" + row["id"]): names.place(row) for row in rows["levels"]}
    positions = await stock.positions(connection, list(levels), as_of=instants[0], known_at=instants[1])
    said["as of"] = {
        levels[row]: (Fraction(each.on_hand), cents(each.value))
        for row, each in positions.items()
        if each.on_hand or each.value
    }
    for on, channel in _asked(world, instants):
        of = None if channel is None else world.channels[channel]
        found = await stock.availability(connection, world.variant_ids, channel=of, on=on)
        for n, row in enumerate(world.variant_ids):
            terms = {str(kind): Fraction(found[row].total(kind)) for kind in AvailabilityTermKind}
            terms["available"] = Fraction(found[row].available)
            terms["available_to_promise"] = Fraction(found[row].available_to_promise)
            said.setdefault("availability", {})[n, on, channel] = {term: many for term, many in terms.items() if many}
    return said


def _count_line(names: Names, row: Any) -> CountLine:
    cost = row["unit_cost_amount"]
    return CountLine(
        names.variants[row["variant_id"]],
        names.content(row),
        Many(row["expected"]),
        _exact(row["counted"]),
        None if row["counted"] is None else Many(row["expected"]) + Many(row["moved"]),
        row["rounds"],
        None if cost is None else Fraction(cost) * 100,
    )


def _exact(quantity: Decimal | None) -> Many | None:
    return None if quantity is None else Many(quantity)


def _asked(world: World, instants: tuple[datetime, datetime]) -> list[tuple[date | None, int | None]]:
    """The days and channels for which it is asked what can be promised: now one channel, now another."""
    channel = instants[1].second % len(world.channels)
    return [(None, None), (day(instants[1]), None), (None, channel)]


async def balances(connection: AsyncConnection) -> dict[str, Cents]:
    """The balances that the model keeps, debits less credits; those of zero are left out."""
    rows = await (await raw(connection)).fetch(BALANCES)
    return {row["role"]: cents(row["balance"]) for row in rows if row["balance"]}


def said_by_model(model: Model, instants: tuple[datetime, datetime]) -> Said:
    """What the model says."""
    as_of, known = instants
    told = {
        place: [each for each in rows if each.effective_at <= as_of and each.recorded_at <= known]
        for place, rows in model.told.items()
    }
    sums = {
        place: (sum((each.quantity for each in rows), NOTHING), sum(each.value for each in rows))
        for place, rows in told.items()
    }
    held: dict[Any, Many] = {}
    for place, rows in model.held.items():
        for (_, hold, _), many in rows.items():
            held[hold, place] = held.get((hold, place), NOTHING) + many
    return {
        "levels": {place: (model.figures(place), version) for place, version in model.versions.items() if version},
        "layers": {
            place: said
            for place, layers in model.layers.items()
            if (said := _layers(layers, averaged=model.world.variants[place[0]].averaged))
        },
        "contents": {
            (place, content): many
            for place, rows in model.contents.items()
            for content, many in rows.items()
            if many and content != Content()
        },
        "allocations": {
            (line, place): (each.quantity, each.allocated_at, each.bound)
            for place, rows in model.allocations.items()
            for line, each in rows.items()
        },
        "waiting": {
            line: (
                each.variant,
                each.location,
                each.quantity,
                each.since,
                each.priority,
                each.channel,
                each.taken,
            )
            for line, each in model.waiting.items()
        },
        "held": held,
        "pools": {
            (channel, place): pool.held
            for place, pools in model.pools.items()
            for channel, pool in pools.items()
            if pool.held
        },
        "rules": {key: rules[-1] for key, rules in model.rules.items() if rules[-1] is not None},
        "counts": {number: (each.status, each.version) for number, each in model.counts.items()},
        "count lines": {
            (number, n): line for number, each in model.counts.items() for n, line in enumerate(each.lines)
        },
        "proposals": {
            number: (each.status, each.proposed_by, each.decided_by, each.version)
            for number, each in model.proposals.items()
        },
        "outcomes": {hold: each.outcome for hold, each in model.holds.items()},
        "incoming": {key: each.outstanding for key, each in model.incoming.items()},
        "cases": model.cases,
        "transfers": {
            (number, n): (each.status, each.freight, line.quantity, line.dispatched, line.received, line.lost)
            for number, each in model.transfers.items()
            for n, line in enumerate(each.lines)
        },
        "shipped": {
            (number, n): line.shipped for number, order in model.orders.items() for n, line in enumerate(order.lines)
        },
        "books": {role: balance for role, balance in model.books.items() if balance},
        "as of": {place: each for place, each in sums.items() if any(each)},
        "availability": {
            (n, on, channel): {
                term: many for term, many in availability(model, n, on=on, channel=channel).items() if many
            }
            for on, channel in _asked(model.world, instants)
            for n in range(len(model.world.variants))
        },
    }


def _layers(layers: Layers, *, averaged: bool) -> list[Any]:
    """How old the one layer of an average is says nothing, nor does one that is empty."""
    return [
        (None if averaged else each.founded_at, each.left, each.value, each.base, each.base_value)
        for each in layers
        if each.left or not averaged
    ]


def difference(model: Model, shop: Said, instants: tuple[datetime, datetime]) -> str | None:
    """Where the two differ, in words; None where they do not."""
    mine = said_by_model(model, instants)
    for hold, outcome in shop["outcomes"].items():
        if outcome == "EXPIRED" and hold in model.holds and model.may_be_swept(hold):
            mine["outcomes"][hold] = outcome
    found = list(_differences(mine, shop))
    return "\n    ".join(found) or None


def _differences(model: Said, shop: Said) -> Iterator[str]:
    for subject in model:
        for key in {**model[subject], **shop[subject]}:
            one, other = model[subject].get(key), shop[subject].get(key)
            if one != other:
                yield f"{subject} {key}: {_plain(one)} by the model, {_plain(other)} in the shop"


def _plain(value: Any) -> str:
    """Fractions as people read them."""
    if isinstance(value, Fraction):
        return str(value) if value.denominator < 1000 else str(float(value))
    if isinstance(value, (tuple, list)):
        return f"({', '.join(_plain(each) for each in value)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_plain(each)}' for key, each in value.items())}}}"
    return str(value)


def ended_by_sweeps(model: Model, shop: Said) -> Model:
    """The model, in which sweeps have ended what they have ended in the shop."""
    ended = model.copy()
    for hold, outcome in shop["outcomes"].items():
        if outcome == "EXPIRED" and ended.holds[hold].outcome is None:
            ended.holds[hold] = replace(ended.holds[hold], outcome="EXPIRED")
    return ended


def some_instants(chance: random.Random, now: datetime) -> tuple[datetime, datetime]:
    """As of when, as known when."""
    known = now - timedelta(seconds=chance.randint(0, 600))
    return known - timedelta(seconds=chance.randint(0, 1800)), known
