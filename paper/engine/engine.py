"""The engine's front: commands by name, and steps of the market.

`command` is the only way in for requests, so that a journal of commands and steps replays to the same state.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from paper.engine import algo_amend, algos, amend, orders, positions
from paper.engine.account import Account
from paper.engine.coverage import check_coverage
from paper.engine.events import Event
from paper.engine.funding import settle_funding
from paper.engine.liquidation import liquidate
from paper.engine.matching import cancel, meet_resting
from paper.engine.params import Params, number, word
from paper.engine.quote import Quote
from paper.engine.state import EngineState
from paper.engine.triggers import fire_triggers
from paper.numbers import ZERO, text

Result = dict[str, str]
Command = Callable[[EngineState, Account, Params], Result]


def _place(state: EngineState, account: Account, params: Params) -> Result:
    order = orders.place(state, account, params)
    return {"ordId": order.ord_id, "clOrdId": order.cl_ord_id, "tag": order.tag}


def _cancel(state: EngineState, account: Account, params: Params) -> Result:
    order = orders.cancel_on_request(state, account, params)
    return {"ordId": order.ord_id, "clOrdId": order.cl_ord_id}


def _amend(state: EngineState, account: Account, params: Params) -> Result:
    order = amend.amend(state, account, params)
    return {"ordId": order.ord_id, "clOrdId": order.cl_ord_id, "reqId": order.req_id}


def _place_algo(state: EngineState, account: Account, params: Params) -> Result:
    algo = algos.place_algo(state, account, params)
    return {"algoId": algo.algo_id, "algoClOrdId": algo.algo_cl_ord_id, "clOrdId": algo.cl_ord_id, "tag": algo.tag}


def _cancel_algo(state: EngineState, account: Account, params: Params) -> Result:
    algo = algos.cancel_algo(state, account, params)
    return {"algoId": algo.algo_id, "algoClOrdId": algo.algo_cl_ord_id, "clOrdId": algo.cl_ord_id, "tag": algo.tag}


def _amend_algo(state: EngineState, account: Account, params: Params) -> Result:
    algo = algo_amend.amend_algo(state, account, params)
    return {"algoId": algo.algo_id, "algoClOrdId": algo.algo_cl_ord_id, "reqId": algo.req_id}


def _close(state: EngineState, account: Account, params: Params) -> Result:
    order = positions.close_position(state, account, params)
    return {
        "instId": order.inst_id, "posSide": order.pos_side, "clOrdId": order.cl_ord_id, "tag": order.tag,
        "_ordId": order.ord_id,
    }  # fmt: skip


def _leverage(state: EngineState, account: Account, params: Params) -> Result:
    inst_id, mode, pos_side, lever = positions.set_leverage(state, account, params)
    return {"instId": inst_id, "mgnMode": mode, "posSide": pos_side, "lever": format(lever.normalize(), "f")}


def _mode(state: EngineState, account: Account, params: Params) -> Result:
    return {"posMode": positions.set_position_mode(state, account, params)}


def _margin(state: EngineState, account: Account, params: Params) -> Result:
    inst_id, pos_side, kind, amount, leverage = positions.adjust_margin(state, account, params)
    return {
        "instId": inst_id, "posSide": pos_side, "type": kind, "amt": text(amount), "ccy": "USDT",
        "leverage": text(leverage),
    }  # fmt: skip


def _cancel_all(state: EngineState, account: Account, params: Params) -> Result:
    """The cancel-all-after timer has run out (for one tag, or for all orders)."""
    tag = word(params, "tag")
    for order in list(account.open_orders.values()):
        if not tag or order.tag == tag:
            cancel(state, account, order, "20")
    return {}


def _thin_book(state: EngineState, account: Account, params: Params) -> Result:
    """A fault: an instrument's book holds `sz` contracts a side until the next price."""
    inst_id, keep = word(params, "instId"), number(params, "sz")
    state.book(state.instrument(inst_id).inst_id).thin(ZERO if keep is None else keep)
    return {}


COMMANDS: dict[str, Command] = {
    "place": _place,
    "cancel": _cancel,
    "amend": _amend,
    "place_algo": _place_algo,
    "cancel_algo": _cancel_algo,
    "amend_algo": _amend_algo,
    "close_position": _close,
    "set_leverage": _leverage,
    "set_position_mode": _mode,
    "adjust_margin": _margin,
    "cancel_all": _cancel_all,
    "thin_book": _thin_book,
}


class Engine:
    """All accounts on one market. Raises `OkxError` from `command`; nothing has changed then."""

    def __init__(self, state: EngineState) -> None:
        self.state = state

    def account(self, account_id: str) -> Account:
        return self.state.accounts[account_id]

    def create_account(self, account_id: str, deposit: Decimal) -> Account:
        return self.state.deposit(account_id, deposit)

    def command(self, account_id: str, name: str, params: Params, now_ms: int) -> Result:
        """Apply one request at market time `now_ms` (never before the last step)."""
        state = self.state
        state.now_ms = max(state.now_ms, now_ms)
        if name == "open_account":
            self.create_account(account_id, number(params, "amount") or ZERO)
            return {}
        account = state.accounts[account_id]
        try:
            return COMMANDS[name](state, account, params)
        finally:
            check_coverage(account, state.now_ms, False)

    def is_busy(self, inst_id: str) -> bool:
        """Whether any account has something on the instrument that prices can touch."""
        for account in self.state.accounts.values():
            if any(p.inst_id == inst_id for p in account.open_positions()):
                return True
            if any(o.inst_id == inst_id for o in account.open_orders.values()):
                return True
            if any(a.inst_id == inst_id for a in account.open_algos.values()):
                return True
        return False

    def step(self, quotes: Mapping[str, Quote], now_ms: int) -> None:
        """New prices: stops fire, resting orders trade, positions may be liquidated, in that order."""
        state = self.state
        state.now_ms = max(state.now_ms, now_ms)
        for inst_id, quote in quotes.items():
            state.quotes[inst_id] = quote
            if self.is_busy(inst_id):
                fire_triggers(state, inst_id)
                meet_resting(state, inst_id)
                liquidate(state, inst_id)
        if state.events:
            for account in state.accounts.values():
                check_coverage(account, state.now_ms, False)

    def close_bar(self) -> None:
        """A decision bar has closed: note which positions have no stop."""
        for account in self.state.accounts.values():
            check_coverage(account, self.state.now_ms, True)

    def funding(self, inst_id: str, rate: Decimal) -> None:
        """A settlement is due on the instrument."""
        settle_funding(self.state, inst_id, rate)

    def collect(self) -> list[Event]:
        """Events since the last call."""
        events, self.state.events = self.state.events, []
        return events
