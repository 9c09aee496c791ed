"""Which channels are silent, what is done about them, and which silence is only the market standing still."""

import pytest

from exchange.ws_connection import Key
from feeds.channel_watch import FIRST_WORD_S, LATE_S, LONGEST_S, ChannelWatch, Mend

TICKER: Key = ("tickers", "BTC-USDT-SWAP", "")
OTHER: Key = ("tickers", "ETH-USDT-SWAP", "")
CANDLE: Key = ("candle5m", "BTC-USDT-SWAP", "")
BAR_MS = 300_000


@pytest.fixture
def watch() -> ChannelWatch:
    watch = ChannelWatch(flowing=True)
    watch.follow([TICKER, OTHER, CANDLE], 0.0)
    return watch


def silent(watch: ChannelWatch, now: float) -> dict[Key, Mend]:
    return {found.key: found.mend for found in watch.silent(now)}


def test_acknowledged_but_empty_is_noticed(watch: ChannelWatch) -> None:
    watch.spoke(TICKER, 1.0, 1000)
    watch.candle(CANDLE, 0, confirmed=False, now=1.0)
    assert silent(watch, FIRST_WORD_S) == {}
    assert silent(watch, FIRST_WORD_S + 1) == {OTHER: Mend.RESUBSCRIBE}


def test_what_stays_silent_is_reconnected_with_growing_distance_and_a_word_ends_it(watch: ChannelWatch) -> None:
    for key in (OTHER, CANDLE):
        watch.forget([key])
    watch.spoke(TICKER, 0.0, 1000)
    told = []
    for second in range(400):
        told += [(second, mend) for mend in silent(watch, float(second)).values()]
    limit = int(LONGEST_S["tickers"]) + 1
    assert told[:4] == [
        (limit, Mend.RESUBSCRIBE), (limit + 10, Mend.RECONNECT),
        (limit + 30, Mend.RESUBSCRIBE), (limit + 70, Mend.RECONNECT),
    ]  # fmt: skip
    watch.spoke(TICKER, 400.0, 2000)
    assert silent(watch, 420.0) == {}


def test_a_close_that_does_not_come_is_late_by_the_markets_own_time(watch: ChannelWatch) -> None:
    watch.candle(CANDLE, BAR_MS, confirmed=True, now=1.0)  # the next close is due at 3 bars
    for second in range(2, 1000, 10):
        watch.spoke(TICKER, float(second), 3 * BAR_MS - 1)
        watch.spoke(OTHER, float(second), 3 * BAR_MS - 1)
        assert silent(watch, float(second)) == {}
    watch.spoke(TICKER, 1000.0, 3 * BAR_MS)
    watch.spoke(OTHER, 1000.0, 3 * BAR_MS)
    assert silent(watch, 1000.0) == {}
    assert silent(watch, 1000.0 + LATE_S) == {}
    assert silent(watch, 1001.0 + LATE_S) == {CANDLE: Mend.RESUBSCRIBE}
    # Pushes of the old bar do not help; its close does.
    watch.candle(CANDLE, 2 * BAR_MS, confirmed=False, now=1002.0 + LATE_S)
    assert silent(watch, 1020.0) == {CANDLE: Mend.RECONNECT}
    watch.candle(CANDLE, 2 * BAR_MS, confirmed=True, now=1021.0)
    assert silent(watch, 1022.0) == {}


def test_one_false_stamp_of_the_far_future_makes_nothing_late(watch: ChannelWatch) -> None:
    watch.candle(CANDLE, BAR_MS, confirmed=False, now=1.0)
    watch.spoke(OTHER, 1.0, BAR_MS)
    watch.spoke(TICKER, 1.0, 10**13)
    for second in range(1, 25):
        assert silent(watch, float(second)) == {}
    watch.spoke(TICKER, 25.0, BAR_MS)
    assert silent(watch, 30.0) == {}


def test_in_lockstep_only_words_of_others_make_a_silence() -> None:
    watch = ChannelWatch(flowing=False)
    watch.follow([TICKER, OTHER], 0.0)
    for key in (TICKER, OTHER):
        watch.spoke(key, 1.0, 1000)
    assert silent(watch, 5000.0) == {}
    watch.spoke(OTHER, 5000.0, 2000)
    assert silent(watch, 5001.0) == {TICKER: Mend.RESUBSCRIBE}


def test_a_slow_market_is_given_its_time() -> None:
    watch = ChannelWatch(flowing=True, slower=10.0)
    watch.follow([TICKER], 0.0)
    watch.spoke(TICKER, 0.0, 1000)
    assert silent(watch, LONGEST_S["tickers"] * 9) == {}
    assert silent(watch, LONGEST_S["tickers"] * 11) == {TICKER: Mend.RESUBSCRIBE}
