"""OKX rows become typed reports; a blank is None where OKX means "not applicable", and refused everywhere else."""

from decimal import Decimal
from typing import Any

import pytest

from exchange import parse_account, parse_market, parse_orders
from exchange.errors import ReadFailed

ORDER: dict[str, Any] = {
    "instId": "BTC-USDT-SWAP", "ordId": "1", "clOrdId": "c1", "state": "live", "side": "buy", "ordType": "limit",
    "sz": "2", "accFillSz": "0", "avgPx": "", "px": "60000", "fee": "0", "pnl": "0", "reduceOnly": "false",
    "cancelSource": "", "source": "", "category": "normal", "cTime": "1700000000000", "uTime": "1700000000001",
    "attachAlgoOrds": [], "tradeId": "",
}  # fmt: skip
POSITION: dict[str, Any] = {
    "instId": "BTC-USDT-SWAP", "posId": "9", "mgnMode": "isolated", "posSide": "net", "pos": "-2", "avgPx": "60000",
    "markPx": "59990", "upl": "0.2", "lever": "3", "margin": "400", "imr": "", "liqPx": "", "realizedPnl": "-0.5",
    "fee": "-0.5", "fundingFee": "0", "cTime": "1700000000000", "uTime": "1700000000001",
}  # fmt: skip
ALGO: dict[str, Any] = {
    "instId": "BTC-USDT-SWAP", "algoId": "5", "algoClOrdId": "a1", "ordType": "oco", "side": "sell", "state": "live",
    "sz": "", "closeFraction": "1", "reduceOnly": "true", "slTriggerPx": "58000", "tpTriggerPx": "",
    "actualSide": "", "failCode": "", "ordId": "", "cTime": "1700000000000", "uTime": "",
}  # fmt: skip


def test_unfilled_order_has_no_average_price() -> None:
    assert parse_orders.order(ORDER).avg_px is None
    assert parse_orders.order({**ORDER, "avgPx": "0"}).avg_px is None  # as the channel writes it


def test_attached_stop_that_failed_is_told() -> None:
    attached = [{"failCode": ""}, {"failCode": "0"}, {"failCode": "51277"}]
    assert parse_orders.order({**ORDER, "attachAlgoOrds": attached}).attached_fail_codes == ("51277",)


def test_push_without_a_trade_carries_no_fill() -> None:
    assert parse_orders.fill_of_push(ORDER) is None


def test_fee_of_a_pushed_fill_is_that_fills_not_the_orders() -> None:
    push = {
        **ORDER, "tradeId": "77", "fillSz": "1", "fillPx": "60000", "fee": "-9", "fillFee": "-0.3",
        "fillFeeCcy": "USDT", "fillPnl": "0", "execType": "T", "fillTime": "1700000000002",
    }  # fmt: skip
    fill = parse_orders.fill_of_push(push)
    assert fill is not None
    assert (fill.trade_id, fill.fee, fill.sz_contracts, fill.bill_id) == ("77", Decimal("-0.3"), Decimal(1), "")


def test_whole_position_stop_has_no_size() -> None:
    report = parse_orders.algo(ALGO)
    assert (report.sz_contracts, report.close_fraction, report.reduce_only) == (None, Decimal(1), True)
    assert (report.stop_loss_px, report.take_profit_px, report.updated_at) == (Decimal(58000), None, None)


def test_short_position_is_negative_and_may_have_no_liquidation_price() -> None:
    report = parse_account.position(POSITION)
    assert (report.contracts, report.liq_px, report.margin) == (Decimal(-2), None, Decimal(400))
    hedge = parse_account.position({**POSITION, "posSide": "short", "pos": "2"})
    assert hedge.contracts == Decimal(-2)


def test_cross_position_states_its_initial_margin() -> None:
    cross = {**POSITION, "mgnMode": "cross", "margin": "", "imr": "399.5"}
    assert parse_account.position(cross).margin == Decimal("399.5")


@pytest.mark.parametrize("field", ["pos", "avgPx", "markPx", "lever", "margin", "uTime", "instId"])
def test_position_with_a_blank_is_refused(field: str) -> None:
    with pytest.raises(ReadFailed, match=f"missing field {field}"):
        parse_account.position({**POSITION, field: ""})


@pytest.mark.parametrize("pos", ["", None, "abc", "NaN"])
def test_position_without_a_size_is_not_flat(pos: str | None) -> None:
    with pytest.raises(ReadFailed):
        parse_account.is_flat({**POSITION, "pos": pos})


@pytest.mark.parametrize("field", ["state", "sz", "accFillSz", "fee", "ordId", "cTime"])
def test_order_with_a_blank_is_refused(field: str) -> None:
    with pytest.raises(ReadFailed, match=f"missing field {field}"):
        parse_orders.order({**ORDER, field: ""})


def test_account_without_usdt_is_not_worth_zero() -> None:
    with pytest.raises(ReadFailed, match="no USDT"):
        parse_account.balance({"uTime": "1700000000000", "details": [{"ccy": "BTC", "eq": "1"}]})


@pytest.mark.parametrize(
    "row",
    [
        ["1700000000000", "1", "2", "0.5", "1.5", "10", "0.1", "15"],
        ["", "1", "2", "0.5", "1.5", "10", "0.1", "15", "1"],
        ["9" * 25, "1", "2", "0.5", "1.5", "10", "0.1", "15", "1"],
        ["1700000000000", "1", "2", "0.5", "", "10", "0.1", "15", "1"],
        ["1700000000000", "1", "Infinity", "0.5", "1.5", "10", "0.1", "15", "1"],
        None, 7, {"ts": "1"}, "123456789",
    ],
    ids=["short", "no_time", "no time that can be", "no_close", "infinite", "null", "number", "object", "text"],
)  # fmt: skip
def test_malformed_candle_is_refused(row: Any) -> None:
    with pytest.raises(ReadFailed):
        parse_market.candle("BTC-USDT-SWAP", "5m", row)


def test_coin_margined_contract_is_refused() -> None:
    with pytest.raises(ReadFailed, match="not a linear swap settled in USDT"):
        parse_market.instrument({"instId": "BTC-USD-SWAP", "ctType": "inverse", "settleCcy": "BTC"})


def test_fees_are_turned_positive() -> None:
    assert parse_market.fee_rates({"makerU": "-0.0002", "takerU": "-0.0005"}).taker == Decimal("0.0005")
