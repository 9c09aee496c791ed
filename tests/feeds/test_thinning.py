"""Of messages that have come at once only those are left out that a later one makes worthless."""

import json

from feeds.thinning import newest


def push(channel: str, *rows: object, inst_id: str = "BTC-USDT-SWAP", **more: str) -> bytes:
    message = {"arg": {"channel": channel, "instId": inst_id}, **more, "data": list(rows)}
    return json.dumps(message, separators=(",", ":")).encode()


def bar(ts: int, close: str, confirm: str) -> list[str]:
    return [str(ts), "1", "2", "0", close, "5", "5", "5", confirm]


def test_of_quotes_the_newest_of_each_instrument_is_left_in_its_own_place() -> None:
    first, other, last = (
        push("tickers", {"last": "1"}),
        push("tickers", {"last": "7"}, inst_id="ETH"),
        push("tickers", {"last": "2"}),
    )
    mark = push("mark-price", {"markPx": "1"})
    assert list(newest([first, other, mark, last])) == [other, mark, last]


def test_a_close_is_never_left_out_and_stays_before_the_next_bar() -> None:
    forming, later, closed = (
        push("candle5m", bar(0, close, confirm)) for close, confirm in (("1", "0"), ("2", "0"), ("2", "1"))
    )
    following = push("candle5m", bar(300_000, "3", "0"))
    assert list(newest([forming, later, closed, following])) == [closed, following]
    assert list(newest([forming, closed])) == [forming, closed]


def test_bars_of_different_lengths_and_instruments_do_not_supersede_each_other() -> None:
    kept = [push("candle5m", bar(0, "1", "0")), push("candle15m", bar(0, "1", "0")),
            push("candle5m", bar(0, "1", "0"), inst_id="ETH-USDT-SWAP")]  # fmt: skip
    assert list(newest(kept)) == kept


def test_a_push_of_several_bars_is_kept_whole() -> None:
    both = push("candle5m", bar(0, "1", "1"), bar(300_000, "1", "0"))
    later = push("candle5m", bar(300_000, "2", "0"))
    assert list(newest([both, later])) == [both, later]


def test_every_message_of_a_book_and_whatever_is_unknown_is_kept_in_order() -> None:
    kept = [
        push("books", {"seqId": 1}, action="update"), push("books", {"seqId": 2}, action="update"),
        b'{"event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT-SWAP"}}', b"pong",
        b'{"data":[{"last":"1"}],"arg":{"channel":"tickers"}}', b'{"data":[{"last":"2"}],"arg":{"channel":"tickers"}}',
        push("orders", {"state": "live"}), push("orders", {"state": "filled"}), b"", b"{",
    ]  # fmt: skip
    assert list(newest(kept)) == kept
