"""The ledger: everything asked is in it, in order, bounded, and whole after a kill."""

import contextlib
from pathlib import Path
from typing import Any

import httpx
from okx.Trade import TradeAPI

from paper.launch import launch
from paper.store.ledger import Bounds, Ledger

SMALL = Bounds(size=2000, files=3)


def test_every_request_is_recorded_with_what_was_asked_and_done(tmp_path: Path) -> None:
    server = launch(tmp_path / "x", ["--speed", "lockstep", "--warmup-bars", "30"])
    try:
        httpx.get(f"{server.rest_url}/api/v5/market/ticker?instId=BTC-USDT-SWAP")
        httpx.get(f"{server.rest_url}/api/v5/nothing")
        httpx.post(f"{server.rest_url}/api/v5/trade/order", json={"instId": "BTC-USDT-SWAP"})
        entries = server.get("/paper/ledger")["entries"]
        assert [(e["kind"], e["path"], e["code"]) for e in entries] == [
            ("read", "/api/v5/market/ticker", "0"),
            ("refused", "/api/v5/nothing", "404"),
            ("refused", "/api/v5/trade/order", "50103"),
        ]
        assert entries[0]["query"] == "instId=BTC-USDT-SWAP"
        assert server.get("/paper/ledger", path="nothing")["entries"] == entries[1:2]
    finally:
        server.stop()


def test_files_are_bounded_and_readable_beyond_memory(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, SMALL, SMALL)
    for number in range(200):
        ledger.add("request", {"clOrdIds": [f"c{number}"], "body": "x" * 60, "path": "/p"})
        ledger.add("read", {"path": "/r", "account": "a"})
    ledger.close()
    for name in ("ledger", "reads"):
        files = sorted(tmp_path.glob(f"{name}*.jsonl"))
        assert len(files) == SMALL.files + 1
        assert all(path.stat().st_size < SMALL.size + 200 for path in files)
    again = Ledger(tmp_path, SMALL, SMALL)
    assert again.number == 400
    # A restart keeps the newest file in memory; older entries come from the full ones.
    asked = again.select("request", after=320, limit=5)
    assert [entry["n"] for entry in asked] == [321, 323, 325, 327, 329]
    assert asked[0]["clOrdIds"] == ["c160"]
    assert [e["kind"] for e in again.select(after=396)] == ["request", "read"] * 2
    again.close()


def test_torn_line_is_dropped_and_numbers_go_on(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add("request", {"clOrdIds": ["whole"]})
    ledger.close()
    with (tmp_path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"n":2,"kind":"requ')
    again = Ledger(tmp_path)
    assert again.add("request", {"clOrdIds": ["next"]})["n"] == 2
    again.close()
    once_more = Ledger(tmp_path)
    assert [e["clOrdIds"] for e in once_more.select("request")] == [["whole"], ["next"]]
    once_more.close()


def test_requests_survive_a_kill(tmp_path: Path) -> None:
    server = launch(tmp_path / "x", ["--speed", "lockstep", "--warmup-bars", "30", "--admin"])
    server.post("/paper/faults", {"name": "request_lost", "path": "/trade/order"})
    try:
        httpx.post(f"{server.rest_url}/api/v5/trade/order", json={"clOrdId": "lost"})
    except httpx.RemoteProtocolError:
        pass
    server.kill()
    server.restart()
    try:
        (entry,) = server.get("/paper/ledger", kind="fault")["entries"]
        assert entry["fault"] == "request_lost"
    finally:
        server.stop()


def script(folder: Path) -> list[tuple[Any, ...]]:
    """Orders under faults that come by chance, and bars between them: what the ledger says of it, times left out."""
    server = launch(folder, ["--speed", "lockstep", "--warmup-bars", "30", "--admin", "--seed", "5"])
    keys = server.account
    client = TradeAPI(keys["api_key"], keys["secret_key"], keys["passphrase"], flag="1", domain=server.rest_url)
    try:
        for name in ("50004", "51149", "http_502_html"):
            server.post("/paper/faults", {"name": name, "placed": True, "probability": 0.3, "count": 0})
            server.post("/paper/faults", {"name": name, "probability": 0.2, "count": 0, "path": "/trade/order"})
        for number in range(30):
            with contextlib.suppress(ValueError):  # HTML is no JSON
                client.place_order("BTC-USDT-SWAP", "isolated", "buy", "market", "1", clOrdId=f"s{number}")
            server.advance()
        server.clear_faults()
        entries = server.get("/paper/ledger")["entries"]
    finally:
        client.close()
        server.stop()
    return [
        (e["kind"], e.get("market_ms"), e.get("code"), e.get("fault"), e.get("body"), str(e.get("results")))
        for e in entries
    ]


def test_same_script_and_seed_leave_the_same_ledger(tmp_path: Path) -> None:
    first = script(tmp_path / "a")
    assert first == script(tmp_path / "b")
    assert {entry[3] for entry in first} >= {"", "50004", "51149", "http_502_html"}
