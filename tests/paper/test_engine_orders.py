"""What happens to an order, by its type, its price, and what it is allowed to do."""

from decimal import Decimal
from typing import Any

import pytest

from paper.errors import OkxError
from paper.numbers import money

STOP = [{"slTriggerPx": "59000", "slOrdPx": "-1"}]
BRACKET = [{"slTriggerPx": "59000", "slOrdPx": "-1", "tpTriggerPx": "62000", "tpOrdPx": "-1"}]


def refused(code: str) -> Any:
    return pytest.raises(OkxError, match=f"^{code} ")


def test_market_buy_fills_at_the_ask_and_pays_the_taker_fee(desk: Any) -> None:
    order = desk.order(desk.place())
    assert (order.state, order.avg_px) == ("filled", Decimal("60000.6"))
    assert order.fee == Decimal("-0.300003")


def test_size_beyond_the_best_level_costs_slippage(desk_with: Any) -> None:
    desk = desk_with(deposit="100000000")
    small, large = desk.order(desk.place(sz="1")), desk.order(desk.place(sz="5000"))
    assert large.state == "filled"
    assert large.avg_px > small.avg_px


def test_two_orders_in_one_step_share_the_same_depth(desk_with: Any) -> None:
    desk = desk_with(deposit="100000000")
    first, second = desk.order(desk.place(sz="3000")), desk.order(desk.place(sz="3000"))
    assert second.avg_px > first.avg_px


def test_resting_limit_fills_as_maker_at_its_own_price_when_the_market_reaches_it(desk: Any) -> None:
    order = desk.order(desk.place(ord_type="limit", px="59900"))
    assert order.state == "live"
    desk.price("59950")
    assert order.state == "live"
    desk.price("59880")
    assert (order.state, order.avg_px) == ("filled", Decimal(59900))
    assert order.fee == Decimal("-0.1198")


def test_large_resting_limit_fills_in_parts(desk_with: Any) -> None:
    desk = desk_with(deposit="100000000")
    order = desk.order(desk.place(ord_type="limit", px="59900", sz="4000"))
    desk.price("59899")
    assert order.state == "partially_filled"
    desk.price("59000")
    assert order.state == "filled"


@pytest.mark.parametrize(
    "ord_type, px, source",
    [("fok", "59900", "13"), ("ioc", "59900", "14"), ("post_only", "60100", "31")],
)
def test_order_that_cannot_be_what_it_asks_ends_cancelled(desk: Any, ord_type: str, px: str, source: str) -> None:
    order = desk.order(desk.place(ord_type=ord_type, px=px))
    assert (order.state, order.cancel_source, order.filled) == ("canceled", source, 0)
    assert desk.account.frozen == 0


def test_fill_or_kill_fills_whole_with_its_stop_alive_in_the_same_step(desk: Any) -> None:
    order = desk.order(desk.place(ord_type="fok", px="60010", attachAlgoOrds=BRACKET))
    assert order.state == "filled"
    (stop,) = desk.account.open_algos.values()
    assert (stop.ord_type, stop.sz, stop.side, stop.state) == ("oco", Decimal(1), "sell", "live")
    assert not desk.account.coverage.naked_since


def test_attached_stop_sleeps_until_the_whole_order_is_filled(desk_with: Any) -> None:
    desk = desk_with(deposit="100000000")
    order = desk.order(desk.place(ord_type="limit", px="59900", sz="4000", attachAlgoOrds=STOP))
    desk.price("59899")
    assert order.state == "partially_filled"
    assert not desk.account.open_algos
    assert desk.account.coverage.naked_since


@pytest.mark.parametrize("live, expected", [(False, 0), (True, 1)])
def test_attached_stop_after_a_partial_fill_and_cancel_follows_the_switch(
    desk_with: Any, live: bool, expected: int
) -> None:
    desk = desk_with(deposit="100000000", attached_after_partial=live)
    placed = desk.place(ord_type="limit", px="59900", sz="4000", attachAlgoOrds=STOP)
    desk.price("59899")
    desk.send("cancel", ordId=placed["ordId"])
    assert len(desk.account.open_algos) == expected


def test_fill_or_kill_with_stops_can_be_refused_by_switch(desk_with: Any) -> None:
    desk = desk_with(fok_attached_stops=False)
    with refused("51000"):
        desk.place(ord_type="fok", px="60010", attachAlgoOrds=STOP)
    assert desk.order(desk.place(attachAlgoOrds=STOP)).state == "filled"


@pytest.mark.parametrize(
    "change, code",
    [
        ({"sz": "0.015"}, "51121"),
        ({"sz": "0.001"}, "51020"),
        ({"sz": "12000.01"}, "51202"),
        ({"sz": "-1"}, "51000"),
        ({"sz": "NaN"}, "51000"),
        ({"sz": ""}, "51000"),
        ({"side": "up"}, "51000"),
        ({"tdMode": "cash"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"ord_type": "limit", "px": "60000.05"}, "51000"),
        ({"ord_type": "limit"}, "51000"),
        ({"ord_type": "limit", "px": "63001"}, "51006"),
        ({"instId": "BTC-USDT"}, "51001"),
        ({"clOrdId": "has-hyphen"}, "51000"),
        ({"clOrdId": "x" * 33}, "51000"),
        ({"sz": "100"}, "51008"),
        ({"reduceOnly": "true"}, "51169"),
        ({"attachAlgoOrds": [{"slTriggerPx": "61000", "slOrdPx": "-1"}]}, "51051"),
        ({"attachAlgoOrds": [{"slTriggerPx": "59000"}]}, "50014"),
        ({"attachAlgoOrds": [{"tpTriggerPx": "59000", "tpOrdPx": "-1"}]}, "51050"),
        ({"ord_type": "limit", "px": "59900", "attachAlgoOrds": [{"slTriggerPx": "59950", "slOrdPx": "-1"}]}, "51047"),
        ({"side": "sell", "attachAlgoOrds": [{"slTriggerPx": "59000", "slOrdPx": "-1"}]}, "51053"),
    ],
)
def test_refusals_use_the_documented_codes_and_change_nothing(desk: Any, change: dict[str, Any], code: str) -> None:
    with refused(code):
        desk.place(**change)
    assert not desk.account.orders
    assert desk.account.cash == 10000


def test_client_order_id_is_unique_among_open_orders_only(desk: Any) -> None:
    first = desk.place(ord_type="limit", px="59000", clOrdId="mine1")
    with refused("51016"):
        desk.place(ord_type="limit", px="59000", clOrdId="mine1")
    desk.send("cancel", clOrdId="mine1")
    again = desk.place(ord_type="limit", px="59000", clOrdId="mine1")
    assert again["ordId"] != first["ordId"]
    assert desk.account.accepted["mine1"] == 2


def test_reduce_only_is_cut_to_the_position_and_never_opens(desk: Any) -> None:
    desk.place(sz="2")
    order = desk.order(desk.place("sell", sz="5", reduceOnly="true"))
    assert (order.sz, order.amend_source, desk.held) == (Decimal(2), "3", 0)
    desk.place(sz="1")
    with refused("51170"):
        desk.place("buy", reduceOnly="true")


def test_reduce_only_orders_end_with_their_position(desk: Any) -> None:
    desk.place(sz="2")
    target = desk.order(desk.place("sell", sz="2", ord_type="limit", px="61000", reduceOnly="true"))
    desk.place("sell", sz="2")
    assert (target.state, desk.held) == ("canceled", 0)


def test_closing_needs_no_free_margin(desk_with: Any) -> None:
    desk = desk_with(deposit="201")
    desk.place(sz="1")
    with refused("51008"):
        desk.place(sz="1")
    assert desk.order(desk.place("sell", sz="1")).state == "filled"


def test_sale_beyond_a_long_flips_it_and_books_both_parts(desk: Any) -> None:
    desk.place(sz="1", attachAlgoOrds=STOP)
    desk.place("sell", sz="3")
    assert desk.held == -2
    assert not desk.account.open_algos, "the long's stop must not outlive it"
    assert desk.account.position_history[-1].direction == 1
    assert desk.books_balance


def test_flip_with_attached_stop_keeps_the_new_positions_stop(desk: Any) -> None:
    desk.place(sz="1", attachAlgoOrds=STOP)
    desk.place("sell", sz="2", attachAlgoOrds=[{"slTriggerPx": "61000", "slOrdPx": "-1"}])
    (stop,) = desk.account.open_algos.values()
    assert stop.side == "buy"


def test_cancel_of_a_finished_order_is_refused(desk: Any) -> None:
    placed = desk.place()
    with refused("51400"):
        desk.send("cancel", ordId=placed["ordId"])
    with refused("51003"):
        desk.send("cancel")


def test_amending_moves_a_resting_order_and_shrinking_to_filled_completes_it(desk_with: Any) -> None:
    desk = desk_with(deposit="100000000")
    placed = desk.place(ord_type="limit", px="59000", sz="4000")
    desk.send("amend", ordId=placed["ordId"], newPx="59900")
    order = desk.order(placed)
    assert order.px == 59900
    desk.price("59899")
    filled = order.filled
    assert order.state == "partially_filled"
    desk.send("amend", ordId=placed["ordId"], newSz="0.01")
    assert (order.state, order.sz) == ("filled", filled)


def test_leverage_sets_margin_and_is_blocked_by_pending_orders(desk: Any) -> None:
    desk.send("set_leverage", mgnMode="isolated", lever="5")
    desk.place(sz="1")
    assert desk.account.isolated_margin == Decimal("120.0012")
    desk.send("set_leverage", mgnMode="isolated", lever="10")
    assert desk.account.isolated_margin == Decimal("60.0006")
    assert desk.books_balance
    desk.place(ord_type="limit", px="59000")
    with refused("59101"):
        desk.send("set_leverage", mgnMode="isolated", lever="3")
    with refused("59102"):
        desk.send("set_leverage", mgnMode="isolated", lever="101")


def test_position_mode_is_locked_while_anything_is_open(desk: Any) -> None:
    desk.place()
    with refused("59000"):
        desk.send("set_position_mode", posMode="long_short_mode")


def test_long_and_short_mode_holds_both_sides(desk: Any) -> None:
    desk.send("set_position_mode", posMode="long_short_mode")
    desk.place("buy", posSide="long")
    desk.place("sell", posSide="short", sz="2")
    assert {k[2]: p.contracts for k, p in desk.account.positions.items()} == {"long": 1, "short": -2}
    desk.place("sell", posSide="long")
    assert desk.account.position("BTC-USDT-SWAP", "isolated", "long") is None
    with refused("51169"):
        desk.place("sell", posSide="long")
    with refused("51000"):
        desk.place("buy")


def test_what_a_position_offers_to_close_is_offered_once(desk: Any) -> None:
    """The oldest order closes; a second of the same size would open the other side, and so needs margin."""
    desk.place(sz="1")
    first = desk.order(desk.place("sell", "1", "limit", px="61000"))
    second = desk.order(desk.place("sell", "1", "limit", px="61000"))
    assert first.frozen == 0
    assert second.frozen == money(Decimal(610) / 3 + Decimal(610) * Decimal("0.0005"))
    with refused("51008"):
        desk.place("sell", "60", "limit", px="61000")


def test_resting_order_that_can_no_longer_close_needs_margin(desk: Any) -> None:
    desk.place(sz="1")
    order = desk.order(desk.place("sell", "1", "limit", px="61000"))
    assert order.frozen == 0
    desk.place("sell", "1")
    assert desk.held == 0
    assert order.frozen > 0


def test_resting_order_without_margin_ends_with_what_it_was_to_close(desk: Any) -> None:
    """A hundred contracts held; once they are closed, there is too little to open as many the other way."""
    desk.send("set_leverage", lever="10", mgnMode="isolated")
    desk.place(sz="100")
    order = desk.order(desk.place("sell", "100", "limit", px="61000"))
    desk.place("buy", "65", "limit", px="59000")
    desk.place("sell", "100", reduceOnly="true")
    assert (order.state, order.cancel_source) == ("canceled", "3")
    assert desk.account.cash >= desk.account.frozen
    assert desk.books_balance


def test_closing_order_of_long_and_short_mode_grows_no_larger_than_its_position(desk: Any) -> None:
    desk.send("set_position_mode", posMode="long_short_mode")
    desk.place(sz="2", posSide="long")
    placed = desk.place("sell", "1", "limit", px="61000", posSide="long")
    with refused("51112"):
        desk.send("amend", ordId=placed["ordId"], newSz="3")
    desk.send("amend", ordId=placed["ordId"], newSz="2")
    assert desk.order(placed).sz == 2


@pytest.mark.parametrize("item", [{"tpOrdKind": "limit"}, {"amendPxOnTriggerType": "1"}])
def test_what_attached_stops_cannot_do_here_is_refused(desk: Any, item: dict[str, str]) -> None:
    with refused("51000"):
        desk.place(attachAlgoOrds=[{**STOP[0], **item}])
