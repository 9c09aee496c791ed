"""Whatever arrives, the answer is OKX's code and message, and the exchange goes on."""

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper.exchange import Exchange
from paper.launch import ExchangeProcess
from paper.options import PaperOptions
from paper.server.auth import sign
from paper.server.rest import ROUTES, Reply, Rest
from paper.store.credentials import IN_PROCESS

MUTATIONS = sorted(path for (method, path), route in ROUTES.items() if method == "POST")
READS = sorted(path for (method, path), route in ROUTES.items() if method == "GET")


def stamp(shift: float = 0.0) -> str:
    at = datetime.fromtimestamp(time.time() + shift, UTC)  # noqa: TID251 - a client signs with its own clock
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def signed(rest: Rest, method: str, target: str, body: bytes = b"", shift: float = 0.0, **headers: str) -> Reply:
    at = stamp(shift)
    given_ = {
        "ok-access-key": IN_PROCESS.api_key,
        "ok-access-passphrase": IN_PROCESS.passphrase,
        "ok-access-timestamp": at,
        "ok-access-sign": sign(IN_PROCESS.secret_key, at.encode() + method.encode() + target.encode() + body),
        "content-type": "application/json",
        **headers,
    }
    return rest.handle(method, target.encode(), given_, body)


@pytest.fixture(scope="module")
def rest() -> Rest:
    return Rest(Exchange(PaperOptions(speed="lockstep", warmup_bars=300)))


def code(reply: Reply) -> str:
    return str(orjson.loads(reply.body)["code"])


@pytest.mark.parametrize(
    "headers, status, expected",
    [
        ({"ok-access-key": ""}, 401, "50103"),
        ({"ok-access-passphrase": ""}, 401, "50104"),
        ({"ok-access-sign": ""}, 401, "50106"),
        ({"ok-access-timestamp": ""}, 401, "50107"),
        ({"ok-access-timestamp": "yesterday"}, 401, "50112"),
        ({"ok-access-sign": "AAAA"}, 401, "50113"),
    ],
)
def test_signature_faults(rest: Rest, headers: dict[str, str], status: int, expected: str) -> None:
    reply = signed(rest, "GET", "/api/v5/account/balance", **headers)
    assert (reply.status, code(reply)) == (status, expected)


@pytest.mark.parametrize("shift", [-40, 40])
def test_clock_too_far_off_is_refused(rest: Rest, shift: float) -> None:
    assert code(signed(rest, "GET", "/api/v5/account/balance", shift=shift)) == "50102"
    assert code(signed(rest, "GET", "/api/v5/account/balance", shift=shift / 2)) == "0"


def test_signature_covers_the_query_as_sent(rest: Rest) -> None:
    assert code(signed(rest, "GET", "/api/v5/account/positions?instType=SWAP&instId=BTC-USDT-SWAP")) == "0"
    assert code(signed(rest, "GET", "/api/v5/account/balance?ccy=USDT%2CBTC")) == "0"


@pytest.mark.parametrize(
    "body, headers, expected",
    [
        (b"", {}, "50000"),
        (b"{", {}, "50002"),
        (b"[1]", {}, "50002"),
        (b"{}", {"content-type": "text/plain"}, "50006"),
        (b"null", {}, "50002"),
        (b'{"a": NaN}', {}, "50002"),
        (b'{"clOrdId": "\\ud800"}', {}, "50002"),
        (b'{"a": %b}' % (b"[" * 40 + b"]" * 40), {}, "50002"),
        (b'{"a": %b}' % (b"[" * 300 + b"]" * 300), {}, "50002"),
        (b'{"a": %b}' % (b"[" * 100_000 + b"]" * 100_000), {}, "50002"),
        (b"{}", {"exptime": "1"}, "50036"),
        (b"{}", {"exptime": "9" * 5000}, "51000"),
        (b"{}", {"exptime": "1_0"}, "51000"),
    ],
)
def test_bodies_that_cannot_be_read(rest: Rest, body: bytes, headers: dict[str, str], expected: str) -> None:
    assert code(signed(rest, "POST", "/api/v5/trade/order", body, **headers)) == expected


@pytest.mark.parametrize(
    "sz",
    ["1_0", "\uff11", "\u0661", " 1", "1 ", "0x1", "1,0", "NaN", "Infinity", "1e400", "9" * 5000, "--1", ".", True],
)
def test_what_only_looks_like_a_number_is_refused(rest: Rest, sz: Any) -> None:
    order = {"instId": "BTC-USDT-SWAP", "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": sz}
    (row,) = orjson.loads(signed(rest, "POST", "/api/v5/trade/order", orjson.dumps(order)).body)["data"]
    assert (row["sCode"], row["sMsg"], row["ordId"]) == ("51000", "Parameter sz  error", "")


@pytest.mark.parametrize("value", ["1_0", "%2B5", "%D9%A3", "1.5", "1e3", "9" * 20, "9" * 5000])
@pytest.mark.parametrize(
    "path", ["trade/fills?after=", "account/bills?before=", "market/candles?instId=BTC-USDT-SWAP&limit="]
)
def test_page_that_is_no_number_is_refused(rest: Rest, path: str, value: str) -> None:
    assert code(signed(rest, "GET", f"/api/v5/{path}{value}")) == "51000"


@pytest.mark.parametrize("value", ["9" * 19, "-" + "9" * 19, "0"])
@pytest.mark.parametrize("path", [path for path in READS if "candles" in path or "trades" in path or "history" in path])
def test_page_far_from_everything_is_empty_or_whole(rest: Rest, path: str, value: str) -> None:
    index = "BTC-USDT" if "index" in path else "BTC-USDT-SWAP"
    more = f"instId={index}&instType=SWAP&ordType=oco&state=canceled&type=2"
    for name in ("after", "before"):
        assert code(signed(rest, "GET", f"{path}?{more}&{name}={value}")) in ("0", "51000")


@pytest.mark.parametrize("path", ["trade/amend-order", "trade/cancel-order", "trade/cancel-algos", "trade/amend-algos"])
def test_change_that_names_no_instrument_is_refused(rest: Rest, path: str) -> None:
    body = {"ordId": "1", "algoId": "1", "newSz": "1"}
    (row,) = orjson.loads(signed(rest, "POST", f"/api/v5/{path}", orjson.dumps(body)).body)["data"]
    assert (row["sCode"], row["sMsg"]) == ("51000", "Parameter instId  error")


def test_unknown_path_and_wrong_method(rest: Rest) -> None:
    assert rest.handle("GET", b"/api/v5/nothing", {}).status == 404
    assert (rest.handle("DELETE", b"/api/v5/trade/order", {}).status) == 405


attached = st.dictionaries(st.sampled_from(["slTriggerPx", "slOrdPx", "sz"]), st.text(max_size=6))
words = st.one_of(
    st.sampled_from(
        ["BTC-USDT-SWAP", "isolated", "cross", "buy", "sell", "market", "limit", "net", "true", "1", "-1", "0.01",
         "60000", "", "oco", "conditional", "SWAP", "5m", "ANY"]
    ),
    st.text(max_size=8), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(),
    st.lists(st.one_of(st.text(max_size=3), attached)),
)  # fmt: skip
names = st.sampled_from(
    ["instId", "tdMode", "mgnMode", "side", "ordType", "sz", "px", "lever", "clOrdId", "ordId", "algoId", "posSide",
     "reduceOnly", "closeFraction", "slTriggerPx", "slOrdPx", "tpTriggerPx", "attachAlgoOrds", "newSz", "newPx",
     "instType", "bar", "limit", "after", "before", "type", "amt", "timeOut", "posMode", "algoClOrdId", "state"]
)  # fmt: skip
objects = st.dictionaries(names, words, max_size=12)


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(MUTATIONS), body=st.one_of(objects, st.lists(objects, max_size=3)))
def test_no_body_breaks_the_exchange(rest: Rest, path: str, body: Any) -> None:
    try:
        raw = orjson.dumps(body)
    except TypeError:
        return  # integers beyond 64 bits cannot be sent by this encoder
    reply = signed(rest, "POST", path, raw)
    assert code(reply) != "50026", reply.body
    account = rest.exchange.engine.account(IN_PROCESS.uid)
    assert account.totals.wallet == account.cash + account.isolated_margin


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(READS), query=st.dictionaries(names, st.text(max_size=12), max_size=6))
def test_no_query_breaks_the_exchange(rest: Rest, path: str, query: dict[str, str]) -> None:
    target = f"{path}?{httpx.QueryParams(query)}"
    assert code(signed(rest, "GET", target)) != "50026"


def test_rate_limits_answer_50011_when_switched_on() -> None:
    exchange = Exchange(PaperOptions(speed="lockstep", warmup_bars=30, switches={"rate_limits": "on"}))
    limited = Rest(exchange)
    codes = [code(signed(limited, "GET", "/api/v5/account/config")) for _ in range(6)]
    assert codes == ["0"] * 5 + ["50011"]


def test_order_is_invisible_to_queries_for_the_switched_delay() -> None:
    switches = {"order_visibility_delay_ms": "20000"}
    limited = Rest(Exchange(PaperOptions(speed="lockstep", warmup_bars=30, switches=switches)))
    body = orjson.dumps(
        {"instId": "BTC-USDT-SWAP", "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": 1, "clOrdId": "v1"}
    )
    assert code(signed(limited, "POST", "/api/v5/trade/order", body)) == "0"
    query = "/api/v5/trade/order?instId=BTC-USDT-SWAP&clOrdId=v1"
    assert code(signed(limited, "GET", query)) == "51603"
    limited.exchange.skew_ms = 20_001  # wall time, as clients see it, passes
    assert code(signed(limited, "GET", query)) == "0"


def test_http_shell_survives_garbage(exchange_server: ExchangeProcess) -> None:
    for method, path, content in (
        ("POST", "/api/v5/trade/order", b"\xff\xfe"),
        ("PUT", "/api/v5/trade/order", b""),
        ("POST", "/paper/advance", b"[]"),
        ("POST", "/paper/advance", b'{"bars": -1}'),
        ("GET", "/paper/nothing", b""),
        ("GET", "/", b""),
        ("GET", "/api/v5/market/candles?instId=BTC-USDT-SWAP&bar=%00", b""),
    ):
        answer = httpx.request(method, f"{exchange_server.rest_url}{path}", content=content)
        assert 400 <= answer.status_code < 500
        assert answer.json()
    assert exchange_server.get("/api/v5/public/time")["code"] == "0"
    assert "Traceback" not in (exchange_server.data / "exchange.err").read_text()
