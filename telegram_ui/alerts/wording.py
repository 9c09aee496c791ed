"""Alerts as messages: one alone with what belongs to it, one kind many times, or a digest of a storm."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from models import Alert, BotState, DecisionCycle, PerformanceSnapshot, PlaybookVersion, Trade
from telegram_ui import curves
from telegram_ui.alerts.policy import Batch
from telegram_ui.commands.alerts import MARKS
from telegram_ui.commands.playbook import change_line
from telegram_ui.commands.trades import exit_words
from telegram_ui.desk import Desk
from telegram_ui.pictures.subjects import Subject
from telegram_ui.text import (
    bold,
    clock_time,
    coin,
    day_time,
    duration,
    escaped,
    first_of,
    money,
    pairs,
    percent,
    plural,
    price,
    signed,
)
from trading.playbook import Change

logger = structlog.get_logger()
LISTED = 10
ROOM = 2200
LONGEST_URL = 200
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Wording:
    """A message; `silent` does not ring."""

    text: str
    picture: Subject | None = None
    silent: bool = False


def word(desk: Desk, batch: Batch) -> Wording:
    """The message of a batch. Reads what the alerts tell of."""
    ids = [alert.id for alert in batch.alerts]
    with desk.ctx.sessions() as session:
        rows = list(session.scalars(select(Alert).where(Alert.id.in_(ids)).order_by(Alert.id)))
        if batch.digest:
            text, picture = _digest(rows, desk), None
        elif len(rows) > 1:
            text, picture = _repeated(rows, desk), None
        else:
            text, picture = _single(desk, session, rows[0])
    if any(alert.again for alert in batch.alerts):
        text = f"↻ Perhaps shown before (the connection broke while it was sent)\n{text}"
    return Wording(text, picture, silent=batch.severity == "INFO")


def _single(desk: Desk, session: Session, row: Alert) -> tuple[str, Subject | None]:
    made = _MADE.get(row.kind)
    try:
        found = made(desk, session, row) if made is not None else None
    except (LookupError, ValueError, TypeError, ArithmeticError):  # of what it tells of; the alert itself must go out
        logger.exception("alert_not_worded", alert_id=row.id, kind=row.kind)
        found = None
    if found is not None:
        return found
    where = f" · {bold(coin(row.inst_id))}" if row.inst_id else ""
    return (
        f"{MARKS[row.severity]} {bold(_title(row.kind))}{where}\n{escaped(row.message, 1500)}\n{_foot(row, desk)}",
        None,
    )


def _repeated(rows: Sequence[Alert], desk: Desk) -> str:
    last = rows[-1]
    where = f" · {bold(coin(last.inst_id))}" if last.inst_id and len({r.inst_id for r in rows}) == 1 else ""
    since = clock_time(rows[0].created_at, desk.zone)
    return (
        f"{MARKS[last.severity]} {bold(_title(last.kind))} × {len(rows)} since {since}{where}\n"
        f"Last: {escaped(last.message, 800)}\n{_foot(last, desk)}"
    )


def _digest(rows: Sequence[Alert], desk: Desk) -> str:
    critical = [row for row in rows if row.severity == "CRITICAL"]
    span = f"{day_time(rows[0].created_at, desk.zone)} – {day_time(rows[-1].created_at, desk.zone)}"
    lines = [f"{MARKS['CRITICAL' if critical else rows[-1].severity]} {bold(plural(len(rows), 'alert'))}, {span}"]
    counts = Counter((row.severity, row.kind) for row in rows)
    lines += [
        f"{MARKS[severity]} {escaped(_title(kind))} × {count}" for (severity, kind), count in counts.most_common(15)
    ]
    lines += [f"🚨 {escaped(row.message, 200)}" for row in critical[-LISTED:]]
    lines.append(f"/alerts {min(len(rows), 100)} lists them.")
    return "\n".join(lines)


def _opened(desk: Desk, session: Session, row: Alert) -> tuple[str, Subject | None] | None:
    trade = session.get(Trade, row.payload.get("trade_id"))
    if trade is None:
        return None
    plan = trade.plan or {}
    cycle = session.get(DecisionCycle, trade.cycle_id) if trade.cycle_id is not None else None
    reason = ((cycle.decision or {}).get("reasoning") if cycle is not None else None) or plan.get("reasoning")
    text = (
        f"▶️ {bold(coin(trade.inst_id))} {trade.side} opened at {price(trade.entry_px)}\n"
        f"Stop {escaped(plan.get('stop_loss') or 'unknown')}, target {escaped(plan.get('take_profit') or 'none')}"
        f" · {escaped(trade.strategy or 'no strategy')}\n"
        f"{escaped(reason or 'no reason stored', 700)}\n{_foot(row, desk)}"
    )
    return text + (f" · /why {trade.cycle_id}" if trade.cycle_id is not None else ""), None


def _closed(desk: Desk, session: Session, row: Alert) -> tuple[str, Subject | None] | None:
    trade = session.get(Trade, row.payload.get("trade_id"))
    if trade is None or trade.closed_market_at is None:
        return None
    r = f" ({signed(trade.r_multiple)} R)" if trade.r_multiple is not None else ""
    held = duration(trade.closed_market_at - trade.opened_market_at)
    text = (
        f"{'✅' if trade.net_pnl > 0 else '❌'} {bold(coin(trade.inst_id))} {trade.side} closed by "
        f"{exit_words(trade.exit_reason)}: {bold(signed(trade.net_pnl) + ' USDT')}{r}\n"
        f"{price(trade.entry_px)} → {price(trade.exit_px)} after {held}; fees {signed(trade.fees)}, "
        f"funding {signed(trade.funding)}\n{_foot(row, desk)}"
    )
    picture = curves.candle_chart(
        desk, session, trade.inst_id, desk.settings.decision_bar, until=trade.closed_market_at, trade=trade
    )
    return text, picture


def _reflected(desk: Desk, session: Session, row: Alert) -> tuple[str, Subject | None] | None:
    version = session.scalars(
        select(PlaybookVersion).where(
            PlaybookVersion.account_id == row.account_id, PlaybookVersion.version == row.payload.get("changed_to")
        )
    ).one_or_none()
    lines = [f"🧭 {bold('Reflection')}", escaped(row.message, 1500)]
    if version is not None:
        changes = [Change.model_validate(each) for each in version.diff]
        lines.append(f"Playbook version {version.version}, {plural(len(changes), 'change')}:")
        lines += first_of([change_line(change) for change in changes], ROOM, "change")
    return "\n".join([*lines, _foot(row, desk)]), None


def _researched(desk: Desk, _session: Session, row: Alert) -> tuple[str, Subject | None]:
    """Somebody else's words, marked as such. An address that is too long is left out: half of one leads nowhere."""
    lines = [
        f"🔎 <b>{escaped(row.payload.get('question', 'Research'), 300)}</b>",
        f"<i>{escaped(row.message, 2200)}</i>",
    ]
    sources = row.payload.get("sources") or []
    for each in sources[:5]:
        url = each.get("url", "")
        lines.append(
            f"• {escaped(each.get('title') or 'source', 80)} {escaped(url) if len(url) <= LONGEST_URL else ''}"
        )
    return "\n".join([*lines, _foot(row, desk)]), None


def _daily(desk: Desk, session: Session, row: Alert) -> tuple[str, Subject | None] | None:
    slot = row.payload.get("slot")
    snapshot = session.scalars(
        select(PerformanceSnapshot).where(
            PerformanceSnapshot.account_id == row.account_id,
            PerformanceSnapshot.period == "daily",
            PerformanceSnapshot.slot == (datetime.fromisoformat(slot) if slot else None),
        )
    ).one_or_none()
    if snapshot is None:
        return None
    began = snapshot.slot - DAY
    day = [
        trade
        for trade in curves.closed_trades(session, row.account_id, began)
        if trade.closed_market_at is not None and trade.closed_market_at < snapshot.slot
    ]
    won = sum(trade.net_pnl > 0 for trade in day)
    state = session.get_one(BotState, row.account_id)
    before = _before(session, snapshot)
    lines = [
        ("Equity, USDT", money(snapshot.equity)),
        ("Day, USDT", signed(None if before is None else snapshot.equity - before)),
        ("Drawdown", percent(snapshot.drawdown_pct)),
        ("Closed trades", str(len(day))),
        ("Won", str(won)),
        ("Net of trades, USDT", signed(sum((trade.net_pnl for trade in day), start=Decimal(0)))),
        ("Open positions", str(snapshot.open_positions)),
        ("Models in all, USD", money(snapshot.llm_cost_usd, 4)),
    ]
    there = began.astimezone(desk.zone)
    head = f"📅 {bold(f'{there:%A}, {there.day} {there:%b}')} of market time"
    if state.halted:
        head += f"\n🛑 halted: {escaped(state.halt_reason)}"
    points = curves.equity(session, row.account_id, began)
    picture = curves.equity_curve(desk, "Equity of the day, USDT", points, curves.hold(desk, session, began))
    return f"{head}\n{pairs(lines)}", picture


def _before(session: Session, snapshot: PerformanceSnapshot) -> Decimal | None:
    """Equity a day earlier."""
    return session.scalar(
        select(PerformanceSnapshot.equity).where(
            PerformanceSnapshot.account_id == snapshot.account_id,
            PerformanceSnapshot.period == "daily",
            PerformanceSnapshot.slot == snapshot.slot - DAY,
        )
    )


def _title(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def _foot(row: Alert, desk: Desk) -> str:
    return f"{clock_time(row.created_at, desk.zone)} · #{row.id}"


_MADE: dict[str, Callable[[Desk, Session, Alert], tuple[str, Subject | None] | None]] = {
    "trade_opened": _opened,
    "trade_closed": _closed,
    "reflection": _reflected,
    "daily_summary": _daily,
    "research": _researched,
}
