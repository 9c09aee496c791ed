"""Faults on order: each does to a client exactly what its name says, and the ledger knows better."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websocket

from paper.launch import ExchangeProcess

BTC = "BTC-USDT-SWAP"
ORDER = "/api/v5/trade/order"


@pytest.fixture(autouse=True)
def _clean(exchange_server: ExchangeProcess) -> Iterator[None]:
    yield
    exchange_server.clear_faults()


def plan(server: ExchangeProcess, **fault: Any) -> None:
    answer = server.post("/paper/faults", fault)
    assert "fault" in answer, answer


def buy(clients: dict[str, Any], cl_ord_id: str) -> Any:
    return clients["trade"].place_order(BTC, "isolated", "buy", "market", "1", clOrdId=cl_ord_id)


def known(clients: dict[str, Any], cl_ord_id: str) -> bool:
    return clients["trade"].get_order(BTC, clOrdId=cl_ord_id)["code"] == "0"


@pytest.mark.parametrize("name, placed", [("reply_lost_after_accept", True), ("request_lost", False)])
def test_connection_is_cut_before_or_after_acceptance(
    exchange_server: ExchangeProcess, clients: dict[str, Any], name: str, placed: bool
) -> None:
    plan(exchange_server, name=name, path=ORDER)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        buy(clients, f"cut{placed}")
    assert known(clients, f"cut{placed}") is placed
    entries = exchange_server.get("/paper/ledger", clOrdId=f"cut{placed}")["entries"]
    assert [entry["fault"] for entry in entries] == ([name] if placed else [])


def test_late_reply_outlasts_the_clients_patience(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    plan(exchange_server, name="reply_delayed", path=ORDER, seconds=1.0)
    clients["trade"].timeout = httpx.Timeout(0.3)
    with pytest.raises(httpx.ReadTimeout):
        buy(clients, "late1")
    clients["trade"].timeout = httpx.Timeout(10)
    assert known(clients, "late1")


@pytest.mark.parametrize("code", ["50001", "50004", "50013", "50026", "51149"])
@pytest.mark.parametrize("placed", [True, False])
def test_codes_that_mean_neither_yes_nor_no(
    exchange_server: ExchangeProcess, clients: dict[str, Any], code: str, placed: bool
) -> None:
    plan(exchange_server, name="code", code=code, path=ORDER, placed=placed)
    assert buy(clients, f"c{code}{placed}")["code"] == code
    assert known(clients, f"c{code}{placed}") is placed


def test_html_instead_of_json(exchange_server: ExchangeProcess) -> None:
    plan(exchange_server, name="http_502_html", path="/api/v5/public/time", count=2)
    url = f"{exchange_server.rest_url}/api/v5/public/time"
    answers = [httpx.get(url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [502, 502, 200]
    assert answers[0].text.startswith("<html>")


def test_dropped_and_silent_sockets(exchange_server: ExchangeProcess) -> None:
    dropped = websocket.create_connection(f"{exchange_server.ws_url}/public", timeout=5)
    silent = websocket.create_connection(f"{exchange_server.ws_url}/business", timeout=0.4)
    plan(exchange_server, name="ws_drop", path="public")
    plan(exchange_server, name="ws_silent", path="business")
    assert dropped.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
    silent.send("ping")
    with pytest.raises(websocket.WebSocketTimeoutException):
        silent.recv()
    dropped.close()
    silent.close()


def test_unknown_fault_is_refused_by_name(exchange_server: ExchangeProcess) -> None:
    assert "known are" in exchange_server.post("/paper/faults", {"name": "earthquake"})["error"]


def test_expired_request_is_refused_before_anything_happens(
    exchange_server: ExchangeProcess, clients: dict[str, Any]
) -> None:
    clients["trade"].headers["expTime"] = str(int(time.time() * 1000) - 1)  # noqa: TID251 - a client's own clock
    assert buy(clients, "expired1")["code"] == "50036"
    clients["trade"].headers["expTime"] = str(int(time.time() * 1000) + 3000)  # noqa: TID251
    assert buy(clients, "intime1")["code"] == "0"
    assert not known(clients, "expired1")
