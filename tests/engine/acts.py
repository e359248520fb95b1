"""Random mutations, all of them dry runs: everything is done and answered, and nothing is left behind.

Arguments are random values of their types, so most of the sorts of refusal come up; what would hardly ever be accepted
that way is put together as a clerk would: orders, shipments, counts, postings.
"""

import random
from collections.abc import Callable
from typing import Any

from graphql import get_named_type, is_required_argument

from api.graphql.kit.build import Built
from tests.engine.documents import Document, Spot, Writer, assemble
from tests.engine.pool import Ask, Pool
from tests.engine.values import ABSENT, Name, Taste, Values

WHY = "why"
"""The response name under which every act tells the codes of its refusals."""


class Desk:
    """What a clerk knows beside names: what orders want, what is where, and what is not done yet."""

    def __init__(self, read: dict[str, Any]) -> None:
        self.lines = {
            each["id"]: [line["id"] for line in each["lines"]]
            for each in read["orders"]["nodes"]
            if "SHIP" in each["availableActions"]
        }
        """The lines of orders that can be shipped."""
        self.levels = [
            (each["variant"]["id"], each["location"]["id"], each["onHand"]) for each in read["stockLevels"]["nodes"]
        ]
        """Variant, location, quantity on hand."""
        self.skus = [each["sku"] for each in read["variants"]["nodes"]]
        self.drafts = [each["id"] for each in read["products"]["nodes"] if "ACTIVATE" in each["availableActions"]]
        self.unarchived = [each["id"] for each in read["products"]["nodes"] if "ARCHIVE" in each["availableActions"]]
        """Products that can be archived."""
        self.entries = [
            each["id"]
            for each in read["journalEntries"]["nodes"]
            if each["description"].startswith("By hand") and not each["reversedBy"]
        ]
        """Entries by hand that stand."""
        self.transfers = [
            (each["id"], each["availableActions"], [line["id"] for line in each["lines"]])
            for each in read["stockTransfers"]["nodes"]
        ]
        """Transfers, what can be done with each, and their lines."""
        self.counts = {
            each["id"]: (each["availableActions"], [line["id"] for line in each["lines"]["nodes"]])
            for each in read["stockCounts"]["nodes"]
        }
        """What can be done with counts, and their lines."""
        self.revaluations = [each["id"] for each in read["stockRevaluations"]["nodes"] if each["availableActions"]]
        """Revaluations that wait for somebody to decide."""
        self.periods = {
            action: [each["id"] for each in read["accountingPeriods"]["nodes"] if action in each["availableActions"]]
            for action in ("CLOSE", "LOCK", "REOPEN")
        }
        """Months of the books, by what can be done to each."""
        self.recurring = {each["id"]: each["availableActions"] for each in read["recurringEntries"]["nodes"]}
        """What can be done with entries that come again."""
        self.budgets = [(each["id"], each["availableActions"], each["version"]) for each in read["budgets"]["nodes"]]
        """Budgets, what can be done with each, and their versions."""
        self.groups = [read["account"]["id"]]
        """Accounts that others are part of."""
        self.years = [each["id"] for each in read["fiscalYears"]["nodes"] if each["closedAt"]]
        """Years that are closed."""
        self.cases = [each["id"] for each in read["openCases"]["nodes"]]
        """Cases that wait for somebody."""
        self.today = read["trialBalance"]["asOf"]
        self.waiting = [each["source"] for each in read["stockBackorders"]["nodes"]]
        """The lines that wait for stock."""
        self.places = [each["id"] for each in read["locations"]["nodes"]]
        self.channels = [each["id"] for each in read["channels"]["nodes"]]

    def __repr__(self) -> str:
        return "Desk(…)"


async def desk(ask: Ask) -> Desk:
    """Read what a clerk knows."""
    return Desk(
        await ask(
            """{ orders(first: 250) { nodes { id availableActions lines { id } } }
            stockTransfers(first: 250) { nodes { id availableActions lines { id } } }
            stockLevels(first: 250) { nodes { variant { id } location { id } onHand } }
            variants(first: 250) { nodes { sku } } products(first: 250) { nodes { id availableActions } }
            journalEntries(first: 250) { nodes { id description reversedBy { id } } } trialBalance { asOf }
            stockBackorders(first: 250) { nodes { source } } locations(first: 250) { nodes { id } }
            channels(first: 250) { nodes { id } } fiscalYears { nodes { id closedAt } }
            account(by: {code: "6000"}) { id } accountingPeriods(first: 250) { nodes { id availableActions } }
            budgets(first: 250) { nodes { id availableActions version } }
            recurringEntries(first: 250) { nodes { id availableActions } }
            stockCounts { nodes { id availableActions lines(first: 9) { nodes { id } } } }
            stockRevaluations(first: 250) { nodes { id availableActions } }
            openCases: stockDiscrepancies(filter: {status: {in: [OPEN]}}) { nodes { id } } }"""
        )
    )


def acts(built: Built, pool: Pool, known: Desk, seed: int, taste: Taste | None = None) -> Document:
    """The random mutation document of this seed: one to three acts, with a random selection of what they did."""
    chance = random.Random(f"acts {seed}")
    writer = Writer(built.core, pool, chance, taste or Taste(wrong=0.01), fields=chance.choice((8, 16, 24, 40)))
    clerk = _Clerk(writer.values, known)
    root: Any = built.core.mutation_type
    spot = Spot({})
    parts = []
    names = sorted(root.fields)
    # However many mutations there are, each is the first one of as many documents.
    for name in [names[seed % len(names)], *chance.choices(names, k=chance.choice((0, 0, 0, 1, 2)))]:
        definitions = root.fields[name].args
        arguments = writer.values.arguments(definitions, clerk.arguments(name, definitions))
        if part := writer.written(root, name, arguments, spot):
            parts.append(part.removesuffix("}") + f"{WHY}: userErrors {{ code }} }}")
    return assemble(writer.values, chance, seed, "mutation", f"{{ {' '.join(parts)} }}", writer.used_fragments())


class _Clerk:
    """Fills in what a mutation is given."""

    def __init__(self, values: Values, known: Desk) -> None:
        self.values, self.known, self.chance = values, known, values.chance
        self.by_hand: dict[str, Callable[[], dict[str, Any]]] = {
            "orderPlace": self._order,
            "orderShip": self._shipment,
            "stockSet": self._count,
            "stockAdjust": self._adjustment,
            "stockReserve": self._hold,
            "stockReceive": self._receipt,
            "stockExpect": self._incoming,
            "stockTransferCreate": self._transfer,
            "stockTransferReady": lambda: {"id": self._transfer_to("READY")[0]},
            "stockTransferDispatch": lambda: self._way("DISPATCH"),
            "stockTransferReceive": lambda: self._way("RECEIVE"),
            "stockTransferCancel": lambda: {"id": self._transfer_to("CANCEL")[0]},
            "stockCountStart": self._count_start,
            "stockCountRecord": self._count_record,
            "stockCountSubmit": lambda: {"id": self._count_that("SUBMIT"), "uncountedAreZero": True},
            "stockCountRecount": self._recount,
            "stockCountApprove": lambda: {"id": self._count_that("APPROVE")},
            "stockCountCancel": lambda: {"id": self._count_that("CANCEL")},
            "stockReconcile": self._snapshot,
            "stockRevalue": self._revaluation,
            "stockRevaluationPropose": self._revaluation,
            "stockRevaluationApprove": lambda: {"id": self.chance.choice(self.known.revaluations)},
            "stockRevaluationReject": lambda: {"id": self.chance.choice(self.known.revaluations)},
            "exchangeRatesSet": self._rates,
            "stockDiscrepancySettle": self._settlement,
            "stockRelocate": self._relocation,
            "stockHandOver": self._handing_over,
            "binsCreate": self._bins,
            "lotRecall": lambda: {"id": self.values.id("Lot", "id"), "reason": "glass in it"},
            "productCreate": self._product,
            "productActivate": lambda: {"id": self.chance.choice(self.known.drafts)},
            "productArchive": lambda: {"id": self.chance.choice(self.known.unarchived)},
            "stockPolicySet": self._policy,
            "stockReplenishmentSet": self._replenishment,
            "stockChannelRuleSet": self._channel_rule,
            "stockPoolSet": self._pool,
            "stockBackorderPrioritize": self._priority,
            "locationUpdate": self._location,
            "journalEntryPost": self._entry,
            "journalEntryReverse": lambda: {"id": self.chance.choice(self.known.entries)},
            "dimensionValueCreate": self._dimension,
            "dimensionValueUpdate": lambda: {
                "id": self.values.id("DimensionValue", "id"),
                "input": {"name": "Called otherwise", "isActive": self.values.happens(0.5)},
            },
            "currencyRevalue": lambda: {"input": {"on": self.known.today}},
            "openingBalancesPost": lambda: {
                "input": {"on": self.known.today, "lines": self._entry()["input"]["lines"]}
            },
            "budgetCreate": lambda: {
                "input": {"name": "Plan", "startsOn": f"{self.known.today[:4]}-01-01", "lines": self._planned()}
            },
            "budgetRevise": self._revision,
            "budgetActivate": lambda: {"id": self._budget_that("ACTIVATE")[0]},
            "budgetClose": lambda: {"id": self._budget_that("CLOSE")[0]},
            "recurringEntryCreate": self._recurring,
            "recurringEntryUpdate": self._recurring_update,
            "recurringEntryEnd": lambda: {"id": self._recurring_that("END")},
            "recurringEntriesPost": lambda: {"until": self.chance.choice((ABSENT, None, self.known.today))},
            "accountCreate": self._account,
            "accountUpdate": lambda: {"id": self.values.id("Account", "id"), "input": {"name": "Called otherwise"}},
            "accountingPeriodClose": lambda: {"id": self._period("CLOSE")},
            "accountingPeriodLock": lambda: {"id": self._period("LOCK")},
            "accountingPeriodReopen": lambda: {"id": self._period("REOPEN"), "reason": "Something was forgotten"},
            "fiscalYearClose": lambda: {"startsOn": f"{int(self.known.today[:4]) - self.chance.choice((0, 1))}-01-01"},
            "retentionPolicySet": lambda: {"years": self.chance.choice((0, 1, 9, 10, 11, 30))},
            "fiscalYearReopen": lambda: {"id": self.chance.choice(self.known.years), "reason": "One was forgotten"},
        }

    def arguments(self, name: str, definitions: Any) -> dict[str, Any]:
        """The arguments of a mutation, `dryRun` always among them."""
        if name in self.by_hand and self.values.happens(0.8):
            given = self.by_hand[name]()
        else:
            given = {
                each: self.values.of(definition.type, self._owner(name, each, definition), each)
                for each, definition in definitions.items()
                if each not in ("idempotencyKey", "dryRun")
                and (is_required_argument(definition) or self.values.happens(0.5))
            }
        key = f"key {self.chance.randint(0, 3)}" if self.values.happens(0.15) else ABSENT
        return given | {"idempotencyKey": key, "dryRun": True}

    def _owner(self, name: str, argument: str, definition: Any) -> str:
        """The type that an act is about, by the beginning of its name."""
        nouns = (
            "Product",
            "Customer",
            "Order",
            "JournalEntry",
            "Location",
            "Lot",
            "AccountingPeriod",
            "Account",
            "FiscalYear",
            "DimensionValue",
            "RecurringEntry",
            "Budget",
        )
        return next(
            (noun for noun in nouns if name.lower().startswith(noun.lower())), get_named_type(definition.type).name
        )

    def _order(self) -> dict[str, Any]:
        lines: list[dict[str, Any]] = []
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            variant, _, _ = self.chance.choice(self.known.levels)
            what = {"sku": self.chance.choice(self.known.skus)} if self.values.happens(0.4) else {"variantId": variant}
            lines.append({"quantity": self._some(), **what})
        if self.values.happens(0.15):
            lines[0]["discount"] = {"amount": "1.00", "currency": "USD"}
        optional = {
            "customerId": lambda: self.values.id("Customer", "id"),
            "channelId": lambda: self.values.id("SalesChannel", "id"),
            "email": lambda: "Somebody@Example.com",
            "shippingAddress": lambda: {"line1": "1 Pier", "countryCode": "DE", "city": "Kiel"},
            "locationId": lambda: self.chance.choice(self.known.levels)[1],
            "externalId": lambda: {"system": "web", "id": f"W-{self.chance.randint(0, 9)}"},
        }
        given = {name: value() for name, value in optional.items() if self.values.happens(0.25)}
        return {"input": {"lines": lines, **given}}

    def _shipment(self) -> dict[str, Any]:
        order = self.chance.choice(sorted(self.known.lines))
        part = [{"orderLineId": line, "quantity": self._some()} for line in self.known.lines[order][:2]]
        given = self.chance.choice((ABSENT, None, {"tracking": "1Z"}, {"lines": part}))
        return {"id": order, "input": given}

    def _count(self) -> dict[str, Any]:
        variant, place, there = self.chance.choice(self.known.levels)
        expected = there if self.values.happens(0.4) else "17"
        line = {"variantId": variant, "quantity": self._some(), "expectedQuantity": expected}
        return {"input": {"locationId": place, "reason": Name("COUNT"), "lines": [line]}}

    def _receipt(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        costs = [{"amount": amount, "currency": "USD"} for amount in self.chance.sample(("0", "3.5", "2.125"), 2)]
        lines = [{"variantId": variant, "quantity": self._some(), "unitCost": cost} for cost in costs]
        return {"input": {"locationId": place, "lines": lines, "reference": self.chance.choice((None, "D-1"))}}

    def _incoming(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        lines = [{"variantId": variant, "quantity": self._some()}]
        return {"input": {"locationId": place, "dueOn": "2999-01-01", "lines": lines}}

    def _count_that(self, action: str) -> str:
        return self.chance.choice([each for each, (actions, _) in self.known.counts.items() if action in actions])

    def _count_start(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        blind = self.chance.choice((ABSENT, True))
        given = {"locationId": place, "kind": Name("CYCLE"), "variantIds": [variant], "isBlind": blind}
        return {"input": {name: value for name, value in given.items() if value is not ABSENT}}

    def _count_record(self) -> dict[str, Any]:
        count = self._count_that("RECORD")
        lines = [{"lineId": line, "quantity": self._some()} for line in self.known.counts[count][1][:2]]
        variant, _, _ = self.chance.choice(self.known.levels)
        found = [{"variantId": variant, "quantity": self._some()}] if self.values.happens(0.3) else None
        return {"id": count, "input": {"lines": lines, "found": found}}

    def _recount(self) -> dict[str, Any]:
        count = self._count_that("RECOUNT")
        return {"id": count, "lineIds": self.known.counts[count][1][:1]}

    def _snapshot(self) -> dict[str, Any]:
        variant, place, there = self.chance.choice(self.known.levels)
        lines = [{"variantId": variant, "quantity": there if self.values.happens(0.3) else self._some()}]
        return {"input": {"locationId": place, "system": self.chance.choice(("3pl", "marketplace")), "lines": lines}}

    def _settlement(self) -> dict[str, Any]:
        resolution = Name(self.chance.choice(("ADJUSTED", "DISMISSED")))
        return {"id": self.chance.choice(self.known.cases), "input": {"resolution": resolution}}

    def _revaluation(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        lines = [{"variantId": variant, "unitCost": {"amount": self.chance.choice(("0", "9.5")), "currency": "USD"}}]
        return {"input": {"locationId": place, "reason": "the price fell", "lines": lines}}

    def _rates(self) -> dict[str, Any]:
        rate = {"currency": self.chance.choice(("CHF", "SEK")), "on": "2001-02-03", "rate": "1.25"}
        return {"input": {"rates": [rate]}}

    def _policy(self) -> dict[str, Any]:
        variant, _, _ = self.chance.choice(self.known.levels)
        how = self.chance.choice(
            (
                {"backorders": Name("ALLOW")},
                {"backorders": Name("LIMIT"), "backorderLimit": 3},
                {"backorders": Name("PREORDER"), "preorderOn": "2999-01-01", "tracksLots": False},
                {"costMethod": Name("MOVING_AVERAGE")},
                {"tracksLots": True},
            )
        )
        return {"input": {"variantId": variant, **how}}

    def _replenishment(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        rule = {"reorderPoint": self.chance.choice((None, 1, 500)), "maxQuantity": self.chance.choice((None, 2, 9))}
        return {"input": {"variantId": variant, "locationId": place, **rule}}

    def _channel_rule(self) -> dict[str, Any]:
        variant, _, _ = self.chance.choice(self.known.levels)
        rule = {"variantId": self.chance.choice((None, variant)), "buffer": self._some(), "cap": self._some()}
        return {"input": {"channelId": self.chance.choice(self.known.channels), **rule}}

    def _pool(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        pool = {"variantId": variant, "locationId": place, "quantity": self._some()}
        return {"input": {"channelId": self.chance.choice(self.known.channels), **pool}}

    def _priority(self) -> dict[str, Any]:
        return {"input": {"source": self.chance.choice(self.known.waiting), "priority": self.chance.randint(0, 200)}}

    def _location(self) -> dict[str, Any]:
        changes = {"priority": self.chance.randint(0, 9), "allowsOversell": self.values.happens(0.5)}
        named = {"externalId": {"system": "wms", "id": f"P-{self.chance.randint(0, 9)}"}}
        changes |= self.chance.choice(({}, {"name": "Somewhere else"}, named))
        return {"id": self.chance.choice(self.known.places), "input": changes}

    def _adjustment(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        line = {"variantId": variant, "delta": self.chance.choice((-1, 1, 2))}
        return {"input": {"locationId": place, "reason": Name("COUNT"), "lines": [line]}}

    def _hold(self) -> dict[str, Any]:
        variant, _, _ = self.chance.choice(self.known.levels)
        return {"input": {"lines": [{"variantId": variant, "quantity": self._some()}]}}

    def _transfer(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        _, other, _ = self.chance.choice(self.known.levels)
        lines = [{"variantId": variant, "quantity": self._some()}]
        return {"input": {"originId": place, "destinationId": other, "lines": lines, "expectedOn": self.known.today}}

    def _transfer_to(self, action: str) -> tuple[str, list[str]]:
        """A transfer that can be moved on so, and its lines; now and then any other."""
        fitting = [each for each in self.known.transfers if action in each[1]]
        transfer, _, lines = self.chance.choice(fitting if self.values.happens(0.8) else self.known.transfers)
        return transfer, lines

    def _way(self, action: str) -> dict[str, Any]:
        transfer, lines = self._transfer_to(action)
        part: dict[str, Any] = {"lines": [{"lineId": line, "quantity": self._some()} for line in lines]}
        if action == "RECEIVE":
            part["closes"] = self.values.happens(0.5)
            if self.values.happens(0.3):
                part["freight"] = {"amount": self.chance.choice(("0", "3.1", "0.001")), "currency": "USD"}
        return {"id": transfer, "input": self.chance.choice((ABSENT, None, part, part))}

    def _relocation(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        ways: tuple[dict[str, Any], ...] = (
            {"toState": Name("DAMAGED")},
            {"toState": Name("ON_HOLD"), "toBinId": None},
            {"fromState": Name("ON_HOLD"), "toState": None},
        )
        line = {"variantId": variant, "quantity": self._some(), **self.chance.choice(ways)}
        return {"input": {"locationId": place, "lines": [line], "reason": self.chance.choice((None, "broken"))}}

    def _handing_over(self) -> dict[str, Any]:
        variant, place, _ = self.chance.choice(self.known.levels)
        return {"input": {"locationId": place, "lines": [{"variantId": variant, "quantity": self._some()}]}}

    def _bins(self) -> dict[str, Any]:
        _, place, _ = self.chance.choice(self.known.levels)
        paths = self.chance.sample(("A", "A/1", "a/1/2", "B/7", "B//7", "C"), 2)
        return {"input": {"locationId": place, "bins": [{"path": path} for path in paths]}}

    def _product(self) -> dict[str, Any]:
        number = self.chance.randint(0, 999)
        return {"input": {"name": f"Anew {number}", "variants": [{"sku": f"anew-{number}"}]}}

    def _entry(self) -> dict[str, Any]:
        money = {"amount": self.chance.choice(("1.00", "20", "300.5")), "currency": "USD"}
        debit, credit = self.chance.sample(("1010", "1020", "6010", "6030", "1500", "2500", "1200", "1000"), 2)
        lines = [{"accountCode": debit, "debit": money}, {"accountCode": credit, "credit": money}]
        on = self.known.today if self.values.happens(0.9) else "1999-12-31"
        return {"input": {"on": on, "description": "By hand", "lines": lines}}

    def _dimension(self) -> dict[str, Any]:
        dimension = Name(self.chance.choice(("BRAND", "DEPARTMENT", "PROJECT", "CHANNEL")))
        code = self.chance.choice(("NEW", "MAIN", "-"))
        return {"input": {"dimension": dimension, "code": code, "name": "Another"}}

    def _planned(self) -> list[dict[str, Any]]:
        month = f"{self.known.today[:4]}-{self.chance.randint(1, 12):02}-01"
        codes = self.chance.sample(("6010", "6030", "4010", "1500", "6000"), self.chance.choice((1, 1, 2)))
        return [
            {"accountCode": code, "month": month, "amount": {"amount": "90.00", "currency": "USD"}} for code in codes
        ]

    def _revision(self) -> dict[str, Any]:
        budget, _, version = self._budget_that("CLOSE")
        told = version if self.values.happens(0.8) else 9
        return {"id": budget, "input": {"expectedVersion": told, "reason": "Otherwise", "lines": self._planned()}}

    def _budget_that(self, action: str) -> tuple[str, list[str], int]:
        return self.chance.choice([each for each in self.known.budgets if action in each[1]])

    def _recurring(self) -> dict[str, Any]:
        entry = self._entry()["input"]
        schedule = Name(self.chance.choice(("WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY")))
        given = {"schedule": schedule, "startsOn": entry["on"], "reversesNextMonth": self.values.happens(0.5)}
        return {"input": {"description": "Again", "lines": entry["lines"], **given}}

    def _recurring_update(self) -> dict[str, Any]:
        changes: dict[str, Any] = self.chance.choice(
            ({"description": "Otherwise"}, {"endsOn": self.known.today}, {"lines": self._entry()["input"]["lines"]})
        )
        return {"id": self._recurring_that("UPDATE"), "input": changes}

    def _recurring_that(self, action: str) -> str:
        return self.chance.choice([each for each, actions in self.known.recurring.items() if action in actions])

    def _account(self) -> dict[str, Any]:
        parent = self.chance.choice(self.known.groups)
        code = self.chance.choice(("6999", "X-1", "1020", "x"))
        return {"input": {"code": code, "name": "Another one", "parentId": parent}}

    def _period(self, action: str) -> str:
        return self.chance.choice(self.known.periods[action])

    def _some(self) -> Any:
        return self.chance.choice((1, 1, 2, "1", 3, 5, 1_000))
