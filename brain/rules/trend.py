"""What the strategies that follow a trend share: which way the hour points, and how far a stop is kept."""

from brain.rules.signal import Condition, Direction, Frames, price_text
from trading.decision import Invalidation
from trading.playbook import StrategyRule


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


def hour_stop(frames: Frames, rule: StrategyRule) -> float:
    """Stop distance in USDT: a multiple of 1H ATR14, kept between the playbook's bounds (% of the price)."""
    price = frames.value("5m", "close")
    distance = rule.parameter("stop_atr") * frames.value("1H", "atr14")
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
