"""The review of one closed trade: what was planned, what happened, and what it would have been without the bot.

Written once the candle in which the trade closed is in the table; a trade whose candles have not come within an hour
of market time is reviewed without them, and says so. Facts only, computed here; nobody's opinion.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import AlgoOrder, CandleRow, DecisionCycle, Fill, Order, Reflection, Trade
from pipeline.learning.context import Learner
from pipeline.learning.evidence import hold_r
from trading.candle import BAR_SECONDS, Candle
from trading.candle_series import CandleSeries
from trading.clock import ClockUnavailable
from trading.excursion import Bar, excursions
from trading.indicators import frame_indicators

logger = structlog.get_logger()

BAR = "5m"
LENGTH = timedelta(seconds=BAR_SECONDS[BAR])
PATIENCE = timedelta(hours=1)
AT_ONCE = 50
FRAMES = ("5m", "1H")
FRAME_BARS = 300
SHOWN = ("close", "rsi14", "macd_hist", "atr14", "adx14", "stochrsi_k", "ema20_slope_pct", "volume_ratio")
ENDED_BY = {
    "stop": "the stop ended it",
    "target": "the target was reached",
    "invalidation": "its invalidation came true",
    "decision": "closed by a decision before stop or target",
}


def review_trade(ctx: Learner, trade_id: int) -> bool:
    """Record what a closed trade planned and what came of it.

    False when it was reviewed before, is not closed, or its last candle has not come yet (`review_open_ends` tries
    again).
    """
    try:
        now = ctx.clock.market_now()
    except ClockUnavailable:
        return False
    with ctx.sessions.begin() as session:
        trade = session.get(Trade, trade_id)
        if trade is None or trade.closed_market_at is None:
            return False
        bars = _bars(session, trade)
        closed = trade.closed_market_at
        if now - closed < PATIENCE and not (bars and bars[-1].ts + LENGTH >= closed):
            return False
        facts = _facts(session, trade, bars)
        values = {
            "account_id": ctx.account_id, "kind": "trade", "window": f"trade:{trade_id}", "trade_id": trade_id,
            "statistics": facts, "text": _said(trade, facts), "outcome": "no_change", "reason": "trade closed",
            "playbook_version": trade.playbook_version,
        }  # fmt: skip
        row = insert(Reflection).values(**values).on_conflict_do_nothing().returning(Reflection.id)
        if session.scalar(row) is None:
            return False
        trade.mfe_r, trade.mae_r = _decimal(facts["mfe_r"]), _decimal(facts["mae_r"])
    logger.info("trade_reviewed", trade_id=trade_id, found=values["text"])
    return True


def review_open_ends(ctx: Learner) -> int:
    """Review the closed trades that nobody has reviewed yet, oldest first; returns how many could be."""
    with ctx.sessions() as session:
        reviewed = select(Reflection.trade_id).where(
            Reflection.account_id == ctx.account_id, Reflection.kind == "trade"
        )
        waiting = session.scalars(
            select(Trade.id)
            .where(Trade.account_id == ctx.account_id, Trade.closed_market_at.is_not(None), Trade.id.not_in(reviewed))
            .order_by(Trade.id)
            .limit(AT_ONCE)
        ).all()
    return sum(review_trade(ctx, trade_id) for trade_id in waiting)


def _bars(session: Session, trade: Trade) -> list[Bar]:
    rows = session.execute(
        select(CandleRow.ts, CandleRow.high, CandleRow.low)
        .where(
            CandleRow.inst_id == trade.inst_id,
            CandleRow.bar == BAR,
            CandleRow.ts > trade.opened_market_at - LENGTH,
            CandleRow.ts < trade.closed_market_at,
        )
        .order_by(CandleRow.ts)
    )
    return [Bar(ts, high, low) for ts, high, low in rows]


def _facts(session: Session, trade: Trade, bars: Sequence[Bar]) -> dict[str, Any]:
    """As JSON: money and R as text with every digit, what is not known as null."""
    plan = trade.plan or {}
    assert trade.closed_market_at is not None, "it is closed"
    assert trade.exit_px is not None, "it is closed"
    stop, target = _decimal(plan.get("stop_loss")), _decimal(plan.get("take_profit"))
    found = None
    if stop is not None:
        found = excursions(
            side=trade.side, entry=trade.entry_px, exit_px=trade.exit_px, stop_loss=stop, take_profit=target,
            opened_at=trade.opened_market_at, closed_at=trade.closed_market_at, bars=bars, length=LENGTH,
        )  # fmt: skip
    held, long_r = trade.closed_market_at - trade.opened_market_at, hold_r(trade)
    return {
        "net_pnl": str(trade.net_pnl),
        "pnl": str(trade.pnl),
        "fees": str(trade.fees),
        "funding": str(trade.funding),
        "r_multiple": _text(trade.r_multiple),
        "planned_reward_risk": _text(_planned(trade, stop, target)),
        "mfe_r": _text(None if found is None else found.mfe_r),
        "mae_r": _text(None if found is None else found.mae_r),
        "bars": 0 if found is None else found.bars,
        "hold_r": _text(long_r),
        "excess_r": _text(None if long_r is None or trade.r_multiple is None else trade.r_multiple - long_r),
        "entry_slippage_bps": _text(_entry_slippage(session, trade)),
        "exit_slippage_bps": _text(_exit_slippage(session, trade)),
        "held_minutes": round(held.total_seconds() / 60, 1),
        "exit_reason": trade.exit_reason,
        "at_entry": _at_entry(session, trade),
        "at_exit": _at_exit(session, trade.inst_id, trade.closed_market_at),
    }


def _planned(trade: Trade, stop: Decimal | None, target: Decimal | None) -> Decimal | None:
    """Reward over risk from the average entry, before costs."""
    if stop is None or target is None or stop == trade.entry_px:
        return None
    return abs(target - trade.entry_px) / abs(trade.entry_px - stop)


def _entry_slippage(session: Session, trade: Trade) -> Decimal | None:
    """Of the average entry against the price when it was decided, basis points; positive is to our loss."""
    reference = session.scalar(
        select(Order.reference_px)
        .where(Order.cycle_id == trade.cycle_id, Order.leg == "entry", Order.inst_id == trade.inst_id)
        .limit(1)
    )
    return _slippage(trade.entry_px, reference, 1 if trade.side == "long" else -1)


def _exit_slippage(session: Session, trade: Trade) -> Decimal | None:
    """Of the last exit fill against its trigger price, or the price its decision saw; basis points."""
    fill = session.scalars(
        select(Fill)
        .where(
            Fill.account_id == trade.account_id, Fill.inst_id == trade.inst_id,
            Fill.market_at == trade.closed_market_at, Fill.side == ("sell" if trade.side == "long" else "buy"),
        )
        .order_by(Fill.id.desc())
        .limit(1)
    ).one_or_none()  # fmt: skip
    if fill is None:
        return None
    reference: Decimal | None = None
    order = session.get(Order, fill.order_id) if fill.order_id is not None else None
    if order is not None and order.cycle_id is not None:
        cycle = session.get_one(DecisionCycle, order.cycle_id)
        reference = _decimal(((cycle.snapshot or {}).get("market") or {}).get("last"))
    elif order is None:
        algo = session.scalars(
            select(AlgoOrder).where(AlgoOrder.account_id == trade.account_id, AlgoOrder.ord_id == fill.ord_id).limit(1)
        ).one_or_none()
        if algo is not None:
            reference = algo.take_profit_px if trade.exit_reason == "target" else algo.stop_loss_px
    return _slippage(fill.px, reference, -1 if trade.side == "long" else 1)


def _slippage(px: Decimal, reference: Decimal | None, buying: int) -> Decimal | None:
    if reference is None or reference <= 0:
        return None
    return round((px / reference - 1) * buying * 10_000, 2)


def _at_entry(session: Session, trade: Trade) -> dict[str, Any]:
    """Indicators the decision rested on."""
    cycle = session.get(DecisionCycle, trade.cycle_id) if trade.cycle_id is not None else None
    frames = (((cycle.snapshot if cycle else None) or {}).get("market") or {}).get("frames") or {}
    return {bar: {name: frames[bar].get(name) for name in SHOWN} for bar in FRAMES if bar in frames}


def _at_exit(session: Session, inst_id: str, at: datetime) -> dict[str, Any]:
    """The same on the candles closed by the exit."""
    found: dict[str, Any] = {}
    for bar in FRAMES:
        rows = session.scalars(
            select(CandleRow)
            .where(
                CandleRow.inst_id == inst_id, CandleRow.bar == bar,
                CandleRow.ts <= at - timedelta(seconds=BAR_SECONDS[bar]),
            )
            .order_by(CandleRow.ts.desc())
            .limit(FRAME_BARS)
        ).all()  # fmt: skip
        series = CandleSeries.from_candles(bar, [_candle(row) for row in rows])
        if len(series):
            frame = frame_indicators(series).model_dump()
            found[bar] = {name: frame[name] for name in SHOWN}
    return found


def _candle(row: CandleRow) -> Candle:
    return Candle(
        row.inst_id, row.bar, row.ts, row.open, row.high, row.low, row.close, row.vol_contracts, row.vol_coins,
        row.vol_quote, confirmed=True,
    )  # fmt: skip


def _said(trade: Trade, facts: dict[str, Any]) -> str:
    """One line for people and for the model: no word of it comes from outside."""
    r = "R unknown" if trade.r_multiple is None else f"{trade.r_multiple:+.2f} R"
    ended = ENDED_BY.get(trade.exit_reason or "", f"out by {trade.exit_reason}")
    parts = [
        f"{trade.id}: {trade.side} {trade.inst_id} by {trade.strategy or 'unknown strategy'}",
        f"{ended} after {facts['held_minutes']} min",
        f"net {trade.net_pnl:+.2f} USDT, {r}",
    ]
    if facts["mfe_r"] is not None:
        parts.append(f"best {Decimal(facts['mfe_r']):+.2f} R, worst {Decimal(facts['mae_r']):+.2f} R")
    if facts["hold_r"] is not None:
        parts.append(f"long over the same hours {Decimal(facts['hold_r']):+.2f} R")
    if trade.pnl and trade.fees:
        parts.append(f"fees {abs(trade.fees / trade.pnl):.0%} of the price gain or loss")
    return "; ".join(parts)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{round(value, 6).normalize():f}"


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
