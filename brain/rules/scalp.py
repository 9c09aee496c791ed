"""Scalp: a 5m close that crosses the session's VWAP on volume, with the 15m trend; out as soon as 15m turns.

Its stop is of the 15m range, not of the hour's, and so is its reason: it does not argue against a position of another
strategy (`brain.rules.analyst`).
"""

from decimal import Decimal

from brain.rules.signal import Condition, Direction, Frames, Signal, Waiting, first_failing, price_text
from brain.rules.trend import atr_stop, below_or_above, sign_of
from trading.playbook import StrategyRule

NAME = "scalp"


def look(frames: Frames, direction: Direction, rule: StrategyRule) -> Signal | Waiting:
    """A signal in `direction`, or what is missing. Raises NotReady and PlaybookError."""
    sign = sign_of(direction)
    close, before = frames.value("5m", "close"), frames.value("5m", "previous_close")
    vwap, volume = frames.value("5m", "vwap"), frames.value("5m", "volume_ratio")
    fast, hist = frames.value("15m", "ema20"), frames.value("15m", "macd_hist")
    quarter = frames.value("15m", "close")
    share = frames.value("15m", "atr14") / quarter * 100
    needed, least = rule.parameter("volume_ratio"), rule.parameter("atr_min_pct")
    above = "above" if direction == "long" else "below"
    waiting = first_failing(
        direction,
        [
            Condition(share >= least, f"15m ATR14 is {share:.2f} % of the price, under {least:g} %: fees would eat it"),
            Condition(
                sign * (quarter - fast) > 0,
                f"the last 15m close {price_text(quarter)} is not {above} EMA20 {price_text(fast)}",
            ),
            Condition(sign * hist > 0, f"15m MACD points the other way (histogram {hist:.3g})"),
            Condition(
                sign * (close - vwap) > 0 >= sign * (before - vwap),
                f"waits for a 5m close that crosses to {above} the session's VWAP {price_text(vwap)}",
            ),
            Condition(volume >= needed, f"5m volume is {volume:.1f} × its mean, {needed:g} × is asked for"),
        ],
    )
    if waiting:
        return waiting
    return Signal(
        direction=direction,
        strategy=NAME,
        stop_distance=atr_stop(frames, rule, "15m"),
        confidence=Decimal(str(rule.parameter("confidence"))),
        observations=(
            f"5m close {price_text(close)} crossed to {above} the session's VWAP {price_text(vwap)}",
            f"15m close and MACD histogram {hist:.3g} agree; 5m volume {volume:.1f} × its mean",
        ),
        risk_factors=("a close stop pays much of its risk in fees",),
        invalidation=below_or_above(direction, "close", "15m", fast),
    )
