"""What the strategies that follow a trend share: which way the hour points, and how far a stop is kept."""

from decimal import Decimal

from brain.rules.signal import Condition, Direction, Frames, price_text
from trading.decision import Invalidation
from trading.playbook import StrategyRule

STRONG_ADX = 25.0


def sign_of(direction: Direction) -> int:
    return 1 if direction == "long" else -1


def hour_trend(frames: Frames, direction: Direction) -> list[Condition]:
    """EMA20 beyond EMA50 on 1H, and the last hour's close beyond EMA20, in the direction."""
    sign = sign_of(direction)
    fast, slow = frames.value("1H", "ema20"), frames.value("1H", "ema50")
    close = frames.value("1H", "close")
    above = "above" if direction == "long" else "below"
    return [
        Condition(
            sign * (fast - slow) > 0,
            f"1H EMA20 {price_text(fast)} is not {above} EMA50 {price_text(slow)}",
        ),
        Condition(
            sign * (close - fast) > 0,
            f"the last 1H close {price_text(close)} is not {above} EMA20 {price_text(fast)}",
        ),
    ]


def hour_moves(frames: Frames, rule: StrategyRule) -> tuple[float, list[Condition]]:
    """How wide the hour's range is against its own mean, and the demand that it neither shrinks nor is too small.

    A dead market is refused because the fees are then most of every stop.
    """
    atr, mean = frames.value("1H", "atr14"), frames.value("1H", "atr14_mean20")
    widening = atr / mean if mean > 0 else 0.0
    share = atr / frames.value("1H", "close") * 100
    least = rule.parameter("atr_min_pct")
    return widening, [
        Condition(
            widening >= rule.parameter("atr_widening"),
            f"the 1H range is shrinking (ATR14 is {widening:.2f} × its mean)",
        ),
        Condition(share >= least, f"1H ATR14 is {share:.2f} % of the price, under {least:g} %: fees would eat it"),
    ]


def confidence_of(frames: Frames, rule: StrategyRule, widening: float) -> Decimal:
    """The playbook's base, two points more each for a widening range and for a strong 1H trend."""
    bonus = (widening >= 1) + (frames.value("1H", "adx14") > STRONG_ADX)
    return Decimal(str(rule.parameter("confidence"))) + Decimal("0.02") * int(bonus)


def atr_stop(frames: Frames, rule: StrategyRule, bar: str = "1H") -> float:
    """Stop distance in USDT: a multiple of the bar's ATR14, kept between the playbook's bounds (% of the price)."""
    price = frames.value("5m", "close")
    distance = rule.parameter("stop_atr") * frames.value(bar, "atr14")
    low, high = rule.parameter("stop_min_pct"), rule.parameter("stop_max_pct")
    return min(max(distance, price * low / 100), price * high / 100)


def below_or_above(direction: Direction, indicator: str, timeframe: str, value: float) -> Invalidation:
    """The condition that `indicator` crosses `value` against the direction."""
    return Invalidation.model_validate(
        {
            "indicator": indicator,
            "timeframe": timeframe,
            "comparison": "below" if direction == "long" else "above",
            "level": f"{value:.8g}",
        }
    )
