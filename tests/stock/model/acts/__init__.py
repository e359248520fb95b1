"""The acts that are drawn, each with its weight."""

from tests.stock.model.acts.arrivals import Expect, Receive
from tests.stock.model.acts.base import Act, Seen
from tests.stock.model.acts.careless import Overwrite
from tests.stock.model.acts.cases import Reconcile, SettleCase
from tests.stock.model.acts.channels import SetPool, SetRule
from tests.stock.model.acts.corrections import Adjust, SetQuantities
from tests.stock.model.acts.counting import RecordCount, StartCount
from tests.stock.model.acts.counts import ApproveCount, CancelCount, Recount, SubmitCount
from tests.stock.model.acts.holds import Release, Reserve, Sweep
from tests.stock.model.acts.recalls import Recall
from tests.stock.model.acts.relocations import Relocate
from tests.stock.model.acts.sales import Cancel, PlaceOrder, Prioritize, Ship
from tests.stock.model.acts.tills import HandOver
from tests.stock.model.acts.transfers import (
    CancelTransfer,
    CreateTransfer,
    DispatchTransfer,
    ReadyTransfer,
)
from tests.stock.model.acts.unloading import ReceiveTransfer
from tests.stock.model.acts.values import ApproveRevaluation, ProposeRevaluation, RejectRevaluation, Revalue

ACTS: dict[type[Act], int] = {
    Receive: 5,
    Expect: 1,
    Adjust: 4,
    SetQuantities: 2,
    Reserve: 4,
    Release: 2,
    Sweep: 1,
    PlaceOrder: 6,
    Cancel: 2,
    Ship: 4,
    Prioritize: 1,
    HandOver: 3,
    Revalue: 1,
    ProposeRevaluation: 2,
    ApproveRevaluation: 2,
    RejectRevaluation: 1,
    Relocate: 3,
    Recall: 1,
    CreateTransfer: 2,
    ReadyTransfer: 3,
    DispatchTransfer: 3,
    ReceiveTransfer: 3,
    CancelTransfer: 1,
    StartCount: 3,
    RecordCount: 4,
    SubmitCount: 2,
    Recount: 1,
    ApproveCount: 2,
    CancelCount: 1,
    Reconcile: 2,
    SettleCase: 2,
    SetRule: 2,
    SetPool: 3,
    Overwrite: 2,
}
NEVER_DONE = frozenset({Overwrite})
"""Those that are always refused."""

__all__ = ["ACTS", "NEVER_DONE", "Act", "Release", "Seen", "Sweep"]
