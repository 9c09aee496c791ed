"""Momentum: a 5m close beyond the extreme of 20 bars, with the hour's trend, while the hour moves enough.

Where the hour's range shrinks, most such closes are noise inside it and do not earn their fees.
"""

from brain.rules.signal import Condition, Direction, Frames, Signal, Waiting, first_failing, price_text
from brain.rules.trend import atr_stop, below_or_above, confidence_of, hour_moves, hour_trend, sign_of
from trading.playbook import StrategyRule

NAME = "momentum"


def look(frames: Frames, direction: Direction, rule: StrategyRule) -> Signal | Waiting:
    """A signal in `direction`, or what is missing. Raises NotReady and PlaybookError."""
    sign = sign_of(direction)
    close = frames.value("5m", "close")
    extreme = frames.value("5m", "highest20" if direction == "long" else "lowest20")
    beyond = "above" if direction == "long" else "below"
    widening, moving = hour_moves(frames, rule)
    waiting = first_failing(
        direction,
        [
            *hour_trend(frames, direction),
            *moving,
            Condition(
                sign * (close - extreme) > 0,
                f"waits for a 5m close {beyond} {price_text(extreme)} (now {price_text(close)})",
            ),
        ],
    )
    if waiting:
        return waiting
    volume = frames.value("5m", "volume_ratio")
    adx = frames.value("1H", "adx14")
    rsi = frames.value("1H", "rsi14")
    stretched = sign * (rsi - 50) > 25
    return Signal(
        direction=direction,
        strategy=NAME,
        stop_distance=atr_stop(frames, rule),
        confidence=confidence_of(frames, rule, widening),
        observations=(
            f"5m close {price_text(close)} is {beyond} its 20-bar extreme {price_text(extreme)}",
            f"1H EMA20 and the last 1H close agree; 1H ADX14 {adx:.0f}",
            f"1H ATR14 is {widening:.2f} × its 20-bar mean; 5m volume {volume:.1f} × its mean",
        ),
        risk_factors=(f"1H RSI14 {rsi:.0f} is stretched",) if stretched else ("breakouts fail more often than not",),
        invalidation=below_or_above(direction, "close", "1H", frames.value("1H", "ema50")),
    )
