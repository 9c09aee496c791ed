"""/positions: each with entry, mark, profit in USDT and R, stop and target with their distance, plan and age."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import Position, Trade
from telegram_ui.commands.status import market_now
from telegram_ui.desk import Answer, Button, Desk, Request
from telegram_ui.text import UNKNOWN, bold, coin, duration, escaped, pairs, percent, price, signed, size


def positions(desk: Desk, request: Request) -> Answer:
    """All open positions; admins get the buttons that close one or move its stop."""
    now = market_now(desk)
    with desk.ctx.sessions() as session:
        rows = open_positions(session, desk.ctx.account_id)
        risks = {row.inst_id: _risk(session, row) for row in rows}
    if not rows:
        return Answer.of("No open position.")
    blocks = tuple(_block(row, risks[row.inst_id], now) for row in rows)
    buttons = tuple(
        (
            Button(f"Close {coin(row.inst_id)}", f"ask:close:{row.inst_id}"),
            Button(f"{coin(row.inst_id)} stop → break-even", f"ask:even:{row.inst_id}"),
        )
        for row in rows
    )
    return Answer(blocks, buttons if request.admin else ())


def open_positions(session: Session, account_id: int) -> list[Position]:
    """As last reported by the exchange, by instrument."""
    query = (
        select(Position).where(Position.account_id == account_id, Position.contracts != 0).order_by(Position.inst_id)
    )
    return list(session.scalars(query))


def one_line(row: Position) -> str:
    """A position in one line, with its stop or the lack of one."""
    side = "long" if row.contracts > 0 else "short"
    stop = f"stop {price(row.stop_px)}" if row.stop_px is not None else "⚠️ NO STOP"
    return f"{bold(coin(row.inst_id))} {side} {size(abs(row.contracts))}, {signed(row.upl)} USDT, {stop}"


def _risk(session: Session, row: Position) -> Decimal | None:
    """USDT from entry to the original stop."""
    return session.scalar(
        select(Trade.risk).where(
            Trade.account_id == row.account_id, Trade.inst_id == row.inst_id, Trade.closed_market_at.is_(None)
        )
    )


def _block(row: Position, risk: Decimal | None, now: datetime | None) -> str:
    side = "long" if row.contracts > 0 else "short"
    leverage = f" {size(row.leverage)}×" if row.leverage is not None else ""
    age = duration(now - row.opened_market_at) if now is not None and row.opened_market_at is not None else UNKNOWN
    lines = [
        ("Entry", price(row.avg_px)),
        ("Mark", price(row.mark_px)),
        ("Profit, USDT", signed(row.upl)),
        ("Profit, R", signed(row.upl / risk) if risk else UNKNOWN),
        ("Stop", _level(row.stop_px, row.mark_px) if row.stop_px is not None else "NONE"),
        ("Target", _level(row.target_px, row.mark_px) if row.target_px is not None else "none"),
        ("Open for", age),
    ]
    head = f"{bold(coin(row.inst_id))} {side} {size(abs(row.contracts))} contracts{leverage}"
    plan = row.plan or {}
    tail = f"{escaped(plan.get('strategy') or 'no plan of ours')}"
    if plan.get("invalidation"):
        tail += f"; invalid if {escaped(condition(plan['invalidation']))}"
    return f"{head}\n{pairs(lines)}\n{tail}"


def condition(invalidation: Any) -> str:
    """A stored invalidation condition in words."""
    if not isinstance(invalidation, dict):
        return str(invalidation)
    parts = [str(invalidation.get(name, UNKNOWN)) for name in ("timeframe", "indicator", "comparison")]
    return " ".join((*parts, _number(invalidation.get("level"))))


def _number(level: Any) -> str:
    """As prices are written; an indicator's level is a number, too."""
    try:
        return price(Decimal(str(level)))
    except InvalidOperation:
        return UNKNOWN if level is None else str(level)


def _level(level: Decimal, mark: Decimal | None) -> str:
    away = percent((level - mark) / mark * 100, sign=True) if mark else UNKNOWN
    return f"{price(level)} ({away})"
