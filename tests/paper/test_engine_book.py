"""Accounts in one book: who trades first, at which price, and never with oneself."""

from decimal import Decimal
from typing import Any

import pytest

from paper.engine.depth import best, depth
from paper.errors import OkxError

BTC = "BTC-USDT-SWAP"


def refused(code: str) -> Any:
    return pytest.raises(OkxError, match=f"^{code} ")


def joins(desk: Any, name: str, deposit: str = "1000000") -> Any:
    """A further account; returns a function that sends its commands."""
    desk.engine.create_account(name, Decimal(deposit))

    def send(command: str, **params: Any) -> Any:
        given = {"instId": BTC, **params}
        if command == "place":
            given = {"tdMode": "isolated", "ordType": "limit", "sz": "1", **given}
        result = desk.engine.command(name, command, given, desk.state.now_ms)
        return desk.state.accounts[name].orders.get(result.get("ordId", ""), result)

    return send


def test_taker_meets_the_better_priced_account_before_the_market(desk: Any) -> None:
    maker = joins(desk, "maker")("place", side="sell", px="60000.3", sz="0.4")
    taker = desk.order(desk.place(sz="1"))
    assert (maker.state, maker.avg_px) == ("filled", Decimal("60000.3"))
    assert taker.avg_px == (Decimal("60000.3") * Decimal("0.4") + Decimal("60000.6") * Decimal("0.6"))
    ours, theirs = desk.account.fills[0], desk.state.accounts["maker"].fills[0]
    assert (ours.trade_id, ours.exec_type, theirs.exec_type) == (theirs.trade_id, "T", "M")


def test_best_price_first_then_the_older_order(desk: Any) -> None:
    joined = {name: joins(desk, name) for name in ("late", "early", "better")}
    early = joined["early"]("place", side="sell", px="60000.4")
    late = joined["late"]("place", side="sell", px="60000.4")
    better = joined["better"]("place", side="sell", px="60000.2")
    desk.place(sz="1.5")
    assert (better.filled, early.filled, late.filled) == (Decimal(1), Decimal("0.5"), Decimal(0))


def test_smaller_size_keeps_the_place_in_the_queue_and_a_larger_one_loses_it(desk: Any) -> None:
    one, two = joins(desk, "one"), joins(desk, "two")
    first, second = one("place", side="sell", px="60000.3"), two("place", side="sell", px="60000.3")
    one("amend", ordId=first.ord_id, newSz="0.5")
    desk.place(sz="0.5")
    assert (first.filled, second.filled) == (Decimal("0.5"), 0)
    third = one("place", side="sell", px="60000.3")
    two("amend", ordId=second.ord_id, newSz="2")
    desk.place(sz="1")
    assert (third.filled, second.filled) == (Decimal(1), 0)


def test_resting_orders_are_seen_in_the_book(desk: Any) -> None:
    joins(desk, "maker")("place", side="buy", px="60000.5", sz="7")
    assert best(desk.state, BTC, "bids") == Decimal("60000.5")
    assert depth(desk.state, BTC, "bids", 2)[0] == (Decimal("60000.5"), Decimal(7), 1)
    prices = [px for px, _, _ in depth(desk.state, BTC, "bids", 50)]
    assert prices == sorted(prices, reverse=True)


def test_post_only_may_not_take_from_another_account(desk: Any) -> None:
    joins(desk, "maker")("place", side="sell", px="60000.3")
    order = desk.order(desk.place(ord_type="post_only", px="60000.3"))
    assert (order.state, order.cancel_source) == ("canceled", "31")


def test_fill_or_kill_counts_other_accounts(desk: Any) -> None:
    joins(desk, "maker")("place", side="sell", px="60000.3", sz="2")
    assert desk.order(desk.place(ord_type="fok", px="60000.4", sz="2.01")).state == "canceled"
    assert desk.order(desk.place(ord_type="fok", px="60000.4", sz="2")).state == "filled"


@pytest.mark.parametrize(
    "mode, maker_state, taker_state",
    [
        ("cancel_maker", "canceled", "filled"),
        ("cancel_taker", "live", "canceled"),
        ("cancel_both", "canceled", "canceled"),
    ],
)
def test_account_never_trades_with_itself(desk: Any, mode: str, maker_state: str, taker_state: str) -> None:
    maker = desk.order(desk.place("sell", ord_type="limit", px="60000.4"))
    taker = desk.order(desk.place(ord_type="limit", px="60000.6", stpMode=mode))
    assert (maker.state, taker.state) == (maker_state, taker_state)
    assert {o.cancel_source for o in (maker, taker) if o.state == "canceled"} == {"32"}
    assert maker.filled == 0


def test_optimal_limit_ioc_takes_the_best_price_only(desk: Any) -> None:
    joins(desk, "maker")("place", side="sell", px="60000.3", sz="0.4")
    order = desk.order(desk.place(ord_type="optimal_limit_ioc", sz="1"))
    assert (order.state, order.filled, order.avg_px) == ("canceled", Decimal("0.4"), Decimal("60000.3"))


def test_reduce_only_maker_never_opens(desk: Any) -> None:
    maker = joins(desk, "maker")
    maker("place", side="buy", ordType="market")
    target = maker("place", side="sell", px="60000.5", sz="1", reduceOnly="true")
    maker("place", side="sell", ordType="market", sz="0.6")
    assert (target.sz, target.amend_source) == (Decimal("0.4"), "4")
    desk.place(sz="1")
    assert target.filled == Decimal("0.4")
    assert desk.state.accounts["maker"].position(BTC, "isolated") is None


def test_failed_amendment_changes_nothing_unless_asked_to_cancel(desk: Any) -> None:
    placed = desk.place(ord_type="limit", px="59000")
    with refused("51008"):
        desk.send("amend", ordId=placed["ordId"], newSz="999")
    order = desk.order(placed)
    assert (order.state, order.sz) == ("live", Decimal(1))
    with refused("51008"):
        desk.send("amend", ordId=placed["ordId"], newSz="999", cxlOnFail="true")
    assert (order.state, order.amend_result) == ("canceled", "1")
    assert desk.account.frozen == 0


def test_amended_price_that_crosses_trades_at_once(desk: Any) -> None:
    placed = desk.place(ord_type="limit", px="59000")
    desk.send("amend", ordId=placed["ordId"], newPx="60001")
    assert desk.order(placed).state == "filled"


def test_position_may_not_outgrow_what_its_leverage_allows(desk_with: Any) -> None:
    desk = desk_with(deposit="100000000")
    desk.send("set_leverage", mgnMode="isolated", lever="100")
    desk.place(sz="6000")
    with refused("51004"):
        desk.place(sz="4000.01")
    desk.send("set_leverage", mgnMode="isolated", lever="50")
    assert desk.order(desk.place(sz="4000.01")).filled > 0


def test_closing_order_in_long_short_mode_may_not_exceed_what_is_free_to_close(desk: Any) -> None:
    desk.send("set_position_mode", posMode="long_short_mode")
    desk.place(posSide="long", sz="2")
    desk.place("sell", ord_type="limit", px="61000", posSide="long", sz="1.5")
    with refused("51112"):
        desk.place("sell", posSide="long", sz="1")
    assert desk.order(desk.place("sell", posSide="long", sz="0.5")).state == "filled"


def test_leverage_must_fit_the_position_that_is_held(desk_with: Any) -> None:
    desk = desk_with(deposit="100000000")
    desk.send("set_leverage", mgnMode="cross", lever="40")
    for _ in range(2):
        desk.place(sz="6000", tdMode="cross")
        desk.price("60000")
    with refused("59102"):
        desk.send("set_leverage", mgnMode="cross", lever="75")
    poor = desk_with(deposit="1000")
    poor.send("set_leverage", mgnMode="cross", lever="50")
    poor.place(sz="40", tdMode="cross")
    with refused("59109"):
        poor.send("set_leverage", mgnMode="cross", lever="2")
    poor.send("set_leverage", mgnMode="cross", lever="45")


def test_margin_is_added_and_taken_within_what_the_leverage_needs(desk: Any) -> None:
    desk.place(sz="1")
    more = desk.send("adjust_margin", posSide="net", type="add", amt="100")
    assert (more["amt"], more["leverage"]) == ("100", "2")
    assert desk.books_balance
    with refused("59301"):
        desk.send("adjust_margin", posSide="net", type="reduce", amt="100.1")
    assert desk.send("adjust_margin", posSide="net", type="reduce", amt="100")["leverage"] == "3"
    with refused("59301"):
        desk.send("adjust_margin", posSide="net", type="add", amt="99999")
    assert desk.books_balance
