"""Stop and target of a signal as prices on the exchange's side of the money: Decimal, net of fees.

The stop is kept from the quote the order would take. The target lies where reward over risk, both after taker fees in
and out, comes to the playbook's figure at the worst price the order accepts; a better fill has more.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from brain.rules.signal import Signal
from trading.entry_price import sign_of, with_slippage

SIGNIFICANT = 6


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices in USDT; `quote` is what the order would take."""

    quote: Decimal
    stop_loss: Decimal
    take_profit: Decimal


def levels_of(
    signal: Signal, *, quote: Decimal, slippage_bps: Decimal, taker_fee_rate: Decimal, reward_risk: Decimal
) -> Levels:
    """Stop and target around `quote`; the entry is `slippage_bps` worse than it.

    Solved for the target: (target − entry) − fees(entry, target) = reward_risk × ((entry − stop) + fees(entry, stop)),
    with the signs of a short turned round.
    """
    sign = sign_of(signal.direction)
    entry = with_slippage(signal.direction, quote, slippage_bps)
    stop = _rounded(quote - sign * Decimal(repr(signal.stop_distance)), quote)
    risk = (entry - stop) * sign + (entry + stop) * taker_fee_rate
    target = (entry * (sign + taker_fee_rate) + reward_risk * risk) / (sign - taker_fee_rate)
    return Levels(quote=quote, stop_loss=stop, take_profit=_rounded(target, quote))


def same_risk(size_pct: Decimal, levels: Levels, *, full_size_stop_pct: Decimal) -> Decimal:
    """`size_pct` as long as the stop is within `full_size_stop_pct` of the quote; beyond, less, so that the stop
    never costs more than it would there. Rounded down to a hundredth of a per cent."""
    stop_pct = abs(levels.quote - levels.stop_loss) / levels.quote * 100
    if stop_pct <= full_size_stop_pct:
        return size_pct
    return (size_pct * full_size_stop_pct / stop_pct).quantize(Decimal("0.01"), ROUND_DOWN)


def _rounded(price: Decimal, like: Decimal) -> Decimal:
    """`price` to about six significant digits, or as many decimals as the quote has; the order is put on the tick
    grid where it is made."""
    exponent = min(int(like.as_tuple().exponent), like.adjusted() - SIGNIFICANT + 1)
    return price.quantize(Decimal(1).scaleb(exponent), ROUND_HALF_EVEN)
