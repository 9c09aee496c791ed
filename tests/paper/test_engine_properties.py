"""Whatever is sent and however prices move, the books balance and nothing impossible is held."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from paper.errors import OkxError

BTC = "BTC-USDT-SWAP"
prices = st.integers(560000, 640000).map(lambda ticks: str(Decimal(ticks) / 10))
sizes = st.integers(1, 400).map(lambda lots: str(Decimal(lots) / 100))
modes = st.sampled_from(["isolated", "cross"])
sides = st.sampled_from(["buy", "sell"])
stops = st.fixed_dictionaries({"slTriggerPx": prices, "slOrdPx": st.just("-1")})
orders = st.fixed_dictionaries(
    {
        "tdMode": modes, "side": sides, "sz": sizes,
        "ordType": st.sampled_from(["market", "limit", "fok", "ioc", "post_only"]), "px": prices,
        "reduceOnly": st.sampled_from(["", "true"]),
    },
    optional={"attachAlgoOrds": st.lists(stops, max_size=1)},
)  # fmt: skip
algos = st.fixed_dictionaries(
    {"tdMode": modes, "side": sides, "ordType": st.just("conditional"), "reduceOnly": st.just("true"),
     "slTriggerPx": prices, "slOrdPx": st.just("-1")},
    optional={"closeFraction": st.just("1"), "sz": sizes},
)  # fmt: skip
actions = st.one_of(
    st.tuples(st.just("price"), prices),
    st.tuples(st.just("place"), orders),
    st.tuples(st.just("place_algo"), algos),
    st.tuples(st.just("close_position"), st.fixed_dictionaries({"mgnMode": modes, "autoCxl": st.just("true")})),
    st.tuples(
        st.just("set_leverage"), st.fixed_dictionaries({"mgnMode": modes, "lever": st.sampled_from(["2", "7", "50"])})
    ),
    st.tuples(st.just("funding"), st.sampled_from(["0.0001", "-0.00033", "0.00375"])),
)


def run(desk: Any, steps: list[tuple[str, Any]]) -> None:
    for name, detail in steps:
        held = {key: p.contracts for key, p in desk.account.positions.items()}
        if name == "price":
            desk.price(detail)
        elif name == "funding":
            desk.engine.funding(BTC, Decimal(detail))
        else:
            try:
                desk.send(name, **detail)
            except OkxError:
                assert held == {k: p.contracts for k, p in desk.account.positions.items() if k in held or p.contracts}
            if detail.get("reduceOnly") and name == "place":
                assert_not_grown(desk, held)
        assert_sound(desk)


def assert_not_grown(desk: Any, held: dict[Any, Decimal]) -> None:
    for key, position in desk.account.positions.items():
        before = held.get(key, Decimal(0))
        assert abs(position.contracts) <= abs(before)
        assert position.contracts * before >= 0


def assert_sound(desk: Any) -> None:
    account = desk.account
    assert desk.books_balance
    assert sum((b.bal_chg for b in account.bills), Decimal(0)) == account.cash
    assert sum((b.pos_bal_chg for b in account.bills), Decimal(0)) == account.isolated_margin
    for order in account.orders.values():
        assert 0 <= order.filled <= order.sz
        assert order.is_open == (order.ord_id in account.open_orders)
        assert order.frozen >= 0
    for position in account.positions.values():
        assert position.margin >= 0
        if position.contracts == 0:
            assert position.margin == 0
    for algo in account.open_algos.values():
        assert algo.state == "live"


@settings(max_examples=120, deadline=None)
@given(steps=st.lists(actions, max_size=25))
def test_books_balance_to_the_last_digit(desk_with: Any, steps: list[tuple[str, Any]]) -> None:
    run(desk_with(), steps)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(actions, max_size=20))
def test_same_script_gives_the_same_fills(desk_with: Any, steps: list[tuple[str, Any]]) -> None:
    first, second = desk_with(), desk_with()
    run(first, steps)
    run(second, steps)
    assert first.account == second.account


def test_fills_add_up_to_positions(desk: Any) -> None:
    for side, sz in (("buy", "1.5"), ("sell", "0.4"), ("buy", "0.9"), ("sell", "3")):
        desk.place(side, sz=sz)
    signed = sum((f.sz if f.side == "buy" else -f.sz for f in desk.account.fills), Decimal(0))
    assert signed == desk.held == Decimal(-1)
