"""Whatever an approved entry fills at, between its limit and the best price it can meet, every limit holds."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import find, given, settings
from hypothesis import strategies as st

from trading.decision import Action
from trading.gate.gate import judge
from trading.gate.verdict import GateInput, Refusal, Verdict
from trading.snapshot import PositionView

Given = Callable[..., GateInput]
D = Decimal
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
SEEN = D(50000)  # the snapshot's last price
FEE = D("0.0005")
MANY = settings(max_examples=600, deadline=None)


def decimals(low: str, high: str, places: int = 2) -> st.SearchStrategy[Decimal]:
    return st.decimals(D(low), D(high), places=places, allow_nan=False, allow_infinity=False)


def held(inst_id: str, contracts: str, margin: Decimal, **levels: Decimal) -> PositionView:
    return PositionView(
        inst_id=inst_id, contracts=D(contracts), avg_px=SEEN, mark_px=SEEN, upl=D(0), margin=margin, leverage=D(3),
        **levels,
    )  # fmt: skip


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """Entries around the edges of what is allowed: a drifting market, any order type, all stops and targets."""
    action = draw(st.sampled_from([Action.OPEN_LONG, Action.OPEN_SHORT, Action.ADD]))
    adding_short = action is Action.ADD and draw(st.booleans())
    sign = -1 if action is Action.OPEN_SHORT or adding_short else 1
    last = SEEN * (1 + draw(decimals("-0.0032", "0.0032", 4)))
    stop_pct, ratio = draw(decimals("0.2", "3.2")), draw(decimals("1.2", "4"))
    stop, target = last * (1 - sign * stop_pct / 100), last * (1 + sign * stop_pct * ratio / 100)
    own: tuple[PositionView, ...] = ()
    if action is Action.ADD:
        size, margin = "-0.3" if adding_short else "0.3", draw(decimals("10", "480"))
        own = (held(BTC, size, margin, stop_px=stop, target_px=target),)
    other = draw(st.sampled_from([(), (held(ETH, "1", D(600)),), (held(ETH, "1", D(1100)),)]))
    changes: dict[str, Any] = {
        "decision.action": action,
        "decision.size_pct": draw(decimals("0.5", "12")),
        "decision.stop_loss": stop,
        "decision.take_profit": target,
        "live.last": last,
        "live.bid": last - draw(decimals("0.1", "30", 1)),
        "live.ask": last + draw(decimals("0.1", "30", 1)),
        "live.funding_rate": draw(decimals("-0.002", "0.002", 4)),
        "account.positions": own + other,
        "account.leverage": {BTC: draw(decimals("1", "12", 0))},
    }
    if draw(st.booleans()):
        changes["decision.order_type"] = "limit"
        changes["decision.limit_price"] = last * (1 + draw(decimals("-0.011", "0.011", 5)))
    return changes


@dataclass
class Fill:
    """An approved entry filled at `price`."""

    given: GateInput
    verdict: Verdict
    price: Decimal

    @property
    def sign(self) -> int:
        return 1 if self.verdict.side == "buy" else -1

    @property
    def notional(self) -> Decimal:
        return self.verdict.contracts * self.given.instrument.ct_val * self.price

    @property
    def margin(self) -> Decimal:
        assert self.verdict.leverage is not None
        return self.notional / self.verdict.leverage

    def fees(self, exit_price: Decimal) -> Decimal:
        return (self.price + exit_price) * FEE


def bounds(given: GateInput, verdict: Verdict) -> tuple[Decimal, Decimal]:
    """The best and the worst fill: the drift limit from the snapshot's price, and the order's own limit."""
    assert verdict.price is not None
    if verdict.side == "buy":
        assert given.live.ask is not None
        return min(given.live.ask, SEEN * D("0.997"), verdict.price), verdict.price
    assert given.live.bid is not None
    return max(given.live.bid, SEEN * D("1.003"), verdict.price), verdict.price


@MANY
@given(changes=entries(), way=decimals("0", "1", 3))
def test_every_limit_holds_at_every_possible_fill(given_entry: Given, changes: dict[str, Any], way: Decimal) -> None:
    given = given_entry(changes)
    verdict = judge(given)
    if not verdict.approved:
        return
    best, worst = bounds(given, verdict)
    limits, account = given.limits, given.account
    stop, target = verdict.stop_loss, verdict.take_profit
    assert stop is not None
    assert target is not None
    assert account.equity is not None
    assert account.positions is not None
    for price in (best, worst, best + (worst - best) * way):
        fill = Fill(given, verdict, price)
        own = sum((p.margin for p in account.positions if p.inst_id == BTC), D(0))
        assert own + fill.margin <= account.equity * limits.max_trade_margin_pct / 100
        others = sum((p.margin for p in account.positions if p.inst_id != BTC), D(0))
        assert own + others + fill.margin <= account.equity * limits.max_total_margin_pct / 100
        assert fill.notional <= account.equity * limits.max_trade_margin_pct / 100 * limits.max_leverage
        assert verdict.margin is not None
        assert fill.margin <= verdict.margin
        risk = (price - stop) * fill.sign + fill.fees(stop)
        reward = (target - price) * fill.sign - fill.fees(target)
        assert risk <= 0 or reward / risk >= limits.min_reward_risk
        assert (price - stop) * fill.sign / price * 100 <= limits.max_stop_distance_pct
        assert reward > 0
    quote = given.live.ask if verdict.side == "buy" else given.live.bid
    assert quote is not None
    assert all((price - stop) * fill.sign > 0 for price in (quote, worst, given.live.last or quote))


def test_the_entries_drawn_are_approved_for_every_kind(given_entry: Given) -> None:
    """Else the property above would say nothing."""
    for side in ("buy", "sell"):
        for order_type in ("market", "limit"):
            for action in (Action.OPEN_LONG if side == "buy" else Action.OPEN_SHORT, Action.ADD):

                def wanted(
                    changes: dict[str, Any], side: str = side, order_type: str = order_type, action: Action = action
                ) -> bool:
                    given = given_entry(changes)
                    verdict = judge(given)
                    kind = (verdict.side, given.decision.order_type, given.decision.action)
                    return verdict.approved and kind == (side, order_type, action)

                find(entries(), wanted, settings=settings(max_examples=5000, deadline=None, derandomize=True))


@MANY
@given(changes=entries())
def test_the_limits_of_a_worse_price_are_what_decides(given_entry: Given, changes: dict[str, Any]) -> None:
    """Accepting more slippage only adds refusals by price, never removes one."""
    tight = judge(given_entry(changes))
    wide = judge(given_entry(changes | {"limits.entry_slippage_bps": D(60)}))
    priced = {Refusal.REWARD_RISK, Refusal.EXPECTED_MOVE, Refusal.STOP_DISTANCE}
    assert priced & set(tight.refused_by) <= set(wide.refused_by)
