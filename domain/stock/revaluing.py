"""The life of a revaluation, and what people call it."""

from enum import StrEnum

from domain.kernel.lifecycle import Lifecycle
from domain.kernel.numbering import number_behind
from domain.stock.tables import StockRevaluationStatus


class StockRevaluationAction(StrEnum):
    """What can be done with a revaluation."""

    APPROVE = "APPROVE"
    """Let it become true (`stockRevaluationApprove`)."""
    REJECT = "REJECT"
    """Turn it down (`stockRevaluationReject`)."""


REVALUATION = Lifecycle(
    noun="revaluation",
    initial=(StockRevaluationStatus.PROPOSED,),
    actions={
        StockRevaluationAction.APPROVE: ((StockRevaluationStatus.PROPOSED,), StockRevaluationStatus.APPROVED),
        StockRevaluationAction.REJECT: ((StockRevaluationStatus.PROPOSED,), StockRevaluationStatus.REJECTED),
    },
)


def revaluation_actions(status: StockRevaluationStatus) -> list[StockRevaluationAction]:
    """What can be done with a revaluation now."""
    return REVALUATION.available(status)


def revaluation_number(number: int) -> str:
    """A revaluation's number as people read it."""
    return f"RV-{number}"


def revaluation_number_of(text: str) -> int:
    """The number behind what people read; 0, which no revaluation has, for anything else."""
    return number_behind(text, "RV")
