"""The life of a count, and what people call it."""

from enum import StrEnum

from domain.kernel.lifecycle import Lifecycle
from domain.kernel.numbering import number_behind
from domain.stock.tables import StockCountStatus


class StockCountAction(StrEnum):
    """What can be done with a count."""

    RECORD = "RECORD"
    """Write down what was counted (`stockCountRecord`)."""
    SUBMIT = "SUBMIT"
    """Say that all is counted (`stockCountSubmit`)."""
    RECOUNT = "RECOUNT"
    """Have lines counted again (`stockCountRecount`)."""
    APPROVE = "APPROVE"
    """Book the differences (`stockCountApprove`)."""
    CANCEL = "CANCEL"
    """Give it up (`stockCountCancel`)."""


COUNT = Lifecycle(
    noun="count",
    initial=(StockCountStatus.OPEN,),
    actions={
        StockCountAction.RECORD: ((StockCountStatus.OPEN,), StockCountStatus.OPEN),
        StockCountAction.SUBMIT: ((StockCountStatus.OPEN,), StockCountStatus.SUBMITTED),
        StockCountAction.RECOUNT: ((StockCountStatus.OPEN, StockCountStatus.SUBMITTED), StockCountStatus.OPEN),
        StockCountAction.APPROVE: ((StockCountStatus.SUBMITTED,), StockCountStatus.APPROVED),
        StockCountAction.CANCEL: ((StockCountStatus.OPEN, StockCountStatus.SUBMITTED), StockCountStatus.CANCELLED),
    },
)


def count_actions(status: StockCountStatus) -> list[StockCountAction]:
    """What can be done with a count now."""
    return COUNT.available(status)


def count_number(number: int) -> str:
    """A count's number as people read it."""
    return f"CT-{number}"


def count_number_of(text: str) -> int:
    """The number behind what people read; 0, which no count has, for anything else."""
    return number_behind(text, "CT")
