"""Market time: computed from the exchange's anchor, standing still in lockstep, refused when it cannot be known."""

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from time import sleep

import pytest

from exchange.client import OkxExchange
from exchange.clock import PaperClock, build_clock, measure_skew
from paper.launch import ExchangeProcess
from settings import load_settings
from trading.clock import ClockUnavailable, WallClock, from_ms, wall_ms, wall_now


def serving(clock: dict[str, object]) -> Callable[[socket.socket, bytes], None]:
    body = json.dumps(clock)
    return lambda connection, _: connection.sendall(
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )


def anchored(speed: float, market_ms: int = 1_700_000_000_000) -> dict[str, object]:
    now = wall_ms()
    return {
        "market_ms": market_ms, "wall_ms": now, "speed": speed,
        "anchor_market_ms": market_ms, "anchor_wall_ms": now, "ended": False,
    }  # fmt: skip


def test_scaled_market_runs_faster_and_is_not_asked_each_time(raw_server: Callable) -> None:
    server = raw_server(serving(anchored(600)))
    clock = PaperClock(server.url)
    first = clock.market_now()
    sleep(0.1)
    passed = clock.market_now() - first
    assert timedelta(seconds=55) < passed < timedelta(seconds=600)
    assert len(server.requests) == 1


def test_anchor_outlives_an_exchange_that_went_away_for_a_while(raw_server: Callable) -> None:
    server = raw_server(serving(anchored(60)))
    clock = PaperClock(server.url)
    first = clock.market_now()
    server.close()
    assert clock.market_now() >= first


def test_lockstep_stands_still_between_bars(paper: ExchangeProcess) -> None:
    clock = PaperClock(paper.rest_url)
    first = clock.market_now()
    assert clock.market_now() == first
    assert from_ms(paper.advance(1)["market_ms"]) == clock.market_now() == first + timedelta(minutes=5)


def test_unreachable_exchange_has_no_market_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ClockUnavailable):
        PaperClock(f"http://127.0.0.1:{port}").market_now()


def test_nonsense_is_not_a_time(raw_server: Callable) -> None:
    with pytest.raises(ClockUnavailable):
        PaperClock(raw_server(serving({"speed": 60})).url).market_now()


def test_ended_market_stands_still(raw_server: Callable) -> None:
    server = raw_server(serving({**anchored(60), "ended": True}))
    clock = PaperClock(server.url)
    assert clock.market_now() == from_ms(1_700_000_000_000)
    assert clock.ended


def test_outside_paper_market_time_is_wall_time() -> None:
    keys = {"OKX_API_KEY": "a", "OKX_SECRET_KEY": "b", "OKX_PASSPHRASE": "c"}
    clock = build_clock(load_settings({"TRADING_MODE": "demo", **keys}, dotenv=False))
    assert isinstance(clock, WallClock)
    assert abs(clock.market_now() - wall_now()) < timedelta(seconds=1)


def test_skew_to_the_exchange_is_measured(exchange: OkxExchange) -> None:
    assert abs(measure_skew(exchange)) < timedelta(seconds=0.5)
