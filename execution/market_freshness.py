"""Whether the stored candles keep up with the market."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from execution.context import ExecutionContext
from models import CandleRow
from trading.candle import BAR_SECONDS
from trading.clock import ClockUnavailable

BARS_LATE = 3
WALL_LATE_S = 60


def stale_candles(ctx: ExecutionContext, session: Session) -> list[tuple[str, str]]:
    """(instrument, what) where the newest confirmed candle closed more than three bars and a wall minute ago.

    In lockstep the market waits for the bot, a dozen bars a second pass, and rows follow in batches: there only an
    instrument without any candle is one.
    """
    settings = ctx.settings
    try:
        now = ctx.clock.market_now()
    except ClockUnavailable as unavailable:
        return [("", f"the market's time is not known: {unavailable}")]
    bar = timedelta(seconds=BAR_SECONDS[settings.decision_bar])
    speed = getattr(settings, "paper_speed", 1)
    waits_for_us = speed == "lockstep"
    minute = timedelta(seconds=WALL_LATE_S * (1.0 if waits_for_us else max(1.0, float(speed))))
    # One question an instrument: grouped, they would read every bar of years; so each reads the end of an index.
    newest = {
        inst_id: session.scalar(
            select(func.max(CandleRow.ts)).where(CandleRow.inst_id == inst_id, CandleRow.bar == settings.decision_bar)
        )
        for inst_id in settings.instruments
    }
    late = []
    for inst_id in settings.instruments:
        last = newest.get(inst_id)
        if last is None:
            late.append((inst_id, "no candle has been stored"))
        elif not waits_for_us and now - (last + bar) > max(BARS_LATE * bar, minute):
            late.append((inst_id, f"the newest candle closed at {last + bar:%Y-%m-%d %H:%M} market time"))
    return late
