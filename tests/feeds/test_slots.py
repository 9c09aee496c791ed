"""A slot opens once, when every bar that closes with it is written, or a moment after the deciding one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import monotonic, sleep

import pytest

from feeds.slots import WAIT_S, SlotGate, bars_closing_at
from trading.candle import BAR_SECONDS, Candle

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
BARS = ("5m", "15m", "1H", "4H")
ONE = Decimal(1)


def closing(bar: str, slot: datetime, inst_id: str = BTC) -> Candle:
    return Candle(inst_id, bar, slot - timedelta(seconds=BAR_SECONDS[bar]), *[ONE] * 7, confirmed=True)


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 1, 5, hour, minute, tzinfo=UTC)


@pytest.fixture
def opened() -> list[tuple[str, datetime]]:
    return []


@pytest.fixture
def gate(opened: list[tuple[str, datetime]]) -> SlotGate:
    return SlotGate("5m", BARS, lambda inst_id, slot: opened.append((inst_id, slot)))


@pytest.mark.parametrize(
    ("slot", "bars"),
    [(at(8, 5), {"5m"}), (at(8, 15), {"5m", "15m"}), (at(9, 0), {"5m", "15m", "1H"}), (at(12, 0), set(BARS))],
)
def test_bars_closing_together(slot: datetime, bars: set[str]) -> None:
    assert bars_closing_at(slot, BARS) == bars


def test_slot_of_the_deciding_bar_alone_opens_at_once(gate: SlotGate, opened: list) -> None:
    gate.confirmed(closing("5m", at(8, 5)))
    assert opened == [(BTC, at(8, 5))]


@pytest.mark.parametrize("order", [("5m", "15m", "1H"), ("1H", "15m", "5m"), ("15m", "5m", "1H")])
def test_slot_waits_for_the_longer_bars_in_any_order(order: tuple[str, ...], gate: SlotGate, opened: list) -> None:
    for bar in order[:-1]:
        gate.confirmed(closing(bar, at(9, 0)))
    assert opened == []
    gate.confirmed(closing(order[-1], at(9, 0)))
    assert opened == [(BTC, at(9, 0))]


def test_missing_longer_bar_delays_a_slot_only_a_moment(gate: SlotGate, opened: list) -> None:
    began = monotonic()
    gate.confirmed(closing("5m", at(8, 15)))
    while not opened:
        assert monotonic() - began < 2
        sleep(0.002)
    assert monotonic() - began >= WAIT_S * 0.9
    gate.confirmed(closing("15m", at(8, 15)))
    assert opened == [(BTC, at(8, 15))]


def test_longer_bar_alone_opens_nothing(gate: SlotGate, opened: list) -> None:
    gate.confirmed(closing("1H", at(9, 0)))
    sleep(WAIT_S * 1.5)
    assert opened == []


def test_slot_opens_once_however_often_it_is_confirmed(gate: SlotGate, opened: list) -> None:
    for slot in (at(8, 5), at(8, 10), at(8, 5), at(8, 10)):
        gate.confirmed(closing("5m", slot))
    assert opened == [(BTC, at(8, 5)), (BTC, at(8, 10))]


def test_instruments_do_not_wait_for_each_other(gate: SlotGate, opened: list) -> None:
    gate.confirmed(closing("5m", at(9, 0)))
    gate.confirmed(closing("5m", at(8, 5), ETH))
    assert opened == [(ETH, at(8, 5))]
