"""Closed trades out of the tables, as evidence: with the regime the code saw and with who stated the confidence."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Select, case, func, select
from sqlalchemy.orm import Session

from models import DecisionCycle, LlmCall, Reflection, Trade
from trading.closed_trade import ClosedTrade, strategy_name

MOST_TRADES = 500
"""The newest closed trades; what is older says little of now, and every statistic stays quick."""

_CALL = (
    select(func.concat(LlmCall.model, " ", LlmCall.prompt_version))
    .where(LlmCall.cycle_id == DecisionCycle.id, LlmCall.purpose == "decide", LlmCall.outcome == "ok")
    .order_by(LlmCall.id.desc())
    .limit(1)
    .scalar_subquery()
)
SOURCE = case((DecisionCycle.analyst == "rules", "rules"), else_=func.coalesce(_CALL, "unknown"))
"""Column: who stated the confidence of a cycle's decision: `rules`, or model and prompt version."""
_REGIME = func.coalesce(DecisionCycle.snapshot[("market", "regime")].as_string(), Trade.regime, "unknown")


def closed_trades(session: Session, account_id: int, until: datetime) -> list[ClosedTrade]:
    """The newest 500 trades closed by `until` (market time), in the order in which they closed."""
    rows = session.execute(_trades(account_id, until)).all()
    return [_trade(row) for row in reversed(rows)]


def source_of(session: Session, cycle_id: int) -> str:
    """Who stated the confidence of this cycle's decision."""
    return session.scalar(select(SOURCE).where(DecisionCycle.id == cycle_id)) or "unknown"


def used_evidence(session: Session, account_id: int) -> dict[str, frozenset[int]]:
    """By path of the playbook, the trades on which a reflection has changed it before."""
    found: dict[str, set[int]] = {}
    patches = session.scalars(
        select(Reflection.patch).where(
            Reflection.account_id == account_id, Reflection.kind == "deep", Reflection.outcome == "patched"
        )
    )
    for patch in patches:
        for change in (patch or {}).get("changes", []):
            if change["accepted"]:
                found.setdefault(change["path"], set()).update(change["change"]["trade_ids"])
    return {path: frozenset(ids) for path, ids in found.items()}


def _trades(account_id: int, until: datetime) -> Select[Any]:
    return (
        select(Trade, _REGIME.label("regime"), SOURCE.label("source"))
        .join(DecisionCycle, DecisionCycle.id == Trade.cycle_id, isouter=True)
        .where(Trade.account_id == account_id, Trade.closed_market_at <= until)
        .order_by(Trade.closed_market_at.desc(), Trade.id.desc())
        .limit(MOST_TRADES)
    )


def _trade(row: Row[Any]) -> ClosedTrade:
    trade: Trade = row.Trade
    assert trade.closed_market_at is not None, "the query asks for closed ones"
    return ClosedTrade(
        trade_id=trade.id,
        inst_id=trade.inst_id,
        side=trade.side,
        strategy=strategy_name(trade.strategy),
        regime=row.regime,
        source=row.source,
        opened_at=trade.opened_market_at,
        closed_at=trade.closed_market_at,
        net_pnl=trade.net_pnl,
        r=trade.r_multiple,
        hold_r=hold_r(trade),
        confidence=trade.confidence,
        playbook_version=trade.playbook_version,
    )


def hold_r(trade: Trade) -> Decimal | None:
    """Being long from the trade's entry to its exit, without costs, in units of the trade's risk."""
    stop = (trade.plan or {}).get("stop_loss")
    if stop is None or trade.exit_px is None:
        return None
    risk = abs(trade.entry_px - Decimal(str(stop)))
    return (trade.exit_px - trade.entry_px) / risk if risk > 0 else None


def by_id(trades: Sequence[ClosedTrade]) -> dict[int, ClosedTrade]:
    return {trade.trade_id: trade for trade in trades}
