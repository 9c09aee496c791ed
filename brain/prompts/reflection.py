"""The prompt of a deep reflection: figures and trades as tables. No text of third parties and no earlier reasoning of
a model enters it, so that nothing read somewhere can become a lesson.
"""

from collections.abc import Sequence

from brain.prompts import load
from brain.reflection import ReflectionRequest
from trading.calibration import CalibrationReport
from trading.closed_trade import ClosedTrade
from trading.playbook import bounds, render
from trading.trade_groups import GroupStatistics

VERSION = "+".join(load(name).version for name in ("reflect_system", "reflect_user"))
MOST_TRADES = 150
LEAST_SHOWN = 3
"""Groups of fewer trades are left out of the table."""


def system_text() -> str:
    """Role, what may be proposed, how it is judged: the same for every reflection."""
    return load("reflect_system").fill(
        most_changes=str(bounds.MOST_CHANGES),
        least_size=str(bounds.LEAST_TRADES["strategy_size"]),
        least_parameter=str(bounds.LEAST_TRADES["parameter"]),
        least_lesson=str(bounds.LEAST_TRADES["lesson"]),
        least_hours=str(bounds.LEAST_TRADES["avoid_hours"]),
    )


def user_text(request: ReflectionRequest) -> str:
    """The facts."""
    shown = request.trades[-MOST_TRADES:]
    return load("reflect_user").fill(
        occasion=f"{request.reason}, {request.at:%Y-%m-%d %H:%M} UTC",
        version=str(request.playbook_version),
        playbook=render(request.playbook),
        count=str(len(request.trades)),
        statistics="\n".join(_groups(request)),
        calibration="\n".join(_source(each) for each in request.calibration) or "no trade stated one",
        trades="\n".join(_trade(trade) for trade in shown) or "none",
        reviews=_list(request.reviews),
        refused=_list(request.refused),
    )


def _groups(request: ReflectionRequest) -> list[str]:
    return [
        _group(kind if kind == "all" else f"{kind}: {name}", found)
        for kind, groups in request.statistics.items()
        for name, found in groups.items()
        if found.trades >= LEAST_SHOWN or kind == "all"
    ]


def _group(name: str, found: GroupStatistics) -> str:
    cells = (
        name, str(found.trades), _number(found.win_rate), _interval(found.win_rate_interval),
        _number(found.mean_r, "+"), _interval(found.mean_r_interval, "+"), _number(found.excess_r, "+"),
        f"{found.net_pnl:+.2f}",
    )  # fmt: skip
    return " | ".join(cells)


def _source(found: CalibrationReport) -> str:
    bins = "; ".join(
        f"stated {each.stated:.2f} won {each.won:.2f} ({_interval(each.won_interval)}) of {each.trades}"
        for each in found.bins
    )
    line = (
        f"{found.source}: {found.trades} trades, Brier score {found.brier:.3f} (reliability {found.reliability:.3f}, "
        f"resolution {found.resolution:.3f}, uncertainty {found.uncertainty:.3f}); {bins}"
    )
    if found.walk_forward is not None:
        judged, stated, calibrated = found.walk_forward
        line += f"; on {judged} later trades stated {stated:.3f}, calibrated {calibrated:.3f}"
    return line


def _trade(trade: ClosedTrade) -> str:
    cells = (
        str(trade.trade_id), f"{trade.opened_at:%m-%d %H:%M}", trade.inst_id, trade.side, trade.strategy, trade.regime,
        "unknown" if trade.confidence is None else f"{trade.confidence:.2f}",
        _number(None if trade.r is None else float(trade.r), "+"),
        _number(None if trade.hold_r is None else float(trade.hold_r), "+"), f"{trade.net_pnl:+.2f}",
        f"v{trade.playbook_version}" if trade.playbook_version is not None else "none",
    )  # fmt: skip
    return " | ".join(cells)


def _number(value: float | None, sign: str = "") -> str:
    return "unknown" if value is None else f"{value:{sign}.2f}"


def _interval(interval: tuple[float, float] | None, sign: str = "") -> str:
    return "unknown" if interval is None else f"{interval[0]:{sign}.2f} to {interval[1]:{sign}.2f}"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "none"
