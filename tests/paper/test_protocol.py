"""Pages, windows, limits and arrays, as the documentation has them."""

from typing import Any

import pytest

from paper.exchange import Exchange
from paper.market.bars import grid
from paper.options import PaperOptions
from tests.paper.in_process import BTC, Client

SWAP = f"instType=SWAP&instId={BTC}"


@pytest.fixture(scope="module")
def client() -> Client:
    return Client()


def ask(client: Client, path: str) -> Any:
    answer = client.send("GET", path)[1]
    assert answer["code"] == "0", answer
    return answer["data"]


def test_trade_history_pages_by_id_and_by_time(client: Client) -> None:
    newest = ask(client, f"market/history-trades?instId={BTC}&limit=100")
    older = ask(client, f"market/history-trades?instId={BTC}&limit=100&after={newest[-1]['tradeId']}")
    ids = [int(row["tradeId"]) for row in newest + older]
    assert ids == list(range(ids[0], ids[0] - 200, -1))
    by_time = ask(client, f"market/history-trades?instId={BTC}&limit=100&type=2&after={newest[-1]['ts']}")
    assert by_time == older
    since = ask(client, f"market/history-trades?instId={BTC}&type=2&before={newest[3]['ts']}")
    assert since == newest[:3]


def test_mark_and_index_have_candles_of_their_own(client: Client) -> None:
    last = ask(client, f"market/candles?instId={BTC}&bar=5m&limit=10")
    mark = ask(client, f"market/mark-price-candles?instId={BTC}&bar=5m&limit=10")
    index = ask(client, "market/index-candles?instId=BTC-USDT&bar=5m&limit=10")
    assert [row[0] for row in last] == [row[0] for row in mark] == [row[0] for row in index]
    assert mark != index
    assert [row[1:5] for row in mark] != [row[1:5] for row in last]
    for row in mark + index:
        assert len(row) == 6
        assert float(row[3]) <= float(row[1]) <= float(row[2])
        assert float(row[3]) <= float(row[4]) <= float(row[2])
    assert client.send("GET", "market/index-candles?instId=BTC-EUR")[1]["code"] == "51001"


def test_recent_candles_end_where_history_begins(client: Client) -> None:
    newest = int(ask(client, f"market/candles?instId={BTC}&bar=1m&limit=1")[0][0])
    far = newest - 1500 * 60_000
    assert ask(client, f"market/candles?instId={BTC}&bar=1m&after={far}") == []
    assert len(ask(client, f"market/history-candles?instId={BTC}&bar=1m&after={far}&limit=300")) == 300


def test_depth_of_books(client: Client) -> None:
    assert len(ask(client, f"market/books?instId={BTC}")[0]["asks"]) == 1
    assert len(ask(client, f"market/books?instId={BTC}&sz=400")[0]["bids"]) == 400
    assert {len(level) for level in ask(client, f"market/books-full?instId={BTC}&sz=10")[0]["asks"]} == {3}
    assert client.send("GET", f"market/books?instId={BTC}&sz=401")[1]["code"] == "51000"


def test_bills_and_fills_page_backwards_and_by_time() -> None:
    client = Client()
    for number in range(6):
        client.place(side="sell" if number % 2 else "buy")
        client.exchange.advance(1)
    for path in ("account/bills", "account/bills-archive", "trade/fills", "trade/fills-history?instType=SWAP"):
        glue = "&" if "?" in path else "?"
        rows = ask(client, path)
        two = ask(client, f"{path}{glue}limit=2")
        assert two == rows[:2]
        assert ask(client, f"{path}{glue}limit=2&after={two[-1]['billId']}") == rows[2:4]
        assert ask(client, f"{path}{glue}before={rows[2]['billId']}") == rows[:2]
        assert ask(client, f"{path}{glue}begin={rows[3]['ts']}&end={rows[1]['ts']}") == rows[1:4]


def test_windows_close_behind_what_is_old() -> None:
    client = Client()
    client.place()
    day = 288
    client.exchange.advance(4 * day)
    assert ask(client, "trade/fills") == []
    assert len(ask(client, "trade/fills-history?instType=SWAP")) == 1
    assert len(ask(client, "trade/orders-history?instType=SWAP")) == 1
    client.exchange.advance(4 * day)
    assert ask(client, "trade/orders-history?instType=SWAP") == []
    assert len(ask(client, "trade/orders-history-archive?instType=SWAP")) == 1
    assert "1" not in {row["type"] for row in ask(client, "account/bills")}
    assert "1" in {row["type"] for row in ask(client, "account/bills-archive?limit=100")}


@pytest.mark.parametrize(
    "path, code", [("batch-orders", "51111"), ("cancel-batch-orders", "51406"), ("amend-batch-orders", "51501")]
)
def test_batches_hold_twenty(client: Client, path: str, code: str) -> None:
    items = [{"instId": BTC, "ordId": "1"}] * 21
    assert client.send("POST", f"trade/{path}", items)[1]["code"] == code
    assert len(client.send("POST", f"trade/{path}", items[:20])[1]["data"]) == 20


def test_timers_are_per_tag_and_no_more_than_twenty() -> None:
    client = Client()
    for number in range(20):
        assert client.send("POST", "trade/cancel-all-after", {"timeOut": "60", "tag": f"t{number}"})[1]["code"] == "0"
    assert client.send("POST", "trade/cancel-all-after", {"timeOut": "60", "tag": "onemore"})[1]["code"] == "51071"
    assert client.send("POST", "trade/cancel-all-after", {"timeOut": 30})[1]["code"] == "0"
    assert client.send("POST", "trade/cancel-all-after", {"timeOut": "9"})[1]["code"] == "51000"
    px = client.away()
    client.place(ordType="limit", px=px, clOrdId="tagged", tag="t3")
    client.place(ordType="limit", px=px, clOrdId="plain")
    due = client.send("POST", "trade/cancel-all-after", {"timeOut": "10", "tag": "t3"})[1]["data"][0]["triggerTime"]
    client.exchange.fire_timers(int(due))
    states = {row["clOrdId"]: row["state"] for row in ask(client, "trade/orders-pending")}
    assert states == {"plain": "live"}
    (ended,) = ask(client, "trade/orders-history?instType=SWAP")
    assert (ended["clOrdId"], ended["cancelSource"]) == ("tagged", "20")


def test_sizes_on_offer_can_be_ordered(client: Client) -> None:
    row = ask(client, f"account/max-size?instId={BTC}&tdMode=isolated&leverage=10")[0]
    wide = ask(client, f"account/max-size?instId={BTC}&tdMode=isolated")[0]
    assert float(row["maxBuy"]) > 3 * float(wide["maxBuy"])
    ask_px = ask(client, f"market/ticker?instId={BTC}")[0]["askPx"]
    exact = ask(client, f"account/max-size?instId={BTC}&tdMode=isolated&px={ask_px}")[0]["maxBuy"]
    answer = client.place(ordType="ioc", px=ask_px, sz=exact)["data"][0]
    assert answer["sCode"] == "0"
    too_much = client.place(ordType="ioc", px=ask_px, sz=f"{float(exact) + 0.02:.2f}")["data"][0]
    assert too_much["sCode"] == "51008"


def test_buckets_are_per_instrument_and_a_batch_counts_its_orders() -> None:
    client = Client(rate_limits="on")
    orders = [{"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "0.005"}] * 20
    codes = [client.send("POST", "trade/batch-orders", orders)[1]["code"] for _ in range(16)]
    assert codes == ["1"] * 15 + ["50011"]
    other = [{**order, "instId": "SOL-USDT-SWAP"} for order in orders]
    assert client.send("POST", "trade/batch-orders", other)[1]["code"] == "1"
    single = [client.send("POST", "trade/batch-orders", orders[:1])[1]["code"] for _ in range(61)]
    assert single == ["1"] * 60 + ["50011"]
    assert client.place(sz="0.005")["code"] == "50011"


def test_account_may_place_and_amend_a_thousand_orders_in_two_seconds() -> None:
    from paper.errors import OkxError
    from paper.server.ratelimit import RateLimiter

    limiter = RateLimiter()
    for number in range(4):
        for _ in range(12):
            limiter.count_operation("1", "batch-orders", [{"instId": f"I{number}"}] * 20)
    limiter.count_operation("1", "batch-amend-orders", [{"instId": "I9"}] * 20)
    limiter.count_operation("1", "batch-orders", [{"instId": "I9"}] * 20)
    with pytest.raises(OkxError, match=r"^50061"):
        limiter.count_operation("1", "order", [{"instId": "I9"}])
    limiter.count_operation("1", "cancel-order", [{"instId": "I9"}])
    limiter.count_operation("2", "order", [{"instId": "I9"}])


def test_candles_of_every_bar_add_up_to_the_days_within() -> None:
    """A long bar holds the days within it: first open, highest, lowest, last close, sum of volumes."""
    exchange = Exchange(PaperOptions(speed="lockstep", warmup_bars=12 * 24 * 70, instruments=(BTC,)))
    market = exchange.market
    day = grid("1Dutc")
    assert day is not None
    days = market.candles(BTC, day, 300)
    for name in ("2Dutc", "3Dutc", "1Wutc", "1Mutc"):
        long = grid(name)
        assert long is not None
        bars = market.candles(BTC, long, 300)
        assert bars[1].confirmed, name
        inside = [d for d in days if bars[1].ts <= d.ts < bars[0].ts][::-1]
        assert (bars[1].open, bars[1].close) == (inside[0].open, inside[-1].close)
        assert (bars[1].high, bars[1].low) == (max(d.high for d in inside), min(d.low for d in inside))
        assert bars[1].volume == pytest.approx(sum(d.volume for d in inside))
