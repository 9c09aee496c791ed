"""The two limits of the account monitor, as arithmetic on the stored baselines. Equity in USDT, net of transfers."""

from decimal import Decimal

from models import BotState
from trading.loss import fall_pct


def breach_of(state: BotState, daily_pct: Decimal, drawdown_pct: Decimal) -> tuple[str, str] | None:
    """(halt kind, reason) when a limit is passed, None otherwise or when it cannot be known."""
    equity = state.equity
    if equity is None:
        return None
    loss = _fall(state, state.day_baseline, equity)
    if loss is not None and loss > daily_pct:
        return "daily_loss", f"daily loss {loss:.2f} % is over {daily_pct} %"
    fall = _fall(state, state.peak_equity, equity)
    if fall is not None and fall > drawdown_pct:
        return "drawdown", f"drawdown {fall:.2f} % from the peak is over {drawdown_pct} %"
    return None


def _fall(state: BotState, start: Decimal | None, equity: Decimal) -> Decimal | None:
    """Per cent of the money that is there: after a withdrawal the same loss weighs more, after a deposit less."""
    moved = state.transfers_total
    return None if start is None else fall_pct(start + moved, equity + moved)
