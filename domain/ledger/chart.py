"""The default chart of accounts: a general retail one. Codes leave room between them."""

from domain.ledger.tables import AccountType, CashFlow, Role

ASSET, LIABILITY, EQUITY = AccountType.ASSET, AccountType.LIABILITY, AccountType.EQUITY
INCOME, EXPENSE = AccountType.INCOME, AccountType.EXPENSE

# code, name, type, parent's code, role, whether it is a control account
RETAIL: tuple[tuple[str, str, AccountType, str | None, Role | None, bool], ...] = (
    ("1000", "Assets", ASSET, None, None, False),
    ("1010", "Cash", ASSET, "1000", None, False),
    ("1020", "Bank", ASSET, "1000", None, False),
    ("1050", "Payments in transit", ASSET, "1000", Role.CLEARING, True),
    ("1100", "Accounts receivable", ASSET, "1000", Role.RECEIVABLE, True),
    ("1150", "Shipped, not billed", ASSET, "1000", Role.UNBILLED, True),
    ("1200", "Inventory", ASSET, "1000", Role.INVENTORY, True),
    ("1500", "Equipment", ASSET, "1000", None, False),
    ("2000", "Liabilities", LIABILITY, None, None, False),
    ("2010", "Accounts payable", LIABILITY, "2000", None, False),
    ("2050", "Received, not billed", LIABILITY, "2000", Role.RECEIVED_NOT_BILLED, True),
    ("2100", "Customer deposits", LIABILITY, "2000", Role.CUSTOMER_DEPOSITS, True),
    ("2200", "Tax payable", LIABILITY, "2000", Role.TAX_PAYABLE, True),
    ("2500", "Loans", LIABILITY, "2000", None, False),
    ("3000", "Equity", EQUITY, None, None, False),
    ("3010", "Owners' capital", EQUITY, "3000", None, False),
    ("3100", "Retained earnings", EQUITY, "3000", Role.RETAINED_EARNINGS, False),
    ("4000", "Income", INCOME, None, None, False),
    ("4010", "Sales", INCOME, "4000", Role.REVENUE, False),
    ("4900", "Other income", INCOME, "4000", None, False),
    ("5000", "Cost of sales", EXPENSE, None, None, False),
    ("5010", "Cost of goods sold", EXPENSE, "5000", Role.COGS, False),
    ("5100", "Shrinkage", EXPENSE, "5000", Role.SHRINKAGE, False),
    ("5110", "Damaged goods", EXPENSE, "5000", Role.DAMAGE, False),
    ("5120", "Samples", EXPENSE, "5000", Role.SAMPLES, False),
    ("5180", "Stock revaluation", EXPENSE, "5000", Role.STOCK_REVALUATION, False),
    ("5190", "Stock corrections", EXPENSE, "5000", Role.STOCK_CORRECTION, False),
    ("6000", "Operating expenses", EXPENSE, None, None, False),
    ("6010", "Rent", EXPENSE, "6000", None, False),
    ("6020", "Wages", EXPENSE, "6000", None, False),
    ("6030", "Marketing", EXPENSE, "6000", None, False),
    ("6090", "Other expenses", EXPENSE, "6000", None, False),
)

NOT_OPERATING = {
    "1010": CashFlow.CASH,
    "1020": CashFlow.CASH,
    "1500": CashFlow.INVESTING,
    "2500": CashFlow.FINANCING,
    "3000": CashFlow.FINANCING,
    "3010": CashFlow.FINANCING,
    "3100": CashFlow.FINANCING,
}
"""What changes of accounts mean for cash, by code; those of all others belong to the daily business."""
