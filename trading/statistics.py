"""Statistics of closed trades and of equity snapshots, computed here so that no model ever makes them up.

Profits in USDT net of fees and funding, R multiples in units of the risk taken at entry. A figure that is not
defined (no trades, no losses, no variation) is None, never zero or infinity.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True)
class TradeStatistics:
    """Of a set of closed trades."""

    trades: int
    win_rate: Decimal | None
    profit_factor: Decimal | None
    expectancy: Decimal | None
    mean_r: Decimal | None


def trade_statistics(profits: Sequence[Decimal], r_multiples: Sequence[Decimal | None] = ()) -> TradeStatistics:
    """Of the trades' net profits; trades without an R multiple are left out of its mean only."""
    known = [r for r in r_multiples if r is not None]
    return TradeStatistics(
        trades=len(profits),
        win_rate=win_rate(profits),
        profit_factor=profit_factor(profits),
        expectancy=_mean(profits),
        mean_r=_mean(known),
    )


def win_rate(profits: Sequence[Decimal]) -> Decimal | None:
    """Share of trades with a net profit above zero."""
    return Decimal(sum(p > 0 for p in profits)) / len(profits) if profits else None


def profit_factor(profits: Sequence[Decimal]) -> Decimal | None:
    """Sum of profits over sum of losses; None without a loss."""
    lost = -sum((p for p in profits if p < 0), Decimal(0))
    return sum((p for p in profits if p > 0), Decimal(0)) / lost if lost > 0 else None


def r_multiple(*, profit: Decimal, entry: Decimal, stop_loss: Decimal, coins: Decimal) -> Decimal | None:
    """Net profit over the price risk at entry, |entry − stop| × coins; None where there was no such risk."""
    risk = abs(entry - stop_loss) * abs(coins)
    return profit / risk if risk > 0 else None


def max_drawdown_pct(equity: Sequence[Decimal]) -> Decimal | None:
    """Deepest fall from a peak so far, per cent of that peak; None without two points or with a peak of zero."""
    if len(equity) < 2:
        return None
    peak, deepest = equity[0], Decimal(0)
    for value in equity:
        peak = max(peak, value)
        if peak <= 0:
            return None
        deepest = max(deepest, (peak - value) / peak * 100)
    return deepest


def sharpe(equity: Sequence[Decimal], periods_per_year: float) -> float | None:
    """Annualised mean over standard deviation of the returns between snapshots, risk-free rate zero."""
    returns = _returns(equity)
    if returns is None or len(returns) < 2:
        return None
    spread = stdev(returns)
    return fmean(returns) / spread * math.sqrt(periods_per_year) if spread > 0 else None


def sortino(equity: Sequence[Decimal], periods_per_year: float) -> float | None:
    """As `sharpe`, over the downside deviation: root mean square of the negative returns over all periods."""
    returns = _returns(equity)
    if returns is None or len(returns) < 2:
        return None
    downside = math.sqrt(fmean(min(r, 0.0) ** 2 for r in returns))
    return fmean(returns) / downside * math.sqrt(periods_per_year) if downside > 0 else None


def brier_score(confidences: Sequence[Decimal], won: Sequence[bool]) -> Decimal | None:
    """Mean squared difference of stated probability and outcome: 0 is perfect, 0.25 is always saying one half.

    Raises ValueError when the two are not of one length.
    """
    if len(confidences) != len(won):
        raise ValueError(f"{len(confidences)} confidences for {len(won)} outcomes")
    return _mean([(c - int(w)) ** 2 for c, w in zip(confidences, won, strict=True)])


def _mean(values: Sequence[Decimal]) -> Decimal | None:
    return sum(values, Decimal(0)) / len(values) if values else None


def _returns(equity: Sequence[Decimal]) -> list[float] | None:
    """Simple returns between neighbours; None where a base is not positive."""
    if any(value <= 0 for value in equity[:-1]):
        return None
    return [float(after / before - 1) for before, after in pairwise(equity)]
