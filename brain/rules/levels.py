"""Stop and target of a signal as prices on the exchange's side of the money: Decimal, net of fees.

The target lies where reward over risk, both after taker fees in and out, comes to the playbook's figure:
reward = target move − fees, risk = stop move + fees (fees approximated at the entry price, both ways).
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from brain.rules.signal import Signal

SIGNIFICANT = 6


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices in USDT."""

    entry: Decimal
    stop_loss: Decimal
    take_profit: Decimal


def levels_of(signal: Signal, *, entry: Decimal, taker_fee_rate: Decimal, reward_risk: Decimal) -> Levels:
    """Stop and target around `entry`, the quote the order would take."""
    sign = 1 if signal.direction == "long" else -1
    stop_move = Decimal(repr(signal.stop_distance))
    fees = 2 * taker_fee_rate * entry
    target_move = reward_risk * (stop_move + fees) + fees
    return Levels(
        entry=entry,
        stop_loss=_rounded(entry - sign * stop_move, entry),
        take_profit=_rounded(entry + sign * target_move, entry),
    )


def same_risk(size_pct: Decimal, levels: Levels, *, full_size_stop_pct: Decimal) -> Decimal:
    """`size_pct` as long as the stop is within `full_size_stop_pct` of the entry; beyond, less, so that the stop
    never costs more than it would there. Rounded down to a hundredth of a per cent."""
    stop_pct = abs(levels.entry - levels.stop_loss) / levels.entry * 100
    if stop_pct <= full_size_stop_pct:
        return size_pct
    return (size_pct * full_size_stop_pct / stop_pct).quantize(Decimal("0.01"), ROUND_DOWN)


def _rounded(price: Decimal, like: Decimal) -> Decimal:
    """`price` to about six significant digits, or as many decimals as the quote has; the order is put on the tick
    grid where it is made."""
    exponent = min(int(like.as_tuple().exponent), like.adjusted() - SIGNIFICANT + 1)
    return price.quantize(Decimal(1).scaleb(exponent), ROUND_HALF_EVEN)
