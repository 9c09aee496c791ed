"""Pullback: with the hour's trend, when the 5m stochastic of RSI turns back from the far side."""

from brain.rules.signal import Condition, Direction, Frames, Signal, Waiting, first_failing, price_text
from brain.rules.trend import atr_stop, below_or_above, confidence_of, hour_moves, hour_trend, sign_of
from trading.playbook import StrategyRule

NAME = "pullback"


def look(frames: Frames, direction: Direction, rule: StrategyRule) -> Signal | Waiting:
    """A signal in `direction`, or what is missing. Raises NotReady and PlaybookError."""
    sign = sign_of(direction)
    close = frames.value("5m", "close")
    k, d = frames.value("5m", "stochrsi_k"), frames.value("5m", "stochrsi_d")
    hour_ema = frames.value("1H", "ema20")
    depth = rule.parameter("stochrsi_depth")
    far = depth if direction == "long" else 100 - depth
    beyond = "above" if direction == "long" else "below"
    widening, moving = hour_moves(frames, rule)
    waiting = first_failing(
        direction,
        [
            *hour_trend(frames, direction),
            *moving,
            Condition(
                sign * (close - hour_ema) > 0,
                f"the pullback has gone through 1H EMA20 {price_text(hour_ema)}",
            ),
            Condition(sign * (far - d) > 0, f"waits for a pullback: 5m StochRSI %D {d:.0f} against {far:.0f}"),
            Condition(sign * (k - d) > 0, f"waits for the turn: 5m StochRSI %K {k:.0f} has not crossed %D {d:.0f}"),
        ],
    )
    if waiting:
        return waiting
    adx = frames.value("1H", "adx14")
    return Signal(
        direction=direction,
        strategy=NAME,
        stop_distance=atr_stop(frames, rule),
        confidence=confidence_of(frames, rule, widening),
        observations=(
            f"5m StochRSI turned from {d:.0f} (%K {k:.0f}) {beyond} 1H EMA20 {price_text(hour_ema)}",
            f"1H EMA20 and the last 1H close agree; 1H ADX14 {adx:.0f}",
        ),
        risk_factors=("a pullback can be the beginning of a reversal",),
        invalidation=below_or_above(direction, "close", "1H", frames.value("1H", "ema50")),
    )
