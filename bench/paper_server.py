"""The paper exchange as a process: signed orders over REST and pushes over WebSocket, its state written as ever.

The load comes from one process of its own (`bench.paper_load`), so that two cores carry both sides.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.registry import Measured, distribution, figure
from paper.launch import ExchangeProcess, launch
from paper.store.credentials import create_key
from runtime.errors import OperatorError

ACCOUNTS, CONNECTIONS, SECONDS = 40, 40, 10
SOCKETS = 100


@contextmanager
def _server(*arguments: str) -> Iterator[tuple[ExchangeProcess, list[dict[str, str]]]]:
    with tempfile.TemporaryDirectory(prefix="okxbot-bench-") as folder:
        data = Path(folder) / "exchange"
        server = launch(data, ["--equity", "1000000", *arguments])
        try:
            yield server, [json.loads(create_key(data, f"bench{number}").read_text()) for number in range(ACCOUNTS)]
        finally:
            server.stop()


def _load(*arguments: str, given: object = None) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.paper_load", *arguments],
        input=json.dumps(given), capture_output=True, text=True, timeout=SECONDS + 60, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise OperatorError(f"the load failed: {done.stderr.strip()[-300:]}")
    parsed: dict[str, Any] = json.loads(done.stdout)
    if parsed.get("refused"):
        raise OperatorError(f"{parsed['refused']} orders of the load were refused")
    return parsed


@figure("paper-server")
def paper_server() -> Measured:
    """Signed market orders a second, placed and filled, journal and ledger written, from 40 accounts."""
    with _server() as (server, accounts):
        found = _load("orders", str(server.port), str(SECONDS), str(CONNECTIONS), "0", given=accounts)
    return Measured("paper-server", round(len(found["samples"]) / found["seconds"]), "orders/s", len(found["samples"]))


@figure("paper-ack")
def paper_ack() -> Measured:
    """Milliseconds from sending a signed order to its acknowledgement, at 200 orders a second."""
    with _server() as (server, accounts):
        found = _load("orders", str(server.port), str(SECONDS), str(CONNECTIONS), "200", given=accounts)
    return distribution("paper-ack", found["samples"], "ms")


@figure("paper-fanout")
def paper_fanout() -> Measured:
    """Channel messages a second to 100 sockets with 18 subscriptions each, the market as fast as it can be pushed."""
    with _server("--speed", "3600") as (server, _):
        found = _load("sockets", str(server.port), str(SECONDS), str(SOCKETS))
    return Measured("paper-fanout", round(found["messages"] / found["seconds"]), "messages/s", found["messages"])
