"""Several accounts on one book, at random: every identity holds to the last digit, every queue is kept."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from paper.engine.position import Position
from paper.errors import OkxError
from paper.instruments import CATALOGUE

BTC = "BTC-USDT-SWAP"
NAMES = ("me", "you", "them")
# Mostly inside the market's own spread of 60000.0 to 60000.6, where accounts meet each other.
prices = st.sampled_from(["60000.1", "60000.2", "60000.3", "60000.4", "60000.5", "59990", "60010", "59700", "60300"])
moves = st.sampled_from(["60000", "60000", "60000", "59990", "60010", "59700", "60300", "58000", "62000"])
sizes = st.integers(1, 300).map(lambda lots: str(Decimal(lots) / 100))
modes = st.sampled_from(["isolated", "cross"])
orders = st.fixed_dictionaries(
    {
        "tdMode": modes, "side": st.sampled_from(["buy", "sell"]), "sz": sizes, "px": prices,
        "ordType": st.sampled_from(["limit", "limit", "market", "fok", "ioc", "post_only", "optimal_limit_ioc"]),
        "reduceOnly": st.sampled_from(["", "", "true"]),
        "stpMode": st.sampled_from(["cancel_maker", "cancel_taker", "cancel_both"]),
    }
)  # fmt: skip
trailing = st.fixed_dictionaries(
    {"tdMode": modes, "side": st.sampled_from(["buy", "sell"]), "ordType": st.just("move_order_stop"), "sz": sizes,
     "reduceOnly": st.just("true"), "callbackRatio": st.sampled_from(["0.001", "0.004"])}
)  # fmt: skip
amendments = st.fixed_dictionaries({}, optional={"newSz": sizes, "newPx": prices})
steps = st.one_of(
    st.tuples(st.just("price"), st.sampled_from(NAMES), moves),
    *[st.tuples(st.just("place"), st.sampled_from(NAMES), orders)] * 4,
    st.tuples(st.just("place_algo"), st.sampled_from(NAMES), trailing),
    st.tuples(st.just("amend"), st.sampled_from(NAMES), amendments),
    st.tuples(st.just("cancel"), st.sampled_from(NAMES), st.just({})),
    st.tuples(st.just("funding"), st.sampled_from(NAMES), st.sampled_from(["0.0001", "-0.0003"])),
)


def play(desk: Any, script: list[tuple[str, str, Any]]) -> None:
    for name in NAMES[1:]:
        desk.engine.create_account(name, Decimal(3000))
    for action, name, detail in script:
        account = desk.state.accounts[name]
        if action == "price":
            desk.price(detail)
        elif action == "funding":
            desk.engine.funding(BTC, Decimal(detail))
        else:
            params = {"instId": BTC, **detail}
            if action in ("amend", "cancel"):
                params["ordId"] = next(iter(account.open_orders), "1")
            try:
                desk.engine.command(name, action, params, desk.state.now_ms)
            except OkxError:
                pass
        check(desk)


def check(desk: Any) -> None:
    instruments = desk.state.instruments
    for account in desk.state.accounts.values():
        totals, balance = account.totals, desk.state.balance(account)
        upl = sum((p.upl(instruments[BTC], desk.state.quotes[BTC].mark) for p in account.open_positions()), Decimal(0))
        earned = totals.pnl + totals.fees + totals.funding + totals.insurance
        assert balance.equity == totals.deposits + earned + upl
        assert sum((bill.bal_chg for bill in account.bills), Decimal(0)) == account.cash
        for order in account.orders.values():
            assert 0 <= order.filled <= order.sz
            assert order.frozen >= 0
            assert order.is_open == (order.ord_id in account.open_orders)
        for position in account.positions.values():
            assert position.margin >= 0
    resting = desk.state.resting_in(BTC)
    listed = {entry[3].ord_id for entry in (*resting.buy, *resting.sell)}
    open_limits = {o.ord_id for a in desk.state.accounts.values() for o in a.open_orders.values()}
    assert listed == open_limits
    # Between accounts every trade has two sides at one price; nobody trades with himself.
    by_trade: dict[str, list[Any]] = {}
    for account in desk.state.accounts.values():
        for fill in account.fills:
            by_trade.setdefault(fill.trade_id, []).append((account.account_id, fill))
    for sides in by_trade.values():
        assert len(sides) <= 2
        if len(sides) == 2:
            (one, a), (two, b) = sides
            assert one != two
            assert (a.px, a.sz) == (b.px, b.sz)
            assert {a.exec_type, b.exec_type} == {"T", "M"}
            assert a.side != b.side


@settings(max_examples=150, deadline=None)
@given(script=st.lists(steps, min_size=12, max_size=40))
def test_every_identity_holds_for_every_account(desk_with: Any, script: list[tuple[str, str, Any]]) -> None:
    play(desk_with(), script)


@settings(max_examples=40, deadline=None)
@given(script=st.lists(steps, min_size=12, max_size=30))
def test_same_script_gives_the_same_accounts(desk_with: Any, script: list[tuple[str, str, Any]]) -> None:
    one, two = desk_with(), desk_with()
    play(one, script)
    play(two, script)
    assert one.state.accounts == two.state.accounts


@settings(max_examples=100, deadline=None)
@given(
    queue=st.lists(st.tuples(st.sampled_from(NAMES[1:]), st.integers(1, 5), sizes), min_size=1, max_size=12),
    taken=sizes,
)
def test_best_price_trades_first_and_among_equals_the_oldest(
    desk_with: Any, queue: list[tuple[str, int, str]], taken: str
) -> None:
    desk = desk_with(deposit="1000000")
    for name in NAMES[1:]:
        desk.engine.create_account(name, Decimal(10_000_000))
    makers = []
    for name, ticks, sz in queue:
        px = Decimal("60000") + Decimal(ticks) / 10  # all better than the market's own ask of 60000.6
        params = {"instId": BTC, "tdMode": "isolated", "side": "sell", "ordType": "limit", "sz": sz, "px": str(px)}
        placed = desk.engine.command(name, "place", params, desk.state.now_ms)
        makers.append(desk.state.accounts[name].orders[placed["ordId"]])
    desk.place(sz=taken)
    expected = sorted(makers, key=lambda order: (order.px, order.queued))
    left = Decimal(taken)
    for order in expected:
        share = min(left, order.sz)
        assert order.filled == share
        left -= share


@settings(max_examples=100, deadline=None)
@given(
    contracts=st.integers(1, 4_000_000).map(lambda lots: Decimal(lots) / 100),
    avg=st.integers(100_000, 1_000_000).map(lambda ticks: Decimal(ticks) / 10),
    lever=st.integers(2, 50),
    short=st.booleans(),
)
def test_margin_ratio_is_one_at_the_liquidation_price(
    contracts: Decimal, avg: Decimal, lever: int, short: bool
) -> None:
    instrument, fee = CATALOGUE[BTC], Decimal("0.0005")
    signed = -contracts if short else contracts
    position = Position(BTC, "isolated", "net", "1", Decimal(lever), signed, avg)
    position.margin = instrument.coins(contracts) * avg / lever
    price = position.liquidation_price(instrument, position.margin, fee)
    if price is not None:
        ratio = position.margin_ratio(instrument, price, fee)
        assert ratio is not None
        assert abs(ratio - 1) < Decimal("1e-15")
