"""Which channels have fallen silent: acknowledged but empty, or no longer spoken on.

A channel greets its subscriber; one that has said nothing FIRST_WORD_S after it was acknowledged is empty. Afterwards
each has its own longest silence. A candle channel is judged by the market's own time, as at least two channels tell it
(one false stamp is not believed): the bar it spoke of last must be followed by its close within LATE_S of wall time
after the market has passed it. Where market time stands still between bars (lockstep), silence is counted up to the
newest word of any channel, not up to now. Times are wall seconds of one monotonic clock. Thread-safe.

What stays silent is reported again with growing distance: first to be subscribed anew, then to be reconnected.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from heapq import nlargest

from exchange.ws_connection import Key
from trading.candle import BAR_SECONDS

FIRST_WORD_S = 10.0
LATE_S = 5.0
# Above what OKX promises for each: tickers and books5 on change, books at least each 60 s, mark at least each 10 s,
# funding each 30–90 s, open interest each 3 s (the paper exchange: each market minute), the account each 5 s.
LONGEST_S = {
    "tickers": 30.0,
    "books5": 30.0,
    "books": 75.0,
    "mark-price": 30.0,
    "funding-rate": 150.0,
    "open-interest": 90.0,
    "account": 15.0,
}
FIRST_AGAIN_S, LONGEST_AGAIN_S = 10.0, 300.0


class Mend(Enum):
    """What to do about a silent channel."""

    RESUBSCRIBE = "resubscribe"
    RECONNECT = "reconnect"


@dataclass
class _Channel:
    since: float  # acknowledged, or last heard
    said_ms: int = 0  # market time of its last word
    spoke: bool = False
    closes_ms: int | None = None  # market time at which the next close of a candle channel is due
    late_since: float | None = None
    tries: int = 0
    next_try: float = 0.0


@dataclass(frozen=True)
class Silent:
    """A silent channel. `candle_due_ms`: market time of the close that has not come, None for other channels."""

    key: Key
    mend: Mend
    why: str
    candle_due_ms: int | None = field(default=None)


class ChannelWatch:
    """`flowing`: whether market time flows; `slower`: how many wall seconds a market second takes, at least 1."""

    def __init__(self, *, flowing: bool, slower: float = 1.0) -> None:
        self._flowing = flowing
        self._slower = max(1.0, slower)
        self._channels: dict[Key, _Channel] = {}
        self._lock = threading.Lock()
        self._newest_word = 0.0
        self._market_ms = 0

    def follow(self, keys: list[Key], now: float) -> None:
        """These were acknowledged just now. What was tried before is remembered until they speak."""
        with self._lock:
            for key in keys:
                before = self._channels.get(key)
                fresh = _Channel(now)
                if before is not None:
                    fresh.tries, fresh.next_try, fresh.closes_ms = before.tries, before.next_try, before.closes_ms
                self._channels[key] = fresh

    def forget(self, keys: list[Key]) -> None:
        """These are followed no longer."""
        with self._lock:
            for key in keys:
                self._channels.pop(key, None)

    def spoke(self, key: Key, now: float, market_ms: int) -> None:
        """A word came that the exchange dates `market_ms`."""
        with self._lock:
            self._newest_word = now
            channel = self._channels.get(key)
            if channel is not None:
                channel.since, channel.spoke, channel.said_ms = now, True, market_ms
                if channel.closes_ms is None:
                    channel.tries = 0

    def candle(self, key: Key, open_ms: int, *, confirmed: bool, now: float) -> None:
        """A candle channel spoke of the bar that opened at `open_ms`."""
        bar_ms = BAR_SECONDS[key[0].removeprefix("candle")] * 1000
        self.spoke(key, now, open_ms + bar_ms if confirmed else open_ms)
        with self._lock:
            channel = self._channels.get(key)
            if channel is not None:
                due = open_ms + (2 if confirmed else 1) * bar_ms
                if channel.closes_ms is None or due > channel.closes_ms:
                    channel.closes_ms, channel.late_since, channel.tries = due, None, 0

    def silent(self, now: float) -> list[Silent]:
        """Channels to mend now; each is told once, and again with growing distance while it stays silent."""
        with self._lock:
            self._market_ms = max(self._market_ms, _second(channel.said_ms for channel in self._channels.values()))
            return [found for key, channel in self._channels.items() if (found := self._judge(key, channel, now))]

    def _judge(self, key: Key, channel: _Channel, now: float) -> Silent | None:
        why = self._why(key[0], channel, now)
        if why is None or now < channel.next_try:
            return None
        mend = Mend.RESUBSCRIBE if channel.tries % 2 == 0 else Mend.RECONNECT
        channel.next_try = now + min(FIRST_AGAIN_S * 2**channel.tries, LONGEST_AGAIN_S)
        channel.tries += 1
        return Silent(key, mend, why, channel.closes_ms if channel.late_since is not None else None)

    def _why(self, name: str, channel: _Channel, now: float) -> str | None:
        if not channel.spoke:
            waited = now - channel.since
            return f"acknowledged, but silent for {waited:.0f} s" if waited > FIRST_WORD_S else None
        if channel.closes_ms is not None:
            if self._market_ms < channel.closes_ms:
                channel.late_since = None
                return None
            channel.late_since = now if channel.late_since is None else channel.late_since
            late = now - channel.late_since
            return f"the close of its bar is {late:.0f} s late" if late > LATE_S else None
        longest = LONGEST_S.get(name)
        silence = (now if self._flowing else self._newest_word) - channel.since
        if longest is None or silence <= longest * self._slower:
            return None
        return f"silent for {silence:.0f} s"


def _second(stamps: Iterable[int]) -> int:
    """What at least two of them have reached; 0 of fewer."""
    return min(nlargest(2, stamps), default=0)
