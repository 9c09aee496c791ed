"""Learning from closed trades: a review of each, and a deep reflection every 20 closes or 6 market hours.

Once a window, however many triggers: the window's name is unique in `reflections`. Statistics are computed in code.
Without a model nothing rewrites the playbook: the reflection then records the statistics and says so.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import Reflection, Trade
from models.session import SessionFactory
from pipeline.playbook_view import active_playbook
from trading.clock import Clock, slot_close
from trading.statistics import trade_statistics

logger = structlog.get_logger()


class Learner(Protocol):
    """What learning needs of a context: the database, the clock, the account; never the exchange."""

    @property
    def sessions(self) -> SessionFactory: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def account_id(self) -> int: ...


EVERY_TRADES = 20
EVERY_HOURS = 6


def review_trade(ctx: Learner, trade_id: int) -> bool:
    """Record what a closed trade planned and what came of it; False when it was reviewed before or is not closed."""
    with ctx.sessions.begin() as session:
        trade = session.get(Trade, trade_id)
        if trade is None or trade.closed_market_at is None:
            return False
        held = trade.closed_market_at - trade.opened_market_at
        facts = {
            "net_pnl": str(trade.net_pnl),
            "r_multiple": None if trade.r_multiple is None else str(trade.r_multiple),
            "fees": str(trade.fees),
            "funding": str(trade.funding),
            "held_minutes": round(held.total_seconds() / 60, 1),
            "exit_reason": trade.exit_reason,
        }
        text = (
            f"{trade.side} {trade.inst_id} by {trade.strategy or 'unknown strategy'}: out by {trade.exit_reason} after "
            f"{facts['held_minutes']} min, net {trade.net_pnl:+.2f} USDT"
        )
        values = {"kind": "trade", "trade_id": trade_id, "statistics": facts, "text": text, "reason": "trade closed"}
        return session.scalar(_once(ctx.account_id, f"trade:{trade_id}", values)) is not None


def reflect_if_due(ctx: Learner) -> bool:
    """Reflect on each 20 closed trades, and on each six hours of market time in which one closed."""
    market_now = ctx.clock.market_now()
    with ctx.sessions.begin() as session:
        windows = _due_windows(session, ctx.account_id, market_now)
        if not windows:
            return False
        rows = session.scalars(
            select(Trade).where(Trade.account_id == ctx.account_id, Trade.closed_market_at.is_not(None))
        ).all()
        version, _ = active_playbook(session, ctx.account_id)
        values = {
            "kind": "deep",
            "statistics": _statistics(rows),
            "text": f"{len(rows)} closed trades",
            "reason": "statistics recorded; the rules analyst does not rewrite the playbook",
            "playbook_version": version,
        }
        done = [w for w in windows if session.scalar(_once(ctx.account_id, w, values)) is not None]
    if done:
        logger.info("deep_reflection_complete", windows=done, trades=len(rows), playbook_version=version)
    return bool(done)


def _due_windows(session: Session, account_id: int, market_now: datetime) -> list[str]:
    """Windows that have ended and nobody has reflected on: the last full 20 trades, the last six hours."""
    end = slot_close(market_now, EVERY_HOURS * 3600)
    lately = Trade.closed_market_at.between(end - timedelta(hours=EVERY_HOURS), end)
    closed, recent = session.execute(
        select(func.count(), func.count().filter(lately)).where(
            Trade.account_id == account_id, Trade.closed_market_at.is_not(None)
        )
    ).one()
    windows = []
    if closed >= EVERY_TRADES:
        windows.append(f"deep:trades:{closed // EVERY_TRADES * EVERY_TRADES}")
    if recent:
        windows.append(f"deep:hours:{end:%Y-%m-%dT%H:%MZ}")
    known = set(
        session.scalars(
            select(Reflection.window).where(Reflection.account_id == account_id, Reflection.window.in_(windows))
        )
    )
    return [window for window in windows if window not in known]


def _once(account_id: int, window: str, values: dict[str, Any]) -> Any:
    return (
        insert(Reflection)
        .values(account_id=account_id, window=window, outcome="no_change", **values)
        .on_conflict_do_nothing()
        .returning(Reflection.id)
    )


def _statistics(trades: Sequence[Trade]) -> dict[str, Any]:
    """All closed trades, and by strategy and by regime, as JSON; undefined values are null."""
    groups: dict[str, list[Trade]] = {"all": list(trades)}
    for trade in trades:
        groups.setdefault(f"strategy {trade.strategy}", []).append(trade)
        groups.setdefault(f"regime {trade.regime}", []).append(trade)
    return {name: _of(group) for name, group in groups.items()}


def _of(trades: list[Trade]) -> dict[str, Any]:
    found = trade_statistics([t.net_pnl for t in trades], [t.r_multiple for t in trades])
    return {name: value if value is None else str(value) for name, value in asdict(found).items()}
