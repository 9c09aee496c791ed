"""Longer bars against the shorter ones they are made of."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from trading.candle import Candle
from trading.candle_consistency import components, difference

T0 = datetime(2026, 1, 5, tzinfo=UTC)
D = Decimal


def bar(name: str, minutes: int, prices: tuple[str, str, str, str], volume: str) -> Candle:
    open_, high, low, close = map(D, prices)
    volumes = (D(volume), D(volume) / 100, D(1))
    return Candle("BTC-USDT-SWAP", name, T0 + timedelta(minutes=minutes), open_, high, low, close, *volumes, True)


PARTS = [
    bar("5m", 0, ("100", "105", "99", "104"), "10"),
    bar("5m", 5, ("104", "104", "95", "96"), "20.5"),
    bar("5m", 10, ("96", "101", "96", "100"), "30"),
]
LONGER = bar("15m", 0, ("100", "105", "95", "100"), "60.5")


def test_the_longest_bar_that_divides_is_compared() -> None:
    bars = ("1m", "5m", "15m", "1H", "4H")
    assert [components(name, bars) for name in bars] == [None, "1m", "5m", "15m", "1H"]
    assert components("5m", ("3m", "5m")) is None


def test_what_adds_up_differs_in_nothing() -> None:
    assert difference(LONGER, PARTS) is None
    assert difference(replace(LONGER, vol_contracts=D("60.50000001")), PARTS) is None


@pytest.mark.parametrize(
    "field, value, words",
    [
        ("open", "101", "open 101 against 100"),
        ("high", "106", "high 106 against 105"),
        ("low", "94", "low 94 against 95"),
        ("close", "99", "close 99 against 100"),
        ("vol_contracts", "60", "volume 60 against 60.5"),
    ],
)
def test_each_figure_is_compared(field: str, value: str, words: str) -> None:
    assert difference(replace(LONGER, **{field: D(value)}), PARTS) == words


def test_missing_parts_are_no_agreement() -> None:
    for parts in ([], PARTS[:2], [PARTS[0], PARTS[2]]):
        with pytest.raises(ValueError):
            difference(LONGER, parts)
