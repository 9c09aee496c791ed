"""Faults on order: each does to a client exactly what its name says, and the ledger knows better."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websocket

from paper.faults import MENU, FaultPlan
from paper.launch import ExchangeProcess
from paper.reference import DOCUMENT, with_tables

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


def test_reset_connection_is_a_tcp_reset(exchange_server: ExchangeProcess) -> None:
    plan(exchange_server, name="connection_reset", path="/api/v5/public/time")
    with socket.create_connection(("127.0.0.1", exchange_server.port), timeout=5) as raw:
        raw.sendall(b"GET /api/v5/public/time HTTP/1.1\r\nhost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            raw.recv(100)


def test_expired_timestamp_comes_without_data(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    plan(exchange_server, name="50102", path="account/balance")
    assert clients["account"].get_account_balance() == {"code": "50102", "msg": "Timestamp request expired."}


def test_rate_limit_comes_in_both_forms(exchange_server: ExchangeProcess) -> None:
    url = f"{exchange_server.rest_url}/api/v5/public/time"
    plan(exchange_server, name="50011", path="public/time")
    plan(exchange_server, name="50011", path="public/time", status=200)
    answers = [httpx.get(url) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 200]
    assert {answer.json()["code"] for answer in answers} == {"50011"}


def test_fault_strikes_only_its_target_and_lasts_until_cleared(exchange_server: ExchangeProcess) -> None:
    plan(exchange_server, name="http_502_html", path="public/time$", count=0)
    statuses = [httpx.get(f"{exchange_server.rest_url}/api/v5/public/time").status_code for _ in range(5)]
    assert statuses == [502] * 5
    assert httpx.get(f"{exchange_server.rest_url}/api/v5/market/tickers?instType=SWAP").status_code == 200
    exchange_server.clear_faults()
    assert httpx.get(f"{exchange_server.rest_url}/api/v5/public/time").status_code == 200


def test_a_fault_may_let_events_pass_first() -> None:
    waiting = FaultPlan()
    waiting.add({"name": "50001", "path": "/trade/", "skip": 2})
    assert waiting.take("request", "/api/v5/public/time") is None  # no event of this fault's
    assert [waiting.take("request", ORDER) is not None for _ in range(4)] == [False, False, True, False]


def test_probability_is_drawn_from_the_seed() -> None:
    def strikes(seed: int) -> list[bool]:
        waiting = FaultPlan(seed)
        waiting.add({"name": "50001", "probability": 0.3, "count": 0})
        return [waiting.take("request", ORDER) is not None for _ in range(200)]

    assert strikes(7) == strikes(7) != strikes(8)
    assert 30 < sum(strikes(7)) < 90


def test_partial_fill_leaves_the_rest_of_a_limit_order_resting(
    exchange_server: ExchangeProcess, clients: dict[str, Any]
) -> None:
    last = float(clients["market"].get_ticker(BTC)["data"][0]["last"])
    plan(exchange_server, name="partial_fill", path=ORDER, share=0.25)
    clients["trade"].place_order(BTC, "isolated", "buy", "limit", "4", px=f"{last * 1.005:.1f}", clOrdId="part1")
    (order,) = clients["trade"].get_order(BTC, clOrdId="part1")["data"]
    assert (order["state"], order["accFillSz"]) == ("partially_filled", "1")
    exchange_server.advance()
    (order,) = clients["trade"].get_order(BTC, clOrdId="part1")["data"]
    assert order["state"] == "filled"


def test_candle_gap_in_history(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    def stamps() -> list[str]:
        return [row[0] for row in clients["market"].get_candlesticks(BTC, bar="5m", limit="5")["data"] if row[8] == "1"]

    whole = stamps()
    plan(exchange_server, name="candle_gap_history", path="market/candles")
    assert stamps() == whole[1:]
    assert stamps() == whole


def test_skewed_clock_refuses_signatures_until_mended(
    exchange_server: ExchangeProcess, clients: dict[str, Any]
) -> None:
    true_ms = exchange_server.get("/paper/clock")["wall_ms"]
    plan(exchange_server, name="clock_skew", seconds=40)
    theirs = int(exchange_server.get("/api/v5/public/time")["data"][0]["ts"])
    assert 39_000 < theirs - true_ms < 45_000
    assert clients["account"].get_account_balance()["code"] == "50102"
    plan(exchange_server, name="clock_skew", seconds=0)
    assert clients["account"].get_account_balance()["code"] == "0"


def test_request_that_never_arrived_is_in_the_ledger_as_a_fault(
    exchange_server: ExchangeProcess, clients: dict[str, Any]
) -> None:
    plan(exchange_server, name="50004", path=ORDER)
    assert buy(clients, "never1")["code"] == "50004"
    entry = exchange_server.get("/paper/ledger", kind="fault")["entries"][-1]
    assert (entry["fault"], entry["path"], entry["carried_out"]) == ("50004", ORDER, False)
    assert '"never1"' in entry["body"]


def test_admin_port_alone_orders_faults(exchange_server: ExchangeProcess) -> None:
    for method, path in (("POST", "faults"), ("GET", "faults"), ("GET", "ledger"), ("GET", "audit"), ("GET", "info")):
        answer = httpx.request(method, f"{exchange_server.rest_url}/paper/{path}")
        assert answer.status_code == 404
    assert httpx.get(f"{exchange_server.rest_url}/paper/clock").json()["admin_port"] == exchange_server.admin_port
    assert httpx.get(f"{exchange_server.admin_url}/api/v5/public/time").status_code == 404
    names = [entry["name"] for entry in exchange_server.get("/paper/menu")["menu"]]
    assert names == list(MENU)


@pytest.mark.parametrize(
    "body, field",
    [
        ({"name": "push_late", "seconds": -1}, "seconds"),
        ({"name": "push_late", "seconds": "1"}, "seconds"),
        ({"name": "50001", "probability": 1.5}, "probability"),
        ({"name": "50001", "count": True}, "count"),
        ({"name": "request_lost", "placed": True}, "placed"),
        ({"name": "code"}, "code"),
        ({"name": "code", "code": "1"}, "code"),
        ({"name": "50001", "pth": "x"}, "pth"),
    ],
)
def test_fault_with_a_wrong_field_is_refused(
    exchange_server: ExchangeProcess, body: dict[str, Any], field: str
) -> None:
    assert exchange_server.post("/paper/faults", body) == {"error": f"Parameter {field}  error"}


def test_document_shows_the_menu_as_it_is() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run `make docs`"


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
