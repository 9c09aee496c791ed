"""A book is begun by its snapshot, whatever came before it, and is asked for once when it breaks."""

from collections.abc import Iterator
from typing import Any

import pytest

from exchange.market_cache import MarketCache
from exchange.market_writer import MarketWriter
from exchange.redis_client import build_redis
from exchange.websocket import Push
from exchange.ws_connection import Key, push_of
from feeds.channel_watch import ChannelWatch
from feeds.quote_board import QuoteBoard
from paper.server.hub import checksum
from trading.clock import wall_ms, wall_now

BTC = "BTC-USDT-SWAP"
KEY: Key = ("books", BTC, "")


class Board:
    """A board on a real Redis, and what it asked for."""

    def __init__(self, redis_url: str) -> None:
        self.redis = build_redis(redis_url)
        self.asked: list[Key] = []
        self.board = QuoteBoard(
            MarketWriter(self.redis), ChannelWatch(flowing=True), on_funding=lambda _: None, on_broken=self.asked.append
        )

    def push(self, action: str, follows: int, sequence: int, bid: str, **more: Any) -> None:
        level = [bid, "5", "0", "1"]
        row = {"bids": [level], "asks": [["101", "5", "0", "1"]], "ts": str(wall_ms())}
        row |= {"prevSeqId": follows, "seqId": sequence, "checksum": checksum(row), **more}
        self.board.push(Push("books", {"channel": "books", "instId": BTC}, [row], action, "", wall_ms()))
        self.board.flush()

    @property
    def bids(self) -> list[str]:
        return [str(level.px) for level in MarketCache(self.redis).present(BTC).bids]


LATE = "9" * 25
MALFORMED: list[Any] = [
    [None], [7], [[1]], [{"instId": BTC, "ts": LATE}],
    [{"instId": BTC, "bids": [7], "asks": [], "ts": "1"}],
    [{"instId": BTC, "bids": [[]], "ts": "1"}], [{"instId": BTC, "bids": 7, "ts": "1"}],
    [{"instId": BTC, "last": "1", "bidPx": "1", "askPx": "1", "ts": LATE}],
]  # fmt: skip


@pytest.fixture
def board(redis_url: str) -> Iterator[Board]:
    made = Board(redis_url)
    yield made
    made.redis.close()


def test_a_snapshot_of_a_new_subscription_replaces_a_whole_book(board: Board) -> None:
    board.push("snapshot", -1, 10, "99")
    board.push("snapshot", -1, 500, "98")
    assert (board.bids, board.asked) == (["98"], [])


def test_what_the_old_subscription_still_says_before_the_new_snapshot_asks_for_nothing(board: Board) -> None:
    board.push("snapshot", -1, 10, "99")
    board.push("update", 11, 12, "97")  # 11 was lost
    board.push("update", 12, 13, "96")
    board.push("update", 13, 14, "95")
    assert (board.bids, board.asked) == (["99"], [KEY])
    board.push("snapshot", -1, 20, "98")
    board.push("update", 20, 20, "98")
    assert (board.bids, board.asked) == (["98"], [KEY])


def test_a_book_that_breaks_again_at_once_is_left_to_the_watch(board: Board) -> None:
    board.push("snapshot", -1, 10, "99")
    board.push("update", 10, 11, "98", checksum=1)
    board.push("snapshot", -1, 20, "97", checksum=1)
    assert (board.bids, board.asked) == (["99"], [KEY])


@pytest.mark.parametrize("channel", ["tickers", "books5", "books", "mark-price", "open-interest", "funding-rate"])
@pytest.mark.parametrize("data", MALFORMED, ids=str)
def test_a_malformed_push_is_skipped_and_changes_nothing(board: Board, channel: str, data: list[Any]) -> None:
    message = {"arg": {"channel": channel, "instId": BTC}, "data": data, "action": "update"}
    board.board.push(push_of(message))
    board.board.flush()
    assert MarketCache(board.redis).ages(BTC, wall_now()) == {}


@pytest.mark.parametrize(
    "message", [{"arg": [1], "data": [{}]}, {"arg": "x", "data": []}, {"arg": {}, "data": {"a": 1}}]
)
def test_a_message_of_another_shape_is_a_push_of_nothing(board: Board, message: dict[str, Any]) -> None:
    board.board.push(push_of(message))
    board.board.flush()
    assert MarketCache(board.redis).ages(BTC, wall_now()) == {}
