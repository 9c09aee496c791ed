"""What a command or a step changed, for the channels to push."""

from typing import NamedTuple

from paper.engine.algo import Algo
from paper.engine.order import Fill, Order


class OrderEvent(NamedTuple):
    """An order as it was right after the change; `fill` when an execution caused it."""

    account_id: str
    order: Order
    fill: Fill | None = None


class AlgoEvent(NamedTuple):
    """An algo order as it was right after the change."""

    account_id: str
    algo: Algo


class BalanceEvent(NamedTuple):
    """Cash or a position changed. `reason` is the event type of balance_and_position."""

    account_id: str
    reason: str
    inst_id: str = ""
    mgn_mode: str = ""
    pos_side: str = ""
    trade_id: str = ""


Event = OrderEvent | AlgoEvent | BalanceEvent
