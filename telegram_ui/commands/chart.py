"""/chart [instrument] [timeframe]: candles with entries, exits and the position's plan."""

from sqlalchemy import select

from models import Position
from telegram_ui import curves
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import coin, escaped, shown_bar
from trading.candle import BAR_SECONDS


def chart(desk: Desk, request: Request) -> Answer:
    """The instrument asked for, else the one with a position, else the first; decision bars unless told."""
    words = list(request.words)
    if len(words) > 2:
        return Answer.of("One instrument, one timeframe: /chart BTC 15m")
    bars = {shown_bar(name).lower(): name for name in BAR_SECONDS}
    bar = desk.settings.decision_bar
    if words and words[-1].lower() in bars:
        bar = bars[words.pop().lower()]  # type: ignore[assignment]
    with desk.ctx.sessions() as session:
        if words:
            inst_id = instrument(desk, words[0])
        else:
            held = session.scalars(
                select(Position.inst_id)
                .where(Position.account_id == desk.ctx.account_id, Position.contracts != 0)
                .order_by(Position.inst_id)
            ).first()
            inst_id = held or desk.settings.instruments[0]
        if inst_id is None or len(words) > 1:
            known = ", ".join(coin(name) for name in desk.settings.instruments)
            return Answer.of(f"There is no {escaped(words[-1], 40)} here. Instruments: {known}; timeframes: "
                             f"{', '.join(map(shown_bar, BAR_SECONDS))}.")  # fmt: skip
        picture = curves.candle_chart(desk, session, inst_id, bar)
    if picture is None:
        return Answer.of(f"No {shown_bar(bar)} candles of {coin(inst_id)} are stored yet.")
    return Answer((), pictures=(picture,))


def instrument(desk: Desk, word: str) -> str | None:
    """BTC, btc or BTC-USDT-SWAP, if it is traded here."""
    wanted = word.upper()
    return next((name for name in desk.settings.instruments if wanted in (name, coin(name))), None)
