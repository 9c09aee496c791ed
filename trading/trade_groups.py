"""Statistics of closed trades by what they have in common, computed here so that no model ever makes them up.

Each figure comes with its interval (90 %, two-sided) and with what being long over the same hours would have brought,
so that neither a handful of trades nor a rising market is taken for skill.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from trading.closed_trade import ClosedTrade
from trading.intervals import mean_interval, wilson
from trading.statistics import profit_factor

LEVEL = 0.9
PLACES = 4
GROUPS: dict[str, Callable[[ClosedTrade], str]] = {
    "strategy": lambda t: t.strategy,
    "regime": lambda t: t.regime,
    "strategy and regime": lambda t: f"{t.strategy} in {t.regime}",
    "side": lambda t: t.side,
    "session": lambda t: t.session,
    "weekday": lambda t: t.weekday,
    "hour": lambda t: f"{t.opened_at:%H}",
    "confidence": lambda t: t.confidence_bin,
    "holding time": lambda t: t.holding_time,
    "instrument": lambda t: t.inst_id,
}


class GroupStatistics(BaseModel):
    """Of a set of closed trades. None is not defined; intervals are (low, high); R net of costs.

    `excess_r`: mean of R minus the R of being long over the same hours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trades: int
    wins: int
    win_rate: float | None
    win_rate_interval: tuple[float, float] | None
    mean_r: float | None
    mean_r_interval: tuple[float, float] | None
    excess_r: float | None
    excess_r_interval: tuple[float, float] | None
    net_pnl: Decimal
    profit_factor: Decimal | None


def group_statistics(trades: Sequence[ClosedTrade]) -> GroupStatistics:
    """Of these trades together."""
    wins = sum(t.won for t in trades)
    r = [float(t.r) for t in trades if t.r is not None]
    excess = [float(t.r - t.hold_r) for t in trades if t.r is not None and t.hold_r is not None]
    factor = profit_factor([t.net_pnl for t in trades])
    return GroupStatistics(
        trades=len(trades),
        wins=wins,
        win_rate=round(wins / len(trades), PLACES) if trades else None,
        win_rate_interval=_rounded(wilson(wins, len(trades), LEVEL)),
        mean_r=_mean(r),
        mean_r_interval=_rounded(mean_interval(r, LEVEL)),
        excess_r=_mean(excess),
        excess_r_interval=_rounded(mean_interval(excess, LEVEL)),
        net_pnl=sum((t.net_pnl for t in trades), Decimal(0)),
        profit_factor=None if factor is None else round(factor, PLACES),
    )


def grouped(trades: Sequence[ClosedTrade]) -> dict[str, dict[str, GroupStatistics]]:
    """By every kind of group, and all together under `all`; names in alphabetical order."""
    found = {"all": {"all": group_statistics(trades)}}
    for kind, key in GROUPS.items():
        members: dict[str, list[ClosedTrade]] = {}
        for trade in trades:
            members.setdefault(key(trade), []).append(trade)
        found[kind] = {name: group_statistics(members[name]) for name in sorted(members)}
    return found


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), PLACES) if values else None


def _rounded(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if interval is None else (round(interval[0], PLACES), round(interval[1], PLACES))
