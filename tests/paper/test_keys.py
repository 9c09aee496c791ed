"""Keys: made beside a running exchange, for accounts of their own, with permissions that bind."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import websocket

from paper.errors import StartRefused
from paper.launch import ExchangeProcess, launch
from paper.store.credentials import KeyRing, create_key, load_or_create
from tests.paper.test_websocket import connected, login_message

BTC = "BTC-USDT-SWAP"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    started = launch(tmp_path_factory.mktemp("keys"), ["--speed", "lockstep", "--warmup-bars", "400"])
    yield started
    started.stop()


def clients(server: ExchangeProcess, path: Path | None = None) -> tuple[Any, Any]:
    """Trade and account client signing with a key's file, or with the first account's key."""
    from okx.Account import AccountAPI
    from okx.Trade import TradeAPI

    key = load_or_create(path or server.data / "account.json")
    arguments = {"api_key": key.api_key, "api_secret_key": key.secret_key, "passphrase": key.passphrase}
    more = {"flag": "1", "domain": server.rest_url}
    return TradeAPI(**arguments, **more), AccountAPI(**arguments, **more)


def test_new_key_opens_an_account_of_its_own_while_the_exchange_runs(server: ExchangeProcess) -> None:
    path = create_key(server.data, "second")
    assert path.stat().st_mode & 0o777 == 0o600
    trade, account = clients(server, path)
    assert account.get_account_balance()["data"][0]["totalEq"] == "10000"
    assert trade.place_order(BTC, "isolated", "buy", "market", "1")["code"] == "0"
    assert len(account.get_positions()["data"]) == 1
    _, first = clients(server)
    assert first.get_positions()["data"] == []


def test_read_only_key_reads_and_may_not_trade(server: ExchangeProcess) -> None:
    uid = load_or_create(server.data / "account.json").uid
    trade, account = clients(server, create_key(server.data, "reader", "read_only", uid))
    config = account.get_account_config()["data"][0]
    assert (config["uid"], config["perm"], config["label"]) == (uid, "read_only", "reader")
    assert trade.place_order(BTC, "isolated", "buy", "market", "1")["code"] == "50120"
    assert account.set_leverage("5", "isolated", instId=BTC)["code"] == "50120"
    assert trade.get_order_list()["code"] == "0"


def test_deleted_key_is_refused_at_once(server: ExchangeProcess) -> None:
    path = create_key(server.data, "gone")
    _, account = clients(server, path)
    assert account.get_account_config()["code"] == "0"
    path.unlink()
    assert account.get_account_config()["code"] == "50111"


def test_second_account_survives_a_kill(server: ExchangeProcess) -> None:
    path = create_key(server.data, "lasting")
    trade, account = clients(server, path)
    trade.place_order(BTC, "isolated", "sell", "market", "2")
    before = account.get_account_balance()["data"][0]["totalEq"]
    server.kill()
    server.restart()
    assert account.get_positions()["data"][0]["pos"] == "-2"
    assert account.get_account_balance()["data"][0]["totalEq"] == before


@pytest.mark.parametrize(
    "name, permissions, uid", [("no/slash", "trade", ""), ("one", "fly", ""), ("one", "", ""), ("one", "trade", "me")]
)
def test_key_that_makes_no_sense_is_refused(tmp_path: Path, name: str, permissions: str, uid: str) -> None:
    with pytest.raises(StartRefused):
        create_key(tmp_path, name, permissions, uid)


def test_unreadable_key_file_is_no_key_and_no_trouble(tmp_path: Path) -> None:
    good = create_key(tmp_path, "good")
    (tmp_path / "keys" / "bad.json").write_text("{")
    ring = KeyRing(tmp_path)
    assert load_or_create(good).api_key in ring
    assert len(ring) == 1
    with pytest.raises(StartRefused, match="a key of that name already"):
        create_key(tmp_path, "good")


def test_deleted_key_ends_its_sockets(server: ExchangeProcess) -> None:
    """Whoever logged in before the key was revoked trades no further, and is told why."""
    path = create_key(server.data, "leaving")
    keys = asdict(load_or_create(path))
    with connected(server, "private") as socket:
        assert socket.login(keys)["code"] == "0"
        path.unlink()
        socket.send({"id": "1", "op": "order", "args": [{"instIdCode": 10459, "tdMode": "cross", "side": "buy",
                     "ordType": "market", "sz": "1"}]})  # fmt: skip
        with pytest.raises((websocket.WebSocketConnectionClosedException, json.JSONDecodeError)):
            socket.read()
    entries = server.get("/paper/ledger", account=keys["uid"])["entries"]
    assert [entry for entry in entries if entry["kind"] == "request"] == []


def test_idle_socket_of_a_deleted_key_is_closed(server: ExchangeProcess) -> None:
    path = create_key(server.data, "sleeping")
    client = websocket.create_connection(f"{server.ws_url}/private", timeout=10)
    keys = asdict(load_or_create(path))
    client.send(json.dumps(login_message(keys)))
    assert json.loads(client.recv())["code"] == "0"
    path.unlink()
    opcode, frame = client.recv_data()
    assert (opcode, int.from_bytes(frame[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, 4007)
    assert frame[2:] == b"API key has been updated or deleted. Please reconnect."
    client.shutdown()


def test_read_only_key_may_not_trade_over_a_socket(server: ExchangeProcess) -> None:
    keys = asdict(load_or_create(create_key(server.data, "watcher", "read_only")))
    with connected(server, "private") as socket:
        assert socket.login(keys)["code"] == "0"
        socket.send({"id": "1", "op": "order", "args": [{"instIdCode": 10459}]})
        assert socket.read()["code"] == "50120"


@pytest.mark.parametrize("ip, rest, socket_code", [("127.0.0.1,10.0.0.1", "0", "0"), ("10.0.0.1", "50110", "60009")])
def test_key_bound_to_an_address_works_from_there_only(
    server: ExchangeProcess, ip: str, rest: str, socket_code: str
) -> None:
    path = create_key(server.data, f"bound{len(ip)}", ip=ip)
    _, account = clients(server, path)
    assert account.get_account_config()["code"] == rest
    with connected(server, "private") as socket:
        assert socket.login(asdict(load_or_create(path)))["code"] == socket_code
