"""Breakout: the price leaves the 20-bar range of the 15m candles on more volume than usual."""

from brain.rules.signal import Condition, Direction, Frames, Signal, Waiting, first_failing, price_text
from brain.rules.trend import atr_stop, below_or_above, confidence_of, hour_moves, sign_of
from trading.playbook import StrategyRule

NAME = "breakout"


def look(frames: Frames, direction: Direction, rule: StrategyRule) -> Signal | Waiting:
    """A signal in `direction`, or what is missing. Raises NotReady and PlaybookError."""
    sign = sign_of(direction)
    close = frames.value("5m", "close")
    edge = frames.value("15m", "highest20" if direction == "long" else "lowest20")
    volume = frames.value("5m", "volume_ratio")
    hour_hist = frames.value("1H", "macd_hist")
    needed = rule.parameter("volume_ratio")
    beyond = "above" if direction == "long" else "below"
    widening, moving = hour_moves(frames, rule)
    waiting = first_failing(
        direction,
        [
            Condition(
                sign * (close - edge) > 0,
                f"waits for a close {beyond} the 15m range at {price_text(edge)} (now {price_text(close)})",
            ),
            Condition(sign * hour_hist > 0, f"1H MACD points the other way (histogram {hour_hist:.3g})"),
            *moving,
            Condition(volume >= needed, f"5m volume is {volume:.1f} × its mean, {needed:g} × is asked for"),
        ],
    )
    if waiting:
        return waiting
    return Signal(
        direction=direction,
        strategy=NAME,
        stop_distance=atr_stop(frames, rule),
        confidence=confidence_of(frames, rule, widening),
        observations=(
            f"5m close {price_text(close)} left the 20-bar 15m range at {price_text(edge)}",
            f"5m volume {volume:.1f} × its mean; 1H ATR14 {widening:.2f} × its mean",
        ),
        risk_factors=("a range can pull a breakout back",),
        invalidation=below_or_above(direction, "close", "1H", frames.value("1H", "ema20")),
    )
