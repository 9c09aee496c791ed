"""What pictures and figures rest on, read from PostgreSQL: closed trades, hourly equity, candles."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import BotState, CandleRow, PerformanceSnapshot, Position, Trade
from telegram_ui.desk import Desk
from telegram_ui.pictures.subjects import Bar, CandleChart, EquityCurve, Level, Mark
from telegram_ui.text import coin, price, shown_bar
from trading.candle import BAR_SECONDS
from trading.performance import Outcome, buy_and_hold

BARS = 90
MOST_POINTS = 2000
CURVE_BAR = "1H"


def closed_trades(session: Session, account_id: int, since: datetime | None) -> list[Trade]:
    """Closed at or after `since` (market time), oldest first."""
    query = select(Trade).where(Trade.account_id == account_id, Trade.closed_market_at.is_not(None))
    if since is not None:
        query = query.where(Trade.closed_market_at >= since)
    return list(session.scalars(query.order_by(Trade.closed_market_at, Trade.id)))


def outcome_of(trade: Trade) -> Outcome:
    """A closed trade as the statistics take it."""
    return Outcome(
        trade.net_pnl, trade.fees, trade.funding, trade.r_multiple, trade.strategy or "none",
        trade.regime or "unknown", trade.confidence,
    )  # fmt: skip


def equity(session: Session, account_id: int, since: datetime | None) -> list[tuple[datetime, Decimal]]:
    """Hourly equity by market time, and the present one at the end."""
    query = select(PerformanceSnapshot.slot, PerformanceSnapshot.equity).where(
        PerformanceSnapshot.account_id == account_id, PerformanceSnapshot.period == "hourly"
    )
    if since is not None:
        query = query.where(PerformanceSnapshot.slot >= since)
    points = [(at, value) for at, value in session.execute(query.order_by(PerformanceSnapshot.slot))]
    state = session.get_one(BotState, account_id)
    if state.equity is not None and state.equity_market_at is not None:
        # Snapshots are gross; the state is net of transfers.
        last = state.equity + state.transfers_total
        if not points or state.equity_market_at > points[-1][0]:
            points.append((state.equity_market_at, last))
    return points


def hold(desk: Desk, session: Session, start: datetime) -> dict[datetime, Decimal]:
    """What one unit, spread evenly over the instruments at `start`, was worth at each hourly close since."""
    span = timedelta(seconds=BAR_SECONDS[CURVE_BAR])
    closes: dict[str, dict[datetime, Decimal]] = {inst_id: {} for inst_id in desk.settings.instruments}
    rows = session.execute(
        select(CandleRow.inst_id, CandleRow.ts, CandleRow.close)
        .where(
            CandleRow.bar == CURVE_BAR,
            CandleRow.inst_id.in_(desk.settings.instruments),
            CandleRow.ts >= start - span,
        )
        .order_by(CandleRow.ts)
    )
    for inst_id, at, close in rows:
        closes[inst_id][at + span] = close
    return buy_and_hold(closes)


def equity_curve(
    desk: Desk, title: str, points: Sequence[tuple[datetime, Decimal]], held: dict[datetime, Decimal]
) -> EquityCurve | None:
    """The picture of it; None with less than two points."""
    if len(points) < 2:
        return None
    step = max(1, len(points) // MOST_POINTS)
    kept = [*points[:-1:step], points[-1]]
    first = points[0][1]
    return EquityCurve(
        title=title,
        times=tuple(at for at, _ in kept),
        equity=tuple(float(value) for _, value in kept),
        hold=tuple((at, float(value * first)) for at, value in held.items()) if len(held) > 1 else (),
        zone=desk.settings.telegram_timezone,
    )


def candle_chart(
    desk: Desk, session: Session, inst_id: str, bar: str, until: datetime | None = None, trade: Trade | None = None
) -> CandleChart | None:
    """The last candles with the trades in them; levels of `trade`, else of the open position. None without candles."""
    query = select(CandleRow).where(CandleRow.inst_id == inst_id, CandleRow.bar == bar)
    if until is not None:
        query = query.where(CandleRow.ts <= until)
    rows = list(reversed(session.scalars(query.order_by(CandleRow.ts.desc()).limit(BARS)).all()))
    if len(rows) < 2:
        return None
    # A trade that has just closed did so in the bar that still runs.
    end = until or rows[-1].ts + timedelta(seconds=BAR_SECONDS[bar])
    trades = session.scalars(
        select(Trade).where(
            Trade.account_id == desk.ctx.account_id,
            Trade.inst_id == inst_id,
            Trade.opened_market_at <= end,
            (Trade.closed_market_at.is_(None)) | (Trade.closed_market_at >= rows[0].ts),
        )
    ).all()
    levels, notes = _plan(session, desk.ctx.account_id, inst_id, trade)
    return CandleChart(
        title=f"{coin(inst_id)} {shown_bar(bar)} · {price(rows[-1].close)}",
        bar_seconds=BAR_SECONDS[bar],
        bars=tuple(Bar(r.ts, float(r.open), float(r.high), float(r.low), float(r.close)) for r in rows),
        entries=tuple(
            Mark(t.opened_market_at, float(t.entry_px), t.side == "long")
            for t in trades
            if t.opened_market_at >= rows[0].ts
        ),
        exits=tuple(
            Mark(t.closed_market_at, float(t.exit_px), t.side != "long")
            for t in trades
            if t.closed_market_at is not None and t.exit_px is not None and t.closed_market_at <= end
        ),
        levels=levels,
        notes=notes,
        zone=desk.settings.telegram_timezone,
    )


def _plan(
    session: Session, account_id: int, inst_id: str, trade: Trade | None
) -> tuple[tuple[Level, ...], tuple[str, ...]]:
    """Lines and words of the plan behind a trade, or behind the position that is open now."""
    if trade is not None:
        plan = trade.plan or {}
        named = [("entry", trade.entry_px), ("stop", plan.get("stop_loss")), ("target", plan.get("take_profit"))]
        note = trade.strategy or ""
    else:
        position = session.scalars(
            select(Position).where(
                Position.account_id == account_id, Position.inst_id == inst_id, Position.contracts != 0
            )
        ).first()
        if position is None:
            return (), ()
        named = [("entry", position.avg_px), ("stop", position.stop_px), ("target", position.target_px)]
        side = "long" if position.contracts > 0 else "short"
        note = f"{side}, {(position.plan or {}).get('strategy') or 'no plan of ours'}"
    levels = tuple(Level(name, float(value)) for name, value in named if value is not None)
    return levels, (note,) if note else ()
