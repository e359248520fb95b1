"""The books as a plain reference model: lists of entries, summed anew for every question. Nothing of the product."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

CENTS = {"USD": 2, "EUR": 2, "JPY": 0}


def in_order(lines: Iterable["Line"]) -> list["Line"]:
    """Lines whose order says nothing."""
    return sorted(lines, key=lambda line: (line.account, line.item or "", line.base))


def rounded(value: Fraction, digits: int) -> Decimal:
    """Half away from zero."""
    scaled = abs(value) * 10**digits
    whole = (scaled.numerator * 2 + scaled.denominator) // (scaled.denominator * 2)
    return Decimal(whole if value >= 0 else -whole).scaleb(-digits)


@dataclass(frozen=True)
class Line:
    """Debits above zero, credits below."""

    account: str
    amount: Decimal
    base: Decimal
    project: str | None = None
    item: str | None = None


@dataclass
class Entry:
    """What was posted, and when it was written down."""

    id: str
    on: date
    recorded_at: datetime
    currency: str
    lines: list[Line]
    reversed: bool = False
    is_reversal: bool = False


@dataclass
class Item:
    """What a bill is for, in its own currency, and what is left of it."""

    currency: str
    balance: Decimal
    base: Decimal
    opened_on: date


@dataclass
class Books:
    """Everything that ever happened."""

    entries: dict[str, Entry] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    rates: dict[str, dict[date, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    months: dict[date, str] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """The entry stands in the books."""
        self.entries[entry.id] = entry
        for line in entry.lines:
            if line.item is not None:
                item = self.items.setdefault(line.item, Item(entry.currency, Decimal(0), Decimal(0), entry.on))
                item.balance += line.amount
                item.base += line.base

    def taken_back(self, entry: Entry) -> list[Line]:
        """The lines that take an entry back."""
        return [Line(each.account, -each.amount, -each.base, each.project, each.item) for each in entry.lines]

    def rate(self, currency: str, on: date) -> Decimal | None:
        """What a currency was worth on a day."""
        days = [day for day in self.rates[currency] if day <= on]
        return self.rates[currency][max(days)] if days else None

    def worth(self, amount: Decimal, rate: Decimal | None) -> Decimal:
        """An amount in the currency of the books."""
        return amount if rate is None else rounded(Fraction(amount) * Fraction(rate), 2)

    def posted(self, lines: Iterable[Line], rate: Decimal | None, *, settles: str | None = None) -> list[Line]:
        """The lines of an entry with what they are worth, and what makes them equal."""
        made: list[Line] = []
        told: list[Decimal] = []
        for line in lines:
            # The side up to this line is worth what its whole comes to; whatever was told of it already is not again.
            told.append(line.amount)
            side = [each for each in told if (each > 0) == (line.amount > 0)]
            base = self.worth(sum(side, Decimal(0)), rate) - self.worth(sum(side[:-1], Decimal(0)), rate)
            if line.item is not None and line.item == settles:
                item = self.items[line.item]
                share = Fraction(-item.base) * Fraction(abs(line.amount)) / Fraction(abs(item.balance))
                base = -item.base if line.amount == -item.balance else rounded(share, 2)
            made.append(Line(line.account, line.amount, base, line.project, line.item))
        difference = sum((each.base for each in made), Decimal(0))
        if difference:
            (project,) = {each.project for each in made if each.item is not None and each.item == settles}
            made.append(Line("4800", Decimal(0), -difference, project))
        return made

    def revalued(self, on: date) -> dict[str, list[Line]]:
        """By currency the lines that show foreign balances at the rates of a day."""
        standing: dict[tuple[str, str, str | None], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        for entry in self.entries.values():
            for line in entry.lines:
                if entry.on <= on and entry.currency != "USD" and (line.account == "1030" or line.item is not None):
                    sums = standing[entry.currency, line.account, line.item]
                    sums[0] += line.amount
                    sums[1] += line.base
        made: dict[str, list[Line]] = defaultdict(list)
        for (currency, account, item), (amount, base) in standing.items():
            difference = self.worth(amount, self.rate(currency, on)) - base if amount or base else Decimal(0)
            if difference:
                made[currency].append(Line(account, Decimal(0), difference, None, item))
        for lines in made.values():
            if total := sum((each.base for each in lines), Decimal(0)):
                lines.append(Line("4810", Decimal(0), -total))
        return made

    def balances(self, on: date, *, known_at: datetime | None = None, project: str | None = None) -> dict[str, Decimal]:
        """By account what its lines come to up to a day, in the currency of the books; zeros left out."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for entry in self.entries.values():
            if entry.on <= on and (known_at is None or entry.recorded_at <= known_at):
                for line in entry.lines:
                    if project is None or line.project == project:
                        sums[line.account] += line.base
        return {account: amount for account, amount in sums.items() if amount}

    def state(self, on: date) -> str:
        """The state of the month of a day."""
        return self.months[on.replace(day=1)]
