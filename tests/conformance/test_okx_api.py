"""npm okx-api, unchanged, trades a whole life under node; this side judges what it parsed.

The client comes from its pinned lock file. Without node there is nothing to try; with it, a failing installation is a
failing test.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from paper.launch import ExchangeProcess

HERE = Path(__file__).resolve().parent / "okx_api"
NODE, NPM = shutil.which("node"), shutil.which("npm")

pytestmark = pytest.mark.skipif(NODE is None or NPM is None, reason="no node on this machine")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the script and its installed client."""
    folder = tmp_path_factory.mktemp("okx_api")
    for name in ("package.json", "package-lock.json", "life.mjs"):
        shutil.copy(HERE / name, folder / name)
    done = subprocess.run(
        [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    yield folder
    shutil.rmtree(folder / "node_modules")


@pytest.fixture
def life(client: Path, server: ExchangeProcess) -> dict[str, Any]:
    keys = server.account
    done = subprocess.run(
        [str(NODE), "life.mjs", server.rest_url, server.ws_url, server.admin_url, keys["api_key"],
         keys["secret_key"], keys["passphrase"]],
        cwd=client, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-500:]}\n{done.stderr[-3000:]}"
    parsed: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return parsed


def test_client_trades_a_whole_life(life: dict[str, Any]) -> None:
    assert life["errors"] == []
    assert (life["leverage"]["lever"], life["resting"]["sz"], life["resting"]["state"]) == ("3", "3", "live")
    assert (life["partly"]["state"], life["partly"]["accFillSz"]) == ("partially_filled", "1")
    assert (life["held"]["pos"], life["held"]["mgnMode"]) == ("4", "isolated")
    assert life["bracket"]["algoId"] == life["fired"]["algoId"]
    assert life["fired"]["actualSide"] in ("sl", "tp")
    # A refused order rejects with the whole body.
    assert life["refusal"]["code"] == "1"
    assert life["refusal"]["data"][0]["sCode"] == "51008"
    assert life["operation"]["data"][0]["sCode"] == "0"
    assert life["operation"]["inTime"]
    assert life["closed"]["instId"] == "BTC-USDT-SWAP"

    states = {row["clOrdId"]: row["state"] for row in life["history"]}
    assert (states["node1"], states["node2"], states["node3"]) == ("canceled", "filled", "filled")
    signed = [Decimal(f["fillSz"]) * (1 if f["side"] == "buy" else -1) for f in life["fills"]]
    assert sum(signed) == 0
    assert len(life["positions"]) == 2
    trades = [bill for bill in life["bills"] if bill["type"] == "2"]
    assert sum(Decimal(b["fee"]) for b in trades) == sum(Decimal(f["fee"]) for f in life["fills"])
    cash = Decimal(life["balance"]["details"][0]["cashBal"])
    earned = sum(Decimal(b["pnl"]) + Decimal(b["fee"]) for b in life["bills"] if b["type"] != "1")
    assert abs(cash - 10000 - earned) < Decimal("1e-9")
    for channel in ("orders", "positions", "account", "orders-algo", "tickers", "candle5m"):
        assert life["channels"][channel] > 0
