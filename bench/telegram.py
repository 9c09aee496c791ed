"""How long `/halt` takes from Telegram's update to the committed flag, at the worst moment.

The real service as a process of its own, a real PostgreSQL with durable commits, a stand-in of Telegram's Bot API. All
the while the service draws charts without a pause, Redis accepts connections and never answers, and the exchange is
away.
"""

import itertools
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2

from bench.registry import Measured, distribution, figure
from runtime.errors import OperatorError
from runtime.migrate import upgrade_to_head
from runtime.postgres import EmbeddedPostgres

OWNER = 4711
WARM_UP, SAMPLES = 10, 200
CHARTS_IN_HAND = 3
CANDLES, PICTURES = 90, 30
WITHIN_S = 20.0
ACCOUNT = {"api_key": "bench", "secret_key": "bench", "passphrase": "bench"}


@figure("telegram-halt")
def telegram_halt() -> Measured:
    """Update handed out → halt committed, while charts are drawn and neither Redis nor the exchange answers."""
    try:
        from models.session import build_engine, build_sessions
        from standins.telegram_api import TOKEN, TelegramStandin
        from tests.telegram_ui.seeded import seed
    except ImportError as error:
        raise OperatorError(f"telegram-halt needs a checkout with its tests ({error.name} is missing)") from None
    with tempfile.TemporaryDirectory(prefix="okxbot-bench-") as folder, socket.socket() as silent:
        home = Path(folder)
        home.chmod(0o755)
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        (home / "account.json").write_text(json.dumps(ACCOUNT))
        with EmbeddedPostgres(home / "postgres", durable=True) as server, TelegramStandin() as api:
            upgrade_to_head(server.url)
            engine = build_engine(server.url)
            seed(build_sessions(engine))
            engine.dispose()
            environ = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")} | {
                "OKXBOT_HOME": str(home / "home"),
                "DATABASE_URL": server.url,
                "REDIS_URL": f"redis://127.0.0.1:{silent.getsockname()[1]}/0",
                "OKX_REST_URL": "http://127.0.0.1:9",
                "PAPER_ACCOUNT_FILE": str(home / "account.json"),
                "TELEGRAM_BOT_TOKEN": TOKEN,
                "TELEGRAM_BASE_URL": api.url,
                "TELEGRAM_ADMIN_IDS": str(OWNER),
                "LOG_LEVEL": "ERROR",
            }
            with _service(environ):
                connection = psycopg2.connect(server.url.replace("postgresql+psycopg2", "postgresql"))
                connection.autocommit = True
                with connection.cursor() as cursor:
                    samples = list(_samples(api, cursor))
                connection.close()
            if not any(said.png for said in api.said):
                raise OperatorError("no chart was drawn: nothing was measured under load")
    return distribution("telegram-halt", samples[WARM_UP:], "ms")


@figure("telegram-picture")
def telegram_picture() -> Measured:
    """One chart of 90 candles drawn to a PNG, once the library is loaded."""
    from telegram_ui.pictures.drawing import draw
    from telegram_ui.pictures.subjects import Bar, CandleChart, Level, Mark

    began = datetime(2026, 1, 5, tzinfo=UTC)
    closes = [95000 + 900 * math.sin(n / 17) + 300 * math.sin(n / 2.3) for n in range(CANDLES + 1)]
    bars = tuple(
        Bar(began + timedelta(minutes=5 * n), o, max(o, c) * 1.001, min(o, c) * 0.999, c)
        for n, (o, c) in enumerate(itertools.pairwise(closes))
    )
    marks = tuple(Mark(bar.at, bar.close, True) for bar in bars[10::30])
    levels = (Level("entry", 95000), Level("stop", 93800), Level("target", 96500))
    chart = CandleChart("BTC 5m", 300, bars, marks, levels=levels)
    samples = []
    for _ in range(PICTURES + 1):
        started = time.perf_counter()
        draw(chart)
        samples.append((time.perf_counter() - started) * 1000)
    return distribution("telegram-picture", samples[1:], "ms")


def _samples(api: Any, cursor: Any) -> Iterator[float]:
    """Milliseconds of each halt."""
    api.hear(OWNER, "/chart BTC")
    api.wait(lambda: any(said.png for said in api.said), 60)
    asked = 1
    for _ in range(WARM_UP + SAMPLES):
        cursor.execute("UPDATE bot_state SET halted = false, halt_kind = NULL, halt_reason = NULL")
        while asked - sum(said.png is not None for said in api.said) < CHARTS_IN_HAND:
            api.hear(OWNER, ("/chart BTC", "/chart ETH 1h", "/chart SOL")[asked % 3])
            asked += 1
        began = time.perf_counter()
        api.hear(OWNER, "/halt bench")
        while True:
            cursor.execute("SELECT halted FROM bot_state")
            if cursor.fetchone()[0]:
                break
            if time.perf_counter() - began > WITHIN_S:
                raise OperatorError(f"/halt did not take effect within {WITHIN_S:g} s")
            time.sleep(0.001)
        yield (time.perf_counter() - began) * 1000


@contextmanager
def _service(environ: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "telegram_ui"], env=environ, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
