"""What OKX leaves open can be set either way, and each way does what its name says."""

from pathlib import Path
from typing import Any

import pytest
import websocket

from paper.errors import StartRefused
from paper.launch import launch
from paper.options import PaperOptions
from paper.switches import SWITCHES, parse_switches, switch_table
from tests.paper.in_process import Client
from tests.paper.test_websocket import Socket

BTC = "BTC-USDT-SWAP"
DOCUMENT = Path(__file__).parents[2] / "docs" / "paper-exchange.md"


@pytest.mark.parametrize("code", ["51016", "50071"])
def test_code_of_a_client_id_in_use(code: str) -> None:
    client = Client(duplicate_cl_ord_id=code)
    for expected in ("0", code):
        row = client.place(ordType="limit", px=client.away(), clOrdId="same")["data"][0]
        assert row["sCode"] == expected


@pytest.mark.parametrize("status, text", [("429", "Too Many Requests"), ("200", "Rate limit reached")])
def test_too_many_requests_are_told_in_either_form(status: str, text: str) -> None:
    client = Client(rate_limits="on", rate_limit_status=status)
    answers = [client.send("GET", "account/config") for _ in range(6)]
    assert [answer["code"] for _, answer in answers] == ["0"] * 5 + ["50011"]
    assert answers[-1][0] == int(status)
    assert answers[-1][1]["msg"].startswith(text)


def test_no_limit_where_limits_are_off() -> None:
    client = Client(rate_limits="off")
    assert {client.send("GET", "account/config")[1]["code"] for _ in range(30)} == {"0"}


@pytest.mark.parametrize("speed, limited", [(1, True), (0.5, True), (60, False), ("lockstep", False)])
def test_automatic_limits_apply_in_real_time_only(speed: Any, limited: bool) -> None:
    assert PaperOptions(speed=speed).rate_limited is limited


@pytest.mark.parametrize("words, text", [("recorded", "Invalid Sign"), ("documented", "Invalid signature.")])
def test_wording_of_a_refused_signature(words: str, text: str) -> None:
    status, answer = Client(auth_messages=words).send("GET", "account/balance", secret="wrong")
    assert (status, answer) == (401, {"msg": text, "code": "50113"})


@pytest.mark.parametrize("form", ["json", "html"])
def test_unknown_path(form: str) -> None:
    status, answer = Client(unknown_path=form).send("GET", "nowhere")
    assert status == 404
    assert isinstance(answer, bytes) == (form == "html")


@pytest.mark.parametrize("percent", ["2", "10"])
def test_width_of_the_price_band(percent: str) -> None:
    client = Client(price_band_percent=percent)
    row = client.send("GET", f"public/price-limit?instId={BTC}")[1]["data"][0]
    mark = float(client.send("GET", f"public/mark-price?instType=SWAP&instId={BTC}")[1]["data"][0]["markPx"])
    assert float(row["buyLmt"]) / mark - 1 == pytest.approx(int(percent) / 100, abs=1e-4)
    assert client.place(ordType="limit", px=row["buyLmt"])["data"][0]["sCode"] == "0"
    beyond = f"{float(row['buyLmt']) + 0.1:.1f}"
    assert client.place(ordType="limit", px=beyond)["data"][0]["sCode"] == "51006"


@pytest.mark.parametrize("kind, count", [("growing", 5), ("flat", 1)])
def test_position_tiers(kind: str, count: int) -> None:
    answer = Client(position_tiers=kind).send(
        "GET", "public/position-tiers?instType=SWAP&tdMode=cross&instFamily=BTC-USDT"
    )
    assert len(answer[1]["data"]) == count


@pytest.mark.parametrize("most", ["50", "35000"])
def test_largest_market_order_where_it_is_not_known(most: str) -> None:
    client = Client(max_mkt_sz=most)
    listed = {
        row["instId"]: row["maxMktSz"] for row in client.send("GET", "public/instruments?instType=SWAP")[1]["data"]
    }
    assert listed == {BTC: "12000", "SOL-USDT-SWAP": most}
    assert client.place(instId="SOL-USDT-SWAP", sz=f"{most}.01")["data"][0]["sCode"] == "51202"
    assert client.place(instId="SOL-USDT-SWAP", sz="20")["data"][0]["sCode"] == "0"


def test_acknowledged_order_is_invisible_for_a_while() -> None:
    for delay, code in (("0", "0"), ("60000", "51603")):
        client = Client(order_visibility_delay_ms=delay)
        client.place(clOrdId="mine")
        assert client.send("GET", f"trade/order?instId={BTC}&clOrdId=mine")[1]["code"] == code


@pytest.mark.parametrize("answer, code", [("accept", "0"), ("refuse", "51000")])
def test_attached_stops_on_fill_or_kill(answer: str, code: str) -> None:
    client = Client(fok_attached_stops=answer)
    stops = [{"slTriggerPx": client.away(), "slOrdPx": "-1"}]
    row = client.place(ordType="fok", px=client.away(1.001), attachAlgoOrds=stops)["data"][0]
    assert row["sCode"] == code


@pytest.mark.parametrize("value", ["true", "false"])
def test_attached_stop_can_or_cannot_open(value: str) -> None:
    client = Client(attached_reduce_only=value)
    client.place(attachAlgoOrds=[{"slTriggerPx": client.away(), "slOrdPx": "-1"}])
    (row,) = client.send("GET", "trade/orders-algo-pending?ordType=conditional")[1]["data"]
    assert row["reduceOnly"] == value


@pytest.mark.parametrize("kept, left", [("cancel", 0), ("keep", 1)])
def test_stops_after_an_offsetting_close(kept: str, left: int) -> None:
    client = Client(algos_after_close=kept)
    client.place(attachAlgoOrds=[{"slTriggerPx": client.away(), "slOrdPx": "-1"}])
    client.place(side="sell")
    assert len(client.send("GET", "trade/orders-algo-pending?ordType=conditional")[1]["data"]) == left


@pytest.mark.parametrize("kept, left", [("drop", 0), ("live", 1)])
def test_attached_stops_of_an_order_cancelled_half_filled(kept: str, left: int) -> None:
    """The book holds far less than the order; what it got is under a stop, or is not."""
    client = Client(attached_after_partial=kept)
    client.send("POST", "account/set-leverage", {"instId": BTC, "mgnMode": "isolated", "lever": "50"})
    client.exchange.command(client.exchange.uid, "thin_book", {"instId": BTC, "sz": "0.4"})
    stops = [{"slTriggerPx": client.away(), "slOrdPx": "-1"}]
    px = client.away(1.001)
    (row,) = client.place(ordType="limit", px=px, attachAlgoOrds=stops)["data"]
    order = client.send("GET", f"trade/order?instId={BTC}&ordId={row['ordId']}")[1]["data"][0]
    assert (order["state"], order["accFillSz"]) == ("partially_filled", "0.4")
    client.send("POST", "trade/cancel-order", {"instId": BTC, "ordId": row["ordId"]})
    alive = client.send("GET", "trade/orders-algo-pending?ordType=conditional")[1]["data"]
    assert [algo["sz"] for algo in alive] == ["0.4"] * left


@pytest.mark.parametrize("limits", ["on", "off"])
def test_sockets_an_address_may_open_in_a_second(tmp_path: Path, limits: str) -> None:
    server = launch(
        tmp_path, ["--speed", "lockstep", "--warmup-bars", "400", "--switch", f"rate_limits={limits}"]
    )  # fmt: skip
    opened, status = [], 0
    for _ in range(40):
        try:
            opened.append(websocket.create_connection(f"{server.ws_url}/public", timeout=10))
        except websocket.WebSocketBadStatusException as refused:
            status = refused.status_code
            break
    for socket in opened:
        socket.shutdown()
    server.stop()
    assert status == (429 if limits == "on" else 0)
    assert len(opened) >= 3


@pytest.mark.parametrize("first", ["orders", "positions"])
@pytest.mark.parametrize("timing", ["before_reply", "after_reply"])
def test_order_of_pushes_and_reply(tmp_path: Path, first: str, timing: str) -> None:
    switches = ["--switch", f"push_order={first}_first", "--switch", f"push_timing={timing}"]
    server = launch(tmp_path, ["--speed", "lockstep", "--warmup-bars", "400", *switches])
    socket = Socket(f"{server.ws_url}/private")
    assert socket.login(server.account)["code"] == "0"
    for channel in ("orders", "positions"):
        socket.subscribe(channel=channel, instType="SWAP")
    socket.until("positions")  # its snapshot
    order = {"instIdCode": 10459, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
    socket.send({"id": "1", "op": "order", "args": [order]})
    seen = []
    while not {"reply", "positions", "orders"} <= set(seen):
        message = socket.read()
        seen.append("reply" if message.get("op") == "order" else message.get("arg", {}).get("channel", ""))
    socket.close()
    server.stop()
    assert (seen.index("reply") == 0) == (timing == "after_reply")
    assert (seen.index("orders") < seen.index("positions")) == (first == "orders")


@pytest.mark.parametrize("served", ["accept", "refuse"])
def test_candles_on_the_public_socket(tmp_path: Path, served: str) -> None:
    server = launch(
        tmp_path, ["--speed", "lockstep", "--warmup-bars", "400", "--switch", f"candles_on_public={served}"]
    )
    socket = Socket(f"{server.ws_url}/public")
    socket.send({"op": "subscribe", "args": [{"channel": "candle5m", "instId": BTC}]})
    answer = socket.read()
    socket.close()
    server.stop()
    assert answer["event"] == ("subscribe" if served == "accept" else "error")


@pytest.mark.parametrize("greeting", ["changes_only", "list"])
def test_greeting_of_the_instruments_channel(tmp_path: Path, greeting: str) -> None:
    arguments = ["--speed", "lockstep", "--warmup-bars", "400", "--switch", f"instruments_greeting={greeting}"]
    server = launch(tmp_path, arguments)
    socket = Socket(f"{server.ws_url}/public")
    socket.send({"op": "subscribe", "args": [{"channel": "instruments", "instType": "SWAP"}]})
    socket.read()
    socket.send("ping")
    pushed = socket.read()
    socket.close()
    server.stop()
    assert (pushed == "pong") == (greeting == "changes_only")


@pytest.mark.parametrize(
    "given", ["nonsense=1", "push_order", "push_order=both", "price_band_percent=0", "price_band_percent=wide"]
)
def test_switch_that_makes_no_sense_is_refused(given: str) -> None:
    with pytest.raises(StartRefused, match="--switch"):
        parse_switches([given])


def test_every_switch_is_in_the_document() -> None:
    assert switch_table() in DOCUMENT.read_text(), "docs/paper-exchange.md: its table of switches is not switch_table()"
    assert all(switch.accepts(switch.default) for switch in SWITCHES.values())
