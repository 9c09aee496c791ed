"""/trades [n]: the last round trips, newest first."""

from decimal import Decimal

from sqlalchemy import select

from models import Trade
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import UNKNOWN, bold, coin, day_time, duration, escaped, plural, price, signed

MOST = 100


def trades(desk: Desk, request: Request) -> Answer:
    """The last `n` trades, ten unless told; pages of them."""
    wanted = number(request.words, 10, MOST)
    if wanted is None:
        return Answer.of(f"How many? /trades 20, for example; at most {MOST}.")
    with desk.ctx.sessions() as session:
        rows = session.scalars(
            select(Trade).where(Trade.account_id == desk.ctx.account_id).order_by(Trade.id.desc()).limit(wanted)
        ).all()
    if not rows:
        return Answer.of("No trades yet.")
    closed = [row for row in rows if row.closed_market_at is not None]
    head = plural(len(rows), "trade")
    if closed:
        won = sum(row.net_pnl > 0 for row in closed)
        net = sum((row.net_pnl for row in closed), Decimal(0))
        head += f"; {won} of {len(closed)} closed with a profit, net {signed(net)} USDT"
    return Answer((head, *(_block(row, desk) for row in rows)))


def number(words: tuple[str, ...], otherwise: int, most: int) -> int | None:
    """The number asked for; None when it is none, or out of bounds."""
    if not words:
        return otherwise
    if not (words[0].isascii() and words[0].isdigit()) or len(words[0]) > 6:
        return None
    wanted = int(words[0])
    return wanted if 1 <= wanted <= most else None


def _block(row: Trade, desk: Desk) -> str:
    head = f"{_mark(row)} {bold(coin(row.inst_id))} {row.side} #{row.id} · {escaped(row.strategy or 'no strategy')}"
    opened = day_time(row.opened_market_at, desk.zone)
    if row.closed_market_at is None:
        return f"{head}\nopen since {opened} at {price(row.entry_px)}"
    r = f", {signed(row.r_multiple)} R" if row.r_multiple is not None else ""
    held = duration(row.closed_market_at - row.opened_market_at)
    return (
        f"{head}\n{signed(row.net_pnl)} USDT{r}, out by {exit_words(row.exit_reason)} after {held}\n"
        f"{opened}: {price(row.entry_px)} → {price(row.exit_px)}"
    )


def exit_words(reason: str | None) -> str:
    """By what a trade ended, in words; whoever closes a single position flattens it."""
    return {None: UNKNOWN, "flatten": "hand"}.get(reason) or escaped(reason)


def _mark(row: Trade) -> str:
    if row.closed_market_at is None:
        return "▶️"
    return "✅" if row.net_pnl > 0 else "❌"
