"""The books: the chart of accounts, the journal, periods and years, statements: one file per noun."""

import api.graphql.ledger.audit
import api.graphql.ledger.budgets
import api.graphql.ledger.numbers
import api.graphql.ledger.opening
import api.graphql.ledger.rates
import api.graphql.ledger.recurring
import api.graphql.ledger.retention
import api.graphql.ledger.statements
from api.graphql.ledger.closing import AccountingPeriod, FiscalYear
from api.graphql.ledger.journal import Account, DimensionValue, JournalEntry, JournalLine, OpenItem

__all__ = ["Account", "AccountingPeriod", "DimensionValue", "FiscalYear", "JournalEntry", "JournalLine", "OpenItem"]
