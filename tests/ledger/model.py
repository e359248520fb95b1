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
    shows: bool = False
    """Whether it shows foreign balances for its day alone."""
    realizes: bool = False
    """Whether it realizes what was left of an empty account."""


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

    def revalued(self, on: date) -> tuple[dict[str, list[Line]], dict[str, list[Line]]]:
        """By currency the lines that show foreign balances at the rates of a day, and those that realize what is left
        of empty accounts.
        """
        standing: dict[tuple[str, str, str | None], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        for entry in self.entries.values():
            for line in entry.lines:
                if entry.on <= on and entry.currency != "USD" and (line.account == "1030" or line.item is not None):
                    sums = standing[entry.currency, line.account, line.item]
                    sums[0] += line.amount
                    sums[1] += line.base
        shown: dict[str, list[Line]] = defaultdict(list)
        for_good: dict[str, list[Line]] = defaultdict(list)
        for (currency, account, item), (amount, base) in standing.items():
            if not amount and not base:
                continue
            difference = self.worth(amount, self.rate(currency, on)) - base
            lasts = Decimal(0)
            if item is None and not amount:
                lasts = self._left(account, on, base)
            if difference != lasts:
                shown[currency].append(Line(account, Decimal(0), difference - lasts, None, item))
            if lasts:
                for_good[currency].append(Line(account, Decimal(0), lasts))
        for made, result in ((shown, "4810"), (for_good, "4800")):
            for lines in made.values():
                if total := sum((each.base for each in lines), Decimal(0)):
                    lines.append(Line(result, Decimal(0), -total))
        return shown, for_good

    def _left(self, account: str, on: date, base: Decimal) -> Decimal:
        """What has to be realized of an empty account, so that nothing is left of it on the day after."""
        for entry in self.entries.values():
            mine = sum((line.base for line in entry.lines if line.account == account), Decimal(0))
            if mine and entry.realizes and entry.on > on:
                return Decimal(0)
            if entry.shows and entry.on == on:
                base -= mine
        return -base

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
