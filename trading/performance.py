"""How well the bot has traded, as figures and as curves: of closed trades, of equity, and against doing nothing.

Sources of the formulas:
profit factor: gross profit ÷ gross loss; expectancy: mean net profit of a trade, in R: V. Tharp, "Trade Your Way to
Financial Freedom" (1998). Sharpe: W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994), with a
risk-free rate of zero; made annual by √periods, which A. Lo, "The Statistics of Sharpe Ratios", Financial Analysts
Journal 58 (2002), shows to hold for returns without autocorrelation. Sortino: F. Sortino and L. Price, "Performance
Measurement in a Downside Risk Framework", Journal of Investing 3 (1994), target zero. Maximum drawdown:
M. Magdon-Ismail and A. Atiya, "Maximum Drawdown", Risk 17 (2004). Reliability: A. Murphy, "A New Vector Partition of
the Probability Score", Journal of Applied Meteorology 12 (1973).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading.statistics import TradeStatistics, max_drawdown_pct, sharpe, sortino, trade_statistics

HOURS_PER_DAY = 24
HOURS_PER_YEAR = 365.25 * HOURS_PER_DAY


@dataclass(frozen=True, slots=True)
class Outcome:
    """One closed trade, as far as figures need it. USDT; fees and funding negative when paid."""

    net_pnl: Decimal
    fees: Decimal
    funding: Decimal
    r_multiple: Decimal | None
    strategy: str
    regime: str
    confidence: Decimal | None


@dataclass(frozen=True, slots=True)
class Performance:
    """Of a span of time. Figures that are not defined are None."""

    trades: TradeStatistics
    net_pnl: Decimal
    fees: Decimal
    funding: Decimal
    sharpe: float | None
    sortino: float | None
    max_drawdown_pct: Decimal | None
    return_pct: Decimal | None


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Trades whose stated confidence lay in [low, high), the last bin closed: what was stated and what came."""

    low: Decimal
    high: Decimal
    trades: int
    stated: Decimal  # mean
    won: Decimal  # share with a net profit


def performance(outcomes: Sequence[Outcome], equity: Sequence[Decimal], hourly: Sequence[Decimal]) -> Performance:
    """Figures of closed trades and of equity in time order, USDT.

    `hourly` are the values of full hours: Sharpe and Sortino rest on them, and are not stated of less than a day.
    """
    ratios = hourly if len(hourly) > HOURS_PER_DAY else ()
    return Performance(
        trades=trade_statistics([o.net_pnl for o in outcomes], [o.r_multiple for o in outcomes]),
        net_pnl=sum((o.net_pnl for o in outcomes), Decimal(0)),
        fees=sum((o.fees for o in outcomes), Decimal(0)),
        funding=sum((o.funding for o in outcomes), Decimal(0)),
        sharpe=sharpe(ratios, HOURS_PER_YEAR),
        sortino=sortino(ratios, HOURS_PER_YEAR),
        max_drawdown_pct=max_drawdown_pct(equity),
        return_pct=growth_pct(equity),
    )


def growth_pct(values: Sequence[Decimal]) -> Decimal | None:
    """Last over first, per cent; None without two values or where the first is not positive."""
    if len(values) < 2 or values[0] <= 0:
        return None
    return (values[-1] / values[0] - 1) * 100


def buy_and_hold(closes: Mapping[str, Mapping[datetime, Decimal]]) -> dict[datetime, Decimal]:
    """Value over time of one unit split evenly over the instruments at the first common time, and never touched.

    `closes`: instrument → time → close, USDT. Only times all instruments share are kept; without costs.
    """
    series = [each for each in closes.values() if each]
    if not series or len(series) < len(closes):
        return {}
    common = sorted(set.intersection(*(set(each) for each in series)))
    if not common or any(each[common[0]] <= 0 for each in series):
        return {}
    first = common[0]
    return {at: sum((each[at] / each[first] for each in series), Decimal(0)) / len(series) for at in common}


def by_group(outcomes: Sequence[Outcome], name: str) -> dict[str, TradeStatistics]:
    """Statistics by `strategy` or `regime`, the most trades first."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(getattr(outcome, name), []).append(outcome)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return {key: trade_statistics([o.net_pnl for o in each], [o.r_multiple for o in each]) for key, each in ordered}


def reliability(outcomes: Sequence[Outcome], bins: int = 5) -> list[ReliabilityBin]:
    """Stated confidence against the share that won, in `bins` equal bins of 0…1; empty bins are left out."""
    known = [(o.confidence, o.net_pnl > 0) for o in outcomes if o.confidence is not None]
    found = []
    for index in range(bins):
        low, high = Decimal(index) / bins, Decimal(index + 1) / bins
        inside = [(c, won) for c, won in known if low <= c < high or (index == bins - 1 and c == high)]
        if inside:
            stated = sum((c for c, _ in inside), Decimal(0)) / len(inside)
            won = Decimal(sum(w for _, w in inside)) / len(inside)
            found.append(ReliabilityBin(low, high, len(inside), stated, won))
    return found
