"""A line of a chart that a business may begin with."""

from dataclasses import dataclass

from domain.ledger.tables import AccountType, CashFlow, Role

ASSET, LIABILITY, EQUITY = AccountType.ASSET, AccountType.LIABILITY, AccountType.EQUITY
INCOME, EXPENSE = AccountType.INCOME, AccountType.EXPENSE
CASH, INVESTING, FINANCING = CashFlow.CASH, CashFlow.INVESTING, CashFlow.FINANCING


@dataclass(frozen=True)
class Line:
    """An account: an inner one where others name it as their parent."""

    code: str
    name: str
    type: AccountType
    parent: str | None = None
    """The code of the account that it is part of."""
    role: Role | None = None
    """What capabilities post to it."""
    is_control: bool = False
    """Whether its balance is theirs alone."""
    keeps_items: bool = False
    """Whether its lines name open items: what parties owe, or are owed."""
    cash_flow: CashFlow = CashFlow.OPERATING
