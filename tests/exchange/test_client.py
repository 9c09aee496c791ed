"""Reads and mutations on the real paper exchange."""

from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.client import OkxExchange
from exchange.errors import ReadFailed
from paper.launch import ExchangeProcess
from trading.clock import wall_now
from trading.orders import AlgoRequest, OrderRequest, OutcomeKind

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
ONE = Decimal("0.5")


def soon() -> object:
    return wall_now() + timedelta(seconds=3)


def entry(exchange: OkxExchange, cl_ord_id: str, *, protected: bool = True) -> OrderRequest:
    quote = exchange.ticker(BTC)
    assert quote.ask is not None
    return OrderRequest(
        BTC, "buy", "fok", ONE, cl_ord_id, "isolated",
        px=_tick(quote.ask * Decimal("1.0015")),
        stop_loss_px=_tick(quote.last * Decimal("0.98")) if protected else None,
        take_profit_px=_tick(quote.last * Decimal("1.03")) if protected else None,
        attach_algo_cl_ord_id=f"{cl_ord_id}x" if protected else None,
    )  # fmt: skip


def _tick(price: Decimal) -> Decimal:
    return price.quantize(Decimal("0.1"))


def sent(paper: ExchangeProcess, cl_ord_id: str) -> int:
    entries = paper.get("/paper/ledger", clOrdId=cl_ord_id)["entries"]
    return sum(1 for e in entries if e["kind"] == "request")


def test_instruments_are_read_with_their_arithmetic(exchange: OkxExchange) -> None:
    found = exchange.instruments([BTC, ETH])
    assert found[BTC].ct_val == Decimal("0.01")
    assert found[ETH].coin == "ETH"
    with pytest.raises(ReadFailed, match="does not list NOPE-USDT-SWAP"):
        exchange.instruments(["NOPE-USDT-SWAP"])


def test_account_is_read(exchange: OkxExchange) -> None:
    config, balance = exchange.account_config(), exchange.balance()
    assert (config.acct_lv, config.pos_mode) == ("2", "net_mode")
    assert balance.equity > 0
    assert exchange.fee_rate(BTC).taker == Decimal("0.0005")


def test_candles_come_newest_first_and_page_back(exchange: OkxExchange) -> None:
    first = exchange.candles(BTC, "5m", 50)
    older = exchange.candles(BTC, "5m", 50, after=first[-1].ts)
    opens = [candle.ts for candle in first + older]
    assert opens == sorted(opens, reverse=True)
    assert len(set(opens)) == 100
    assert older[0].closes_at == first[-1].ts


def test_market_is_read(exchange: OkxExchange) -> None:
    book, limits = exchange.book(BTC), exchange.limit_prices(BTC)
    assert book.bids[0].px < book.asks[0].px
    assert limits.sell_min < exchange.mark_price(BTC).px < limits.buy_max
    funding = exchange.funding_rate(BTC)
    assert funding.next_at > funding.at
    assert exchange.open_interest(BTC).contracts > 0


def test_order_is_born_protected_and_found_by_our_id(exchange: OkxExchange) -> None:
    outcome = exchange.place_order(entry(exchange, "born1"), soon())
    report = exchange.order(BTC, "born1")
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert report is not None
    assert (report.ord_id, report.state, report.acc_fill_sz_contracts) == (outcome.exchange_id, "filled", ONE)
    assert exchange.order_by_id(BTC, report.ord_id) == report
    (position,) = exchange.positions()
    assert (position.inst_id, position.contracts) == (BTC, ONE)
    (algo,) = exchange.algos_pending()
    assert (algo.algo_cl_ord_id, algo.state, algo.reduce_only) == ("born1x", "live", True)
    newest = exchange.last_fill(BTC)
    assert newest is not None
    assert (newest.ord_id, newest.fee_ccy) == (report.ord_id, "USDT")
    assert newest.fee < 0


def test_order_that_was_never_placed_does_not_exist(exchange: OkxExchange) -> None:
    assert exchange.order(BTC, "neverplaced") is None
    assert exchange.algo("neverplaced") is None


def test_position_level_stop_is_placed_moved_and_cancelled(exchange: OkxExchange) -> None:
    exchange.place_order(entry(exchange, "lvl1", protected=False), soon())
    last = exchange.ticker(BTC).last
    stop, target = _tick(last * Decimal("0.98")), _tick(last * Decimal("1.03"))
    placed = exchange.place_algo(AlgoRequest(BTC, "sell", "lvl1s", "isolated", stop, target))
    report = exchange.algo("lvl1s")
    assert report is not None
    assert (report.algo_id, report.ord_type, report.close_fraction) == (placed.exchange_id, "oco", Decimal(1))
    assert exchange.amend_algo(BTC, report.algo_id, stop - 5).kind is OutcomeKind.ACCEPTED
    moved = exchange.algo_by_id(report.algo_id)
    assert moved is not None
    assert (moved.stop_loss_px, moved.take_profit_px) == (stop - 5, target)
    assert exchange.cancel_algos([(BTC, report.algo_id)]).kind is OutcomeKind.ACCEPTED
    assert exchange.algos_pending() == []
    assert any(past.algo_id == report.algo_id for past in exchange.algo_history(BTC))


def test_position_is_closed_once(exchange: OkxExchange) -> None:
    exchange.place_order(entry(exchange, "cls1"), soon())
    assert exchange.close_position(BTC, "isolated", "cls1c").kind is OutcomeKind.ACCEPTED
    assert exchange.positions() == []
    again = exchange.close_position(BTC, "isolated", "cls1d")
    assert (again.kind, again.code) == (OutcomeKind.REJECTED, "51023")


def test_resting_order_is_listed_and_cancelled(exchange: OkxExchange) -> None:
    far = _tick(exchange.ticker(BTC).last * Decimal("0.97"))
    exchange.place_order(OrderRequest(BTC, "buy", "limit", ONE, "rest1", "isolated", far), soon())
    assert [order.cl_ord_id for order in exchange.orders_pending()] == ["rest1"]
    assert exchange.cancel_order(BTC, "rest1").kind is OutcomeKind.ACCEPTED
    assert exchange.orders_pending() == []
    assert exchange.cancel_order(BTC, "rest1").code == "51400"


def test_refusals_say_why(exchange: OkxExchange) -> None:
    late = exchange.place_order(entry(exchange, "late1"), wall_now() - timedelta(seconds=1))
    assert (late.kind, late.code) == (OutcomeKind.REJECTED, "50036")
    request = entry(exchange, "big1", protected=False)
    much = OrderRequest(BTC, "buy", "fok", Decimal(9000), "big1", "isolated", request.px)
    assert exchange.place_order(much, soon()).kind is OutcomeKind.REJECTED


def test_fills_and_bills_continue_after_what_is_known(exchange: OkxExchange) -> None:
    exchange.place_order(entry(exchange, "inc1"), soon())
    known_fill, known_bill = exchange.fills()[0], exchange.bills()[0]
    exchange.close_position(BTC, "isolated", "inc1c")
    assert [fill.cl_ord_id for fill in exchange.fills(after_bill_id=known_fill.bill_id)] == ["inc1c"]
    (bill,) = exchange.bills(since_bill_id=known_bill.bill_id)
    assert (bill.type, bill.inst_id) == ("2", BTC)


@pytest.mark.parametrize(
    ("fault", "arrived"),
    [
        ({"name": "reply_lost_after_accept"}, True),
        ({"name": "request_lost"}, False),
        ({"name": "http_502_html"}, None),
        ({"name": "code", "code": "50004", "placed": True}, True),
        ({"name": "code", "code": "50001", "placed": False}, False),
        ({"name": "code", "code": "51149", "placed": True}, True),
    ],
    ids=["reply_lost", "request_lost", "http_502", "50004_placed", "50001_not_placed", "51149_placed"],
)
def test_ambiguous_answer_is_unknown_and_never_sent_again(
    fault: dict[str, object], arrived: bool | None, paper: ExchangeProcess, exchange: OkxExchange, request: object
) -> None:
    cl_ord_id = f"amb{abs(hash(str(fault))) % 10**8}"
    order = entry(exchange, cl_ord_id)
    paper.post("/paper/faults", {**fault, "path": "/api/v5/trade/order", "count": 1})
    outcome = exchange.place_order(order, soon())
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert sent(paper, cl_ord_id) <= 1
    if arrived is not None:
        assert (exchange.order(BTC, cl_ord_id) is not None) is arrived


def test_read_survives_a_lost_reply(paper: ExchangeProcess, exchange: OkxExchange) -> None:
    paper.post("/paper/faults", {"name": "request_lost", "path": "/api/v5/account/balance", "count": 2})
    assert exchange.balance().equity > 0


def test_read_that_never_succeeds_raises(paper: ExchangeProcess, exchange: OkxExchange) -> None:
    paper.post("/paper/faults", {"name": "code", "code": "50026", "path": "/api/v5/account/positions", "count": 3})
    with pytest.raises(ReadFailed, match="positions: 50026"):
        exchange.positions()
