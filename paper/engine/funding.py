"""Funding at settlement: positive rates are paid by longs to shorts on the position's value at mark."""

from decimal import Decimal

from paper.engine.account import Bill
from paper.engine.state import EngineState
from paper.numbers import ZERO, money


def settle_funding(state: EngineState, inst_id: str, rate: Decimal) -> None:
    """Charge or credit every open position of the instrument."""
    instrument, mark = state.instruments[inst_id], state.quotes[inst_id].mark
    for account in state.accounts.values():
        for position in list(account.open_positions()):
            if position.inst_id != inst_id:
                continue
            amount = -money(position.notional(instrument, mark) * rate) * position.sign
            account.cash += amount
            account.totals.funding += amount
            position.funding += amount
            position.updated = state.now_ms
            state.bill(
                account,
                Bill(
                    state.next_id(), "8", "174" if amount > 0 else "173", state.now_ms, amount, account.cash, ZERO,
                    position.margin, position.size, mark, amount, ZERO, position.mgn_mode, inst_id,
                ),
            )  # fmt: skip
            state.balance_changed(account, "funding_fee", (inst_id, position.mgn_mode, position.pos_side))
