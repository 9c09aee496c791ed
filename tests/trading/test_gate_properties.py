"""What holds of the gate whatever it is given."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.decision import Action
from trading.gate.gate import CHECKS, judge
from trading.gate.verdict import Effect, GateInput, Refusal
from trading.sizing import requested_contracts
from trading.snapshot import EntryIntentView, PositionView

Given = Callable[..., GateInput]
D = Decimal
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
FEW = settings(max_examples=150, deadline=None)
FEWER = settings(max_examples=30, deadline=None)


def decimals(low: str, high: str, places: int = 2) -> st.SearchStrategy[Decimal]:
    return st.decimals(D(low), D(high), places=places, allow_nan=False, allow_infinity=False)


def views(inst_id: str) -> st.SearchStrategy[PositionView]:
    return st.builds(
        PositionView,
        inst_id=st.just(inst_id),
        contracts=decimals("-5", "5"),
        avg_px=st.just(D(50000)),
        mark_px=st.just(D(50000)),
        upl=st.just(D(0)),
        margin=decimals("1", "600"),
        leverage=st.just(D(3)),
        stop_px=st.one_of(st.none(), decimals("47000", "53000")),
        target_px=st.one_of(st.none(), decimals("45000", "55000")),
    )


intents = st.builds(
    EntryIntentView,
    inst_id=st.sampled_from([ETH, SOL]),
    side=st.sampled_from(["buy", "sell"]),
    margin=decimals("1", "600"),
    state=st.just("live"),
)
positions = st.one_of(
    st.just(()),
    st.tuples(views(ETH)),
    st.tuples(views(ETH), views(SOL)),
    st.tuples(views(BTC)),
)
BREAKABLE: dict[str, st.SearchStrategy[Any]] = {
    "decision.action": st.sampled_from([Action.OPEN_LONG, Action.OPEN_SHORT, Action.ADD]),
    "decision.size_pct": decimals("0", "100"),
    "decision.stop_loss": st.one_of(st.none(), decimals("47000", "53000")),
    "decision.take_profit": st.one_of(st.none(), decimals("45000", "55000")),
    "account.equity": st.one_of(st.none(), decimals("-10", "50000")),
    "account.available": st.one_of(st.none(), decimals("0", "50000")),
    "account.positions": st.one_of(st.none(), positions),
    "account.open_intents": st.one_of(st.none(), st.just(()), st.tuples(intents)),
    "account.leverage": st.one_of(st.just({}), st.builds(lambda x: {BTC: x}, decimals("0", "20", 0))),
    "account.locked_instruments": st.sampled_from([None, (), (BTC,), (ETH,)]),
    "live.last": st.one_of(st.none(), decimals("49700", "50300")),
    "live.ask": st.one_of(st.none(), decimals("49700", "50300")),
    "live.bid": st.one_of(st.none(), decimals("49700", "50300")),
    "live.funding_rate": st.one_of(st.none(), decimals("-0.01", "0.01", 4)),
    "market.correlations": st.sampled_from([{}, {ETH: 0.9}, {ETH: 0.9, SOL: 0.95}, {ETH: 0.1, SOL: -0.9}]),
    "history.consecutive_losses": st.one_of(st.none(), st.integers(0, 5)),
    "history.entries_last_hour": st.one_of(st.none(), st.integers(0, 5)),
    "entries_allowed": st.sampled_from([True, False, None]),
}
"""Every field within and beyond what is allowed, and missing."""


@st.composite
def disturbances(draw: st.DrawFn, most: int = 5) -> dict[str, Any]:
    """A few fields of the good entry changed; few, so that many of the cases are still approved."""
    names = draw(st.lists(st.sampled_from(sorted(BREAKABLE)), unique=True, max_size=most))
    return {name: draw(BREAKABLE[name]) for name in names}


sizing = st.fixed_dictionaries(
    {
        "decision.size_pct": decimals("0.5", "100"),
        "account.equity": decimals("2000", "50000"),
        "account.available": st.just(D(50000)),
        "account.leverage": st.builds(lambda x: {BTC: x}, decimals("1", "20", 0)),
        "account.positions": positions.filter(lambda held: all(p.inst_id != BTC for p in held)),
        "market.correlations": st.sampled_from([{ETH: 0.9, SOL: 0.95}, {ETH: 0.1, SOL: -0.9}]),
    }
)
"""Only what decides the size: most of these are approved, many of them cut."""

anything = disturbances(most=len(BREAKABLE))


@FEW
@given(changes=st.one_of(disturbances(), sizing))
def test_a_size_is_never_raised(given_entry: Given, changes: dict[str, Any]) -> None:
    given = given_entry(changes)
    verdict = judge(given)
    if not verdict.approved:
        assert verdict.contracts == 0
        return
    price = given.live.ask if given.decision.action is Action.OPEN_LONG else given.live.bid
    if given.decision.action is Action.ADD:
        position = given.account.position(BTC)
        assert position is not None
        price = given.live.ask if position.contracts > 0 else given.live.bid
    assert price is not None
    assert given.account.equity is not None
    asked = requested_contracts(
        given.instrument,
        equity=given.account.equity,
        size_pct=given.decision.size_pct,
        leverage=given.account.leverage[BTC],
        price=price,
    )
    assert 0 < verdict.contracts <= asked
    assert verdict.contracts % given.instrument.lot_sz == 0
    sizes = [c.size_contracts for c in verdict.checks if c.size_contracts is not None]
    assert sizes == sorted(sizes, reverse=True)


@FEW
@given(changes=st.one_of(disturbances(), sizing))
def test_whatever_is_approved_is_inside_every_hard_limit(given_entry: Given, changes: dict[str, Any]) -> None:
    given = given_entry(changes)
    verdict = judge(given)
    if not verdict.approved:
        return
    equity = given.account.equity
    assert equity is not None
    assert verdict.margin is not None
    assert verdict.margin <= equity * 5 / 100
    used = sum(p.margin for p in given.account.positions or () if p.contracts != 0)
    used += sum(i.margin for i in given.account.open_intents or ())
    assert used + verdict.margin <= equity * 15 / 100
    assert given.decision.stop_loss is not None
    assert given.live.last is not None
    assert abs(given.live.last - given.decision.stop_loss) <= given.live.last * 3 / 100
    ask = given.live.ask or given.live.bid
    assert ask is not None
    assert verdict.contracts * D("0.01") * ask <= equity * 5 / 100 * 3 * D("1.02")


@FEW
@given(changes=anything)
def test_every_check_is_listed_once_with_value_and_limit(given_entry: Given, changes: dict[str, Any]) -> None:
    verdict = judge(given_entry(changes))
    assert sorted(c.name for c in verdict.checks) == sorted(Refusal)
    assert len(verdict.checks) == len(CHECKS)
    assert all(c.value and c.limit for c in verdict.checks)
    assert all(c.reason for c in verdict.checks if c.effect is not Effect.PASS)


MISSING: dict[str, Any] = {
    "decision.stop_loss": None,
    "decision.take_profit": None,
    "market.last": None,
    "market.taker_fee_rate": None,
    "live.last": None,
    "live.funding_rate": None,
    "live.next_funding_at": None,
    "live.ages_s": {},
    "account.equity": None,
    "account.available": None,
    "account.leverage": {},
    "account.positions": None,
    "account.open_intents": None,
    "account.locked_instruments": None,
    "history.consecutive_losses": None,
    "history.entries_last_hour": None,
    "history.last_exit_at": None,
    "history.model_spend_today_usd": None,
    "history.model_budget_usd": None,
    "entries_allowed": None,
    "account.day_baseline": None,
    "account.baseline_day": None,
    "account.peak_equity": None,
    "protection_seen_at": None,
    "soft": None,
}


@pytest.mark.parametrize("path", MISSING)
@FEWER
@given(changes=disturbances(most=2))
def test_nothing_is_approved_on_a_missing_input(given_entry: Given, path: str, changes: dict[str, Any]) -> None:
    verdict = judge(given_entry(changes | {path: MISSING[path]}))
    assert not verdict.approved
    assert verdict.contracts == 0
    assert "missing" in {c.value for c in verdict.checks if c.name in verdict.refused_by}


@pytest.mark.parametrize("action, quote", [(Action.OPEN_LONG, "live.ask"), (Action.OPEN_SHORT, "live.bid")])
def test_the_quote_an_entry_would_take_is_required(given_entry: Given, action: Action, quote: str) -> None:
    stop, target = (D(49500), D(51500)) if action is Action.OPEN_LONG else (D(50500), D(48500))
    sane = {"decision.action": action, "decision.stop_loss": stop, "decision.take_profit": target}
    assert judge(given_entry(sane)).approved
    assert not judge(given_entry(sane | {quote: None})).approved


@pytest.mark.parametrize("channel", ["ticker", "candle", "book", "funding", "open_interest"])
def test_every_channel_must_have_spoken(given_entry: Given, channel: str) -> None:
    ages = {name: age for name, age in given_entry().live.ages_s.items() if name != channel}
    assert judge(given_entry({"live.ages_s": ages})).refused_by == (Refusal.FRESHNESS,)


@FEW
@given(changes=anything, contracts=decimals("-50", "50"), gone=st.sets(st.sampled_from(sorted(MISSING))))
def test_closing_always_passes(given_entry: Given, changes: dict[str, Any], contracts: Decimal, gone: set[str]) -> None:
    held = PositionView(
        inst_id=BTC,
        contracts=contracts or D(1),
        avg_px=D(50000),
        mark_px=D(50000),
        upl=D(0),
        margin=D(300),
        leverage=D(3),
    )
    changes = changes | {path: MISSING[path] for path in gone}
    changes |= {"decision.action": Action.CLOSE, "account.positions": (held,)}
    verdict = judge(given_entry(changes))
    assert verdict.approved
    assert verdict.contracts == abs(held.contracts)
    reduced = judge(given_entry(changes | {"decision.action": Action.REDUCE, "decision.size_pct": D(40)}))
    assert reduced.approved
    assert 0 < reduced.contracts <= abs(held.contracts)


REFUSING: dict[str, tuple[Any, ...]] = {
    "limits.max_open_positions": (3, 2, 1),
    "limits.max_consecutive_losses": (3, 2, 1),
    "limits.max_total_margin_pct": (D(15), D(8), D(3)),
    "limits.max_stop_distance_pct": (D(3), D(1), D("0.1")),
    "limits.min_reward_risk": (D("1.5"), D(2), D(4)),
    "limits.max_entries_per_hour": (3, 2, 1),
    "limits.reentry_cooldown_min": (15, 60, 600),
    "limits.decision_max_age_s": (60.0, 10.0, 0.5),
    "limits.daily_loss_halt_pct": (D(3), D(1), D("0.1")),
    "limits.drawdown_halt_pct": (D(10), D(6), D("0.1")),
    "limits.protection_seen_s": (30.0, 5.0, 1.0),
}
CUTTING: dict[str, tuple[Any, ...]] = {
    "limits.max_trade_margin_pct": (D(5), D(3), D(1)),
    "limits.max_leverage": (D(3), D(2), D(1)),
    "limits.max_correlation": (D("0.8"), D("0.5"), D("0.05")),
}
times = st.fixed_dictionaries(
    {},
    optional={
        "decided_at": st.integers(0, 90).map(lambda s: NOW - timedelta(seconds=s)),
        "history.last_exit_at": st.integers(0, 900).map(lambda m: {BTC: NOW - timedelta(minutes=m)}),
    },
)


@pytest.mark.parametrize("limit", REFUSING)
@FEWER
@given(changes=disturbances(most=3), more=times)
def test_a_tighter_refusing_limit_never_approves_more(
    given_entry: Given, limit: str, changes: dict[str, Any], more: dict[str, Any]
) -> None:
    sizes = [judge(given_entry(changes | more | {limit: value})).contracts for value in REFUSING[limit]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("limit", CUTTING)
@FEWER
@given(changes=st.one_of(disturbances(most=3), sizing))
def test_a_tighter_cutting_limit_never_leaves_a_larger_size(
    given_entry: Given, limit: str, changes: dict[str, Any]
) -> None:
    """The size that is cut shrinks; a smaller size may fit under the total margin where a larger one did not."""
    before_total = {"limits.max_total_margin_pct": D(100), "account.available": D(10**9)}
    sizes = [judge(given_entry(changes | before_total | {limit: value})).contracts for value in CUTTING[limit]]
    assert sizes == sorted(sizes, reverse=True)
