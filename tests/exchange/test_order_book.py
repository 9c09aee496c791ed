"""A book that proves itself right with every message, and is empty as soon as it cannot."""

import zlib
from typing import Any

import pytest

from exchange.order_book import BookBroken, LocalBook

BIDS = [["3366.1", "7", "0", "3"], ["3366", "6", "0", "4"]]
ASKS = [["3366.8", "9", "0", "3"], ["3368", "8", "0", "4"]]
# OKX's own example of the alternating text "3366.1:7:3366.8:9:3366:6:3368:8".
CHECKSUM = -1881014294


def message(sequence: int, follows: int, checksum: int, bids: Any = BIDS, asks: Any = ASKS) -> dict[str, Any]:
    return {"bids": bids, "asks": asks, "ts": "1700000000000", "checksum": checksum, "seqId": sequence,
            "prevSeqId": follows}  # fmt: skip


@pytest.fixture
def book() -> LocalBook:
    book = LocalBook()
    assert book.apply("snapshot", message(10, -1, CHECKSUM))
    return book


def test_snapshot_adds_up_to_the_documented_checksum(book: LocalBook) -> None:
    assert book.whole
    assert book.best(1) == {"bids": [["3366.1", "7"]], "asks": [["3366.8", "9"]], "ts": "1700000000000"}


def test_update_replaces_adds_and_deletes_levels(book: LocalBook) -> None:
    """Best bid gone, a better ask, another size."""
    value = zlib.crc32(b"3366:5:3366.5:1:3366.8:9")
    changes = message(11, 10, value - 2**32 if value >= 2**31 else value,
                      [["3366.1", "0", "0", "0"], ["3366", "5", "0", "1"]],
                      [["3366.5", "1", "0", "1"], ["3368", "0", "0", "0"]])  # fmt: skip
    assert book.apply("update", changes)
    assert book.best(5)["asks"] == [["3366.5", "1"], ["3366.8", "9"]]
    assert book.best(5)["bids"] == [["3366", "5"]]


def test_keep_alive_changes_nothing_and_a_repetition_is_taken_once(book: LocalBook) -> None:
    assert book.apply("update", message(10, 10, CHECKSUM, [], []))
    assert not book.apply("update", message(10, 9, 1))
    assert book.whole


@pytest.mark.parametrize(
    "broken, why",
    [
        (message(12, 11, CHECKSUM, [], []), "message 12 follows 11, not 10"),
        (message(11, 10, 1, [], []), "checksum -1881014294 instead of 1 at message 11"),
        (message(11, 10, CHECKSUM, None, []), "malformed message"),
        ({"bids": []}, "malformed message"),
    ],
)
def test_what_does_not_follow_or_add_up_empties_the_book(book: LocalBook, broken: dict[str, Any], why: str) -> None:
    with pytest.raises(BookBroken, match=why):
        book.apply("update", broken)
    assert not book.whole
    assert not book.apply("update", message(11, 10, CHECKSUM, [], []))
    assert book.apply("snapshot", message(20, -1, CHECKSUM))
