"""The order book of one instrument, kept from OKX's `books` channel and proved right with every message.

A snapshot begins it; each update names the sequence number it follows, and carries a CRC32 over the best 25 levels
(bid and ask alternating, `px:sz` as sent). What does not follow or does not add up raises `BookBroken`: the book is
then empty until the next snapshot, for which the channel must be subscribed anew.
"""

import zlib
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any

from exchange.fields import Row

CHECKSUM_LEVELS = 25


class BookBroken(ValueError):
    """The book no longer is the exchange's; `str()` says why."""


class _Side:
    """Levels of one side, best first. Prices are compared as floats and kept as text."""

    def __init__(self, sign: int) -> None:
        self._sign = sign  # bids are best when highest
        self._order: list[tuple[float, str]] = []
        self._sizes: dict[str, str] = {}

    def clear(self) -> None:
        self._order.clear()
        self._sizes.clear()

    def apply(self, levels: Sequence[Sequence[str]]) -> None:
        for px, size, *_ in levels:
            held = px in self._sizes
            if float(size) == 0:
                if held:
                    del self._sizes[px]
                    del self._order[bisect_left(self._order, (self._sign * float(px), px))]
                continue
            self._sizes[px] = size
            if not held:
                insort(self._order, (self._sign * float(px), px))

    def best(self, levels: int) -> list[list[str]]:
        return [[px, self._sizes[px]] for _, px in self._order[:levels]]


class LocalBook:
    """One instrument's book."""

    def __init__(self) -> None:
        self._bids, self._asks = _Side(-1), _Side(1)
        self._sequence: int | None = None
        self._ts = "0"

    @property
    def whole(self) -> bool:
        """Whether it is the exchange's book."""
        return self._sequence is not None

    def apply(self, action: str, row: Row) -> bool:
        """Take a snapshot or an update. Raises BookBroken; False for an update while there is no book to apply it to.

        An update that repeats the last one (same sequence number) is taken once.
        """
        try:
            follows, sequence = int(row["prevSeqId"]), int(row["seqId"])
            bids, asks, checksum = row["bids"], row["asks"], int(row["checksum"])
            if action == "snapshot":
                self._bids.clear()
                self._asks.clear()
            elif self._sequence is None or (sequence == self._sequence and follows != sequence):
                return False
            elif follows != self._sequence:
                raise BookBroken(f"message {sequence} follows {follows}, not {self._sequence}")
            self._bids.apply(bids)
            self._asks.apply(asks)
            self._sequence, self._ts = sequence, str(row["ts"])
            found = self._checksum()
            if found != checksum:
                raise BookBroken(f"checksum {found} instead of {checksum} at message {sequence}")
        except BookBroken:
            self._sequence = None
            raise
        except (KeyError, TypeError, ValueError) as error:
            self._sequence = None
            raise BookBroken(f"malformed message: {type(error).__name__}: {error}") from None
        return True

    def best(self, levels: int) -> dict[str, Any]:
        """The best levels as a row of `books5`."""
        return {"bids": self._bids.best(levels), "asks": self._asks.best(levels), "ts": self._ts}

    def _checksum(self) -> int:
        bids, asks = self._bids.best(CHECKSUM_LEVELS), self._asks.best(CHECKSUM_LEVELS)
        parts: list[str] = []
        for number in range(max(len(bids), len(asks))):
            parts += bids[number] if number < len(bids) else []
            parts += asks[number] if number < len(asks) else []
        value = zlib.crc32(":".join(parts).encode())
        return value - 2**32 if value >= 2**31 else value
