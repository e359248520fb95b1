"""A general retail chart, the default. Codes leave room between them."""

from domain.ledger.charts.line import ASSET, CASH, EQUITY, EXPENSE, FINANCING, INCOME, INVESTING, LIABILITY, Line
from domain.ledger.tables import Role

RETAIL = (
    Line("1000", "Assets", ASSET),
    Line("1010", "Cash", ASSET, "1000", cash_flow=CASH),
    Line("1020", "Bank", ASSET, "1000", cash_flow=CASH),
    Line("1050", "Payments in transit", ASSET, "1000", role=Role.CLEARING, is_control=True),
    Line("1100", "Accounts receivable", ASSET, "1000", role=Role.RECEIVABLE, is_control=True),
    Line("1150", "Shipped, not billed", ASSET, "1000", role=Role.UNBILLED, is_control=True),
    Line("1200", "Inventory", ASSET, "1000", role=Role.INVENTORY, is_control=True),
    Line("1500", "Equipment", ASSET, "1000", cash_flow=INVESTING),
    Line("2000", "Liabilities", LIABILITY),
    Line("2010", "Accounts payable", LIABILITY, "2000"),
    Line("2050", "Received, not billed", LIABILITY, "2000", role=Role.RECEIVED_NOT_BILLED, is_control=True),
    Line("2100", "Customer deposits", LIABILITY, "2000", role=Role.CUSTOMER_DEPOSITS, is_control=True),
    Line("2200", "Tax payable", LIABILITY, "2000", role=Role.TAX_PAYABLE, is_control=True),
    Line("2500", "Loans", LIABILITY, "2000", cash_flow=FINANCING),
    Line("3000", "Equity", EQUITY, cash_flow=FINANCING),
    Line("3010", "Owners' capital", EQUITY, "3000", cash_flow=FINANCING),
    Line("3100", "Retained earnings", EQUITY, "3000", role=Role.RETAINED_EARNINGS, cash_flow=FINANCING),
    Line("4000", "Income", INCOME),
    Line("4010", "Sales", INCOME, "4000", role=Role.REVENUE),
    Line("4900", "Other income", INCOME, "4000"),
    Line("5000", "Cost of sales", EXPENSE),
    Line("5010", "Cost of goods sold", EXPENSE, "5000", role=Role.COGS),
    Line("5100", "Shrinkage", EXPENSE, "5000", role=Role.SHRINKAGE),
    Line("5110", "Damaged goods", EXPENSE, "5000", role=Role.DAMAGE),
    Line("5120", "Samples", EXPENSE, "5000", role=Role.SAMPLES),
    Line("5180", "Stock revaluation", EXPENSE, "5000", role=Role.STOCK_REVALUATION),
    Line("5190", "Stock corrections", EXPENSE, "5000", role=Role.STOCK_CORRECTION),
    Line("6000", "Operating expenses", EXPENSE),
    Line("6010", "Rent", EXPENSE, "6000"),
    Line("6020", "Wages", EXPENSE, "6000"),
    Line("6030", "Marketing", EXPENSE, "6000"),
    Line("6090", "Other expenses", EXPENSE, "6000"),
)
