"""The market feed under load, beside other people's feeds on the same server, and one snapshot.

Fifty instruments, four candle bars and the ticker of each: 250 subscriptions. The feed has one core, the server and
Redis share the other. `feed-latency`: 5,000 messages a second; from the server's stamp (ms) until the word is in Redis.
`feed-ceiling`: messages a second when the server sends as fast as it is read, in rounds: in each round every client
hears the same for the same time, one after the other, on the same server; what is quoted is the median of the rounds,
and the ratios are medians of each round's ratio. The market feed writes to Redis; of messages that have come at once it
reads, of what only the newest word counts, that one (`feeds/thinning.py`). `okxbot, each read` is the same feed reading
every message. ccxt.pro and cryptofeed read every message and hand it to a callback that only counts; they write
nothing. What of them had to be patched stands at their functions in `bench/feed_client.py`. cryptofeed is measured
where it is installed apart from the bot: `python3 -m venv .venv-peers && .venv-peers/bin/pip install cryptofeed`.
`feed-memory`: the largest size of the feed's process after the flood, everything it imports included.
`snapshot`: three timeframes of 700 closed bars, a new one each, read from Redis and turned into every indicator.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from bench.registry import Measured, distribution, figure
from exchange.market_series import SeriesCache
from exchange.market_writer import MarketWriter
from exchange.redis_client import build_redis
from runtime.errors import OperatorError
from runtime.ports import free_port
from runtime.redis_server import EmbeddedRedis
from trading.candle import BAR_SECONDS, Candle
from trading.clock import from_ms, wall_now
from trading.indicators import frame_indicators
from trading.regime import regime_of
from trading.volume_profile import volume_profile

SECONDS, CEILING_SECONDS, ROUNDS = 8.0, 5.0, 3
PEERS_PYTHON = Path(__file__).resolve().parents[1] / ".venv-peers" / "bin" / "python"
RATE = 5000
CONNECTIONS = 3  # the feed spreads 250 subscriptions over so many
FRAMES = ("5m", "1H", "4H")
BARS, SNAPSHOTS = 700, 300
BTC = "BTC-USDT-SWAP"


@figure("feed-latency")
def feed_latency() -> Measured:
    with (
        _market(RATE / CONNECTIONS) as port,
        tempfile.TemporaryDirectory() as folder,
        EmbeddedRedis(Path(folder)) as redis,
    ):
        found = _client("okxbot", port, redis.url)
    return distribution("feed-latency", found["late_ms"], "ms")


@figure("feed-ceiling")
def feed_ceiling() -> Iterator[Measured]:
    clients = ["okxbot", "okxbot-each", "ccxt"] + (["cryptofeed"] if PEERS_PYTHON.exists() else [])
    rates: dict[str, list[float]] = {client: [] for client in clients}
    heard, memory = dict.fromkeys(clients, 0), 0.0
    rounds = [(client, number) for number in range(ROUNDS) for client in clients]
    with _market(0) as port, tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as redis:
        for client, _ in track(rounds, "feeds in turn", console=Console(stderr=True)):
            found = _client(client, port, redis.url, seconds=CEILING_SECONDS)
            rates[client].append(found["messages"] / found["seconds"])
            heard[client] += found["messages"]
            memory = max(memory, found["memory_mb"]) if client == "okxbot" else memory
    for client in clients:
        name = client.replace("-each", ", each read")
        yield Measured(f"feed-ceiling {name}", round(statistics.median(rates[client])), "msg/s", heard[client])
    for peer in clients[2:]:
        for own, name in (("okxbot", "okxbot"), ("okxbot-each", "each read")):
            ratio = statistics.median(a / b for a, b in zip(rates[own], rates[peer], strict=True))
            yield Measured(f"feed-ratio {name} to {peer}", round(ratio, 2), "times", ROUNDS)
    yield Measured("feed-memory", round(memory, 1), "MB", ROUNDS)


@figure("snapshot")
def snapshot() -> Measured:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedRedis(Path(folder)) as server,
        build_redis(server.url) as redis,
    ):
        writer, cache = MarketWriter(redis), SeriesCache(redis)
        dice = np.random.default_rng(1)
        history = {bar: list(_candles(bar, BARS + SNAPSHOTS + 20, dice)) for bar in FRAMES}
        for bar in FRAMES:
            writer.merge(BTC, bar, history[bar][:BARS])
        samples = []
        for number in range(BARS, BARS + SNAPSHOTS + 20):
            for bar in FRAMES:
                writer.confirm(history[bar][number])
            now = wall_now()
            began = perf_counter()
            series = cache.series(BTC, dict.fromkeys(FRAMES, BARS))
            cache.reading(BTC, now, now, 1.0)
            frames = {bar: frame_indicators(run) for bar, run in series.items()}
            regime_of(frames["4H"])
            volume_profile(series["5m"])
            samples.append((perf_counter() - began) * 1000)
    return distribution("snapshot", samples[20:], "ms")


def _candles(bar: str, count: int, dice: np.random.Generator) -> Iterator[Candle]:
    px = 60_000.0
    for number in range(count):
        close = px * (1 + dice.normal(0, 0.001))
        ohlc = (px, max(px, close) + 5, min(px, close) - 5, close)
        open_, high, low, last = (Decimal(f"{value:.1f}") for value in ohlc)
        volume = Decimal(f"{dice.uniform(1, 50):.4f}")
        opened = from_ms(1_700_006_400_000) + number * timedelta(seconds=BAR_SECONDS[bar])
        yield Candle(BTC, bar, opened, open_, high, low, last, volume * 100, volume, volume * 60_000, True)
        px = close


@contextmanager
def _market(rate: float) -> Iterator[int]:
    """The server on the second core; its port."""
    port = free_port()
    pinned = ["taskset", "-c", "1"] if Path("/usr/bin/taskset").exists() else []
    server = subprocess.Popen(
        [*pinned, sys.executable, "-m", "bench.feed_load", str(port), str(rate)], stdout=subprocess.PIPE, text=True
    )
    try:
        if not server.stdout or server.stdout.readline().strip() != "ready":
            raise OperatorError("the load server of bench.feed did not start")
        yield port
    finally:
        server.kill()
        server.wait()


def _client(who: str, port: int, redis_url: str, *, seconds: float = SECONDS) -> dict[str, Any]:
    python = str(PEERS_PYTHON) if who == "cryptofeed" else sys.executable
    done = subprocess.run(
        [python, "-m", "bench.feed_client", who, str(port), str(seconds), redis_url],
        capture_output=True, text=True, timeout=seconds + 60, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise OperatorError(f"{who} did not finish: {done.stderr.strip()[-300:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    if not found["messages"]:
        raise OperatorError(f"{who} heard nothing within a minute")
    return found
