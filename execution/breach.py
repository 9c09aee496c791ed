"""The two limits of the account monitor, as arithmetic on the stored baselines. Equity in USDT, net of transfers."""

from decimal import Decimal

from models import BotState


def breach_of(state: BotState, daily_pct: Decimal, drawdown_pct: Decimal) -> tuple[str, str] | None:
    """(halt kind, reason) when a limit is passed, None otherwise or when it cannot be known."""
    equity = state.equity
    if equity is None:
        return None
    if state.day_baseline:
        loss = (state.day_baseline - equity) / state.day_baseline * 100
        if loss > daily_pct:
            return "daily_loss", f"daily loss {loss:.2f} % is over {daily_pct} %"
    if state.peak_equity:
        fall = (state.peak_equity - equity) / state.peak_equity * 100
        if fall > drawdown_pct:
            return "drawdown", f"drawdown {fall:.2f} % from the peak is over {drawdown_pct} %"
    return None
