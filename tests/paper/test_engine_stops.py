"""Stops and targets: when they fire, what they send, when the system takes them away; funding and liquidation."""

from decimal import Decimal
from typing import Any

import pytest

from paper.errors import OkxError

BRACKET = [{"slTriggerPx": "59000", "slOrdPx": "-1", "tpTriggerPx": "62000", "tpOrdPx": "-1"}]


def algo(desk: Any, **params: Any) -> Any:
    given = {"tdMode": "isolated", "side": "sell", "ordType": "conditional", **params}
    return desk.account.algos[desk.send("place_algo", **given)["algoId"]]


def whole_stop(desk: Any, price: str = "59000", **params: Any) -> Any:
    return algo(desk, closeFraction="1", reduceOnly="true", slTriggerPx=price, slOrdPx="-1", **params)


@pytest.mark.parametrize("price, leg, profit", [("58990", "sl", False), ("62010", "tp", True)])
def test_bracket_closes_the_position_on_either_leg(desk: Any, price: str, leg: str, profit: bool) -> None:
    desk.place(attachAlgoOrds=BRACKET)
    (bracket,) = desk.account.open_algos.values()
    desk.price("59500")
    assert desk.held == 1
    desk.price(price)
    assert desk.held == 0
    assert (bracket.state, bracket.actual_side, bracket.actual_sz) == ("effective", leg, 1)
    child = desk.account.orders[bracket.ord_ids[0]]
    assert (child.algo_id, child.source, child.reduce_only) == (bracket.algo_id, "7", True)
    assert (child.pnl > 0) is profit
    assert desk.books_balance


def test_short_stop_fires_upwards(desk: Any) -> None:
    desk.place("sell", attachAlgoOrds=[{"slTriggerPx": "61000", "slOrdPx": "-1"}])
    desk.price("60999.9")
    assert desk.held == -1
    desk.price("61000")
    assert desk.held == 0


def test_whole_position_stop_follows_additions_and_reductions(desk: Any) -> None:
    desk.place(sz="1")
    stop = whole_stop(desk)
    desk.place(sz="2")
    desk.place("sell", sz="0.5")
    desk.price("58999")
    assert (desk.held, stop.actual_sz) == (0, Decimal("2.5"))


def test_stop_watches_the_price_it_was_told_to(desk: Any) -> None:
    desk.place()
    whole_stop(desk, slTriggerPxType="mark")
    desk.price("58000", mark="59500")
    assert desk.held == 1
    desk.price("59800", mark="58999")
    assert desk.held == 0


def test_closing_takes_every_stop_and_target_away(desk: Any) -> None:
    desk.place(attachAlgoOrds=BRACKET)
    whole_stop(desk)
    desk.send("close_position", mgnMode="isolated")
    assert not desk.account.open_algos
    assert {a.state for a in desk.account.algos.values()} == {"canceled"}
    assert {a.cancel_source for a in desk.account.algos.values()} == {"21"}


def test_stops_that_outlive_a_close_by_switch_open_nothing(desk_with: Any) -> None:
    desk = desk_with(algos_after_close=True)
    desk.place(attachAlgoOrds=BRACKET)
    desk.send("close_position", mgnMode="isolated")
    (left,) = desk.account.open_algos.values()
    desk.price("58000")
    assert (left.state, left.fail_code, desk.held) == ("order_failed", "51169", 0)


def test_attached_stop_that_may_open_does_so_when_switched(desk_with: Any) -> None:
    desk = desk_with(algos_after_close=True, attached_reduce_only=False)
    desk.place(attachAlgoOrds=BRACKET)
    desk.send("close_position", mgnMode="isolated")
    desk.price("58000")
    assert desk.held == -1, "the orphan a client has to prevent"


@pytest.mark.parametrize(
    "params, code",
    [
        ({"side": "sell", "slTriggerPx": "60001", "slOrdPx": "-1"}, "51280"),
        ({"side": "sell", "tpTriggerPx": "59999", "tpOrdPx": "-1"}, "51279"),
        ({"side": "buy", "slTriggerPx": "59999", "slOrdPx": "-1"}, "51278"),
        ({"side": "buy", "tpTriggerPx": "60001", "tpOrdPx": "-1"}, "51277"),
        ({"side": "sell", "slTriggerPx": "60001", "slOrdPx": "-1", "slTriggerPxType": "mark"}, "51304"),
        ({"slTriggerPx": "59000", "slOrdPx": "-1", "closeFraction": "1", "sz": ""}, "51328"),
        ({"slTriggerPx": "59000", "slOrdPx": "58900", "closeFraction": "1", "reduceOnly": "true"}, "51330"),
        ({"slTriggerPx": "59000"}, "50014"),
        ({"ordType": "oco", "slTriggerPx": "59000", "slOrdPx": "-1"}, "50014"),
        ({}, "50015"),
    ],
)
def test_misplaced_stops_are_refused(desk: Any, params: dict[str, Any], code: str) -> None:
    with pytest.raises(OkxError, match=f"^{code} "):
        algo(desk, **{"sz": "1", **params})
    assert not desk.account.algos


def test_amended_stop_fires_at_its_new_price(desk: Any) -> None:
    desk.place()
    stop = whole_stop(desk)
    desk.send("amend_algo", algoId=stop.algo_id, newSlTriggerPx="59800")
    desk.price("59700")
    assert desk.held == 0
    with pytest.raises(OkxError, match=r"^51503"):
        desk.send("amend_algo", algoId=stop.algo_id, newSlTriggerPx="59000")


def test_refused_amendment_leaves_the_stop_as_it_was(desk: Any) -> None:
    desk.place()
    stop = whole_stop(desk)
    with pytest.raises(OkxError, match=r"^51280"):
        desk.send("amend_algo", algoId=stop.algo_id, newSlTriggerPx="60500")
    assert stop.sl_trigger == 59000


@pytest.mark.parametrize("side, sign", [("buy", -1), ("sell", 1)])
def test_positive_funding_is_paid_by_longs_to_shorts(desk: Any, side: str, sign: int) -> None:
    desk.place(side, sz="2")
    before = desk.account.cash
    desk.engine.funding("BTC-USDT-SWAP", Decimal("0.0001"))
    assert desk.account.cash - before == sign * Decimal("0.12")
    bill = desk.account.bills[-1]
    assert (bill.type, bill.sub_type) == ("8", "174" if sign > 0 else "173")
    assert desk.books_balance


def test_isolated_liquidation_costs_exactly_the_margin(desk: Any) -> None:
    desk.send("set_leverage", mgnMode="isolated", lever="50")
    desk.place(sz="10")
    cash = desk.account.cash
    desk.price("59500")
    assert desk.held == 10
    desk.price("58900")
    assert desk.held == 0
    assert desk.account.cash == cash
    assert desk.account.fills[-1].trade_id.startswith("-")
    assert desk.account.position_history[-1].close_type == "3"
    assert desk.books_balance


def test_cross_liquidation_leaves_no_debt(desk_with: Any) -> None:
    desk = desk_with(deposit="100")
    desk.send("set_leverage", mgnMode="cross", lever="50")
    desk.place(sz="5", tdMode="cross")
    desk.price("50000")
    assert desk.held == 0
    assert desk.account.cash == 0
    assert desk.books_balance


def test_coverage_counts_bars_without_a_stop(desk: Any) -> None:
    desk.place()
    desk.engine.close_bar()
    whole_stop(desk)
    desk.engine.close_bar()
    assert (desk.account.coverage.bars_checked, desk.account.coverage.uncovered_bars) == (2, 1)


def test_stop_for_half_the_position_does_not_cover_it(desk: Any) -> None:
    desk.place(sz="2")
    algo(desk, sz="1", reduceOnly="true", slTriggerPx="59000", slOrdPx="-1")
    desk.engine.close_bar()
    assert desk.account.coverage.uncovered_bars == 1
