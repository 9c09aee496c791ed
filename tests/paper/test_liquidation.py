"""Liquidation: when, how much, at what price, and what the account is left with."""

from decimal import Decimal
from typing import Any

import pytest

from paper.engine.liquidation import bankruptcy_price

BTC = "BTC-USDT-SWAP"


def test_small_isolated_position_is_closed_whole_and_loses_exactly_its_margin(desk: Any) -> None:
    desk.send("set_leverage", mgnMode="isolated", lever="20")
    desk.place(sz="10")
    position = desk.account.position(BTC, "isolated")
    cash, price = (
        desk.account.cash,
        position.liquidation_price(desk.state.instruments[BTC], position.margin, Decimal("0.0005")),
    )
    bankrupt = bankruptcy_price(desk.state, position)
    desk.price(str((price + 5).quantize(Decimal("0.1"))))
    assert desk.held == 10
    desk.price(str((price - 5).quantize(Decimal("0.1"))))
    assert (desk.held, desk.account.cash) == (0, cash)
    fill = desk.account.fills[-1]
    assert (fill.px, fill.trade_id[0]) == (bankrupt, "-")
    assert desk.account.orders[fill.ord_id].category == "full_liquidation"
    assert desk.account.position_history[-1].close_type == "3"
    assert {bill.type for bill in desk.account.bills[-2:]} == {"5"}
    assert desk.books_balance


def test_large_isolated_position_is_first_cut_to_the_tier_below(desk_with: Any) -> None:
    desk = desk_with(deposit="100000000")
    desk.send("set_leverage", mgnMode="isolated", lever="50")
    for _ in range(2):
        desk.place(sz="6000")
        desk.price("60000")
    position = desk.account.position(BTC, "isolated")
    assert desk.state.instruments[BTC].tier_of(position.size).number == 2
    price = position.liquidation_price(desk.state.instruments[BTC], position.margin, Decimal("0.0005"))
    desk.price(str((price - 5).quantize(Decimal("0.1"))))
    assert position.size == 10000
    assert desk.account.orders[desk.account.fills[-1].ord_id].category == "partial_liquidation"
    assert position.close_type == "4"
    assert desk.books_balance
    desk.price("57000")
    assert desk.held == 0
    assert desk.account.orders[desk.account.fills[-1].ord_id].category == "full_liquidation"
    assert desk.books_balance


def test_cross_positions_share_the_account_and_end_with_it(desk_with: Any) -> None:
    desk = desk_with(deposit="1000")
    desk.send("set_leverage", mgnMode="cross", lever="50")
    desk.place(sz="50", tdMode="cross")
    rest = desk.order(desk.place(ord_type="limit", px="59000", sz="1", tdMode="cross"))
    desk.price("59200")
    assert desk.held == 50
    desk.price("59200", mark="58200")
    assert desk.held == 0
    assert (rest.state, rest.cancel_source) == ("canceled", "3")
    assert desk.account.cash >= 0
    assert desk.books_balance


@pytest.mark.parametrize("mark", ["59990", "60200"])
def test_liquidation_looks_at_mark_not_at_last(desk: Any, mark: str) -> None:
    desk.send("set_leverage", mgnMode="isolated", lever="100")
    desk.place(sz="10")
    desk.price("58000", mark=mark)
    assert desk.held == 10
