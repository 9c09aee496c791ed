"""How far equity has fallen, per cent: the arithmetic of the daily loss and of the drawdown."""

from decimal import Decimal


def fall_pct(start: Decimal, now: Decimal) -> Decimal | None:
    """Fall from `start` to `now` in per cent of `start`, negative for a gain; None unless `start` is positive.

    Both are USDT and contain the same transfers.
    """
    return (start - now) / start * 100 if start > 0 else None
