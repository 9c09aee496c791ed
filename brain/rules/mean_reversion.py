"""Mean reversion: in a range, back into the 15m Bollinger band after an exhausted close outside it."""

from decimal import Decimal

from brain.rules.signal import Condition, Direction, Frames, Signal, Waiting, first_failing, price_text
from brain.rules.trend import atr_stop, sign_of
from trading.decision import Invalidation
from trading.playbook import StrategyRule

NAME = "mean_reversion"


def look(frames: Frames, direction: Direction, rule: StrategyRule) -> Signal | Waiting:
    """A signal in `direction`, or what is missing. Raises NotReady and PlaybookError."""
    sign = sign_of(direction)
    band_name = "bb_lower" if direction == "long" else "bb_upper"
    close, before = frames.value("15m", "close"), frames.value("15m", "previous_close")
    band = frames.value("15m", band_name)
    adx = frames.value("1H", "adx14")
    rsi = frames.value("15m", "rsi14")
    far = rule.parameter("rsi_far") if direction == "long" else 100 - rule.parameter("rsi_far")
    most_adx, trend_adx = rule.parameter("adx_max"), rule.parameter("adx_trend")
    side = "below" if direction == "long" else "above"
    waiting = first_failing(
        direction,
        [
            Condition(adx <= most_adx, f"1H ADX14 {adx:.0f} is too strong a trend to fade"),
            Condition(
                sign * (band - before) > 0,
                f"waits for a 15m close {side} the Bollinger band at {price_text(band)}",
            ),
            Condition(
                sign * (close - band) > 0,
                f"waits for a 15m close back inside the Bollinger band at {price_text(band)}",
            ),
            Condition(sign * (far - rsi) > 0, f"15m RSI14 {rsi:.0f} is not exhausted ({far:.0f})"),
        ],
    )
    if waiting:
        return waiting
    return Signal(
        direction=direction,
        strategy=NAME,
        stop_distance=atr_stop(frames, rule),
        confidence=Decimal(str(rule.parameter("confidence"))),
        observations=(
            f"15m closed back inside its Bollinger band at {price_text(band)} (RSI14 {rsi:.0f})",
            f"1H ADX14 {adx:.0f}: no strong trend",
        ),
        risk_factors=("a range that breaks runs over its faders",),
        invalidation=Invalidation(indicator="adx14", timeframe="1H", comparison="above", level=Decimal(str(trend_adx))),
    )
