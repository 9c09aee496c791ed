"""Order intents as the gate and the journal's exits record them, without waiting for a market that asks for one.

What follows an intent (message, claim, call, outcome, mirror) is the bot's own. Sizes in contracts, distances in per
cent of the live price. Raises ReadFailed, ClockUnavailable, DBAPIError where the world is down, and DuplicateIntent.
"""

import itertools
from datetime import timedelta
from decimal import Decimal

from execution import intents
from execution.context import ExecutionContext
from models import DecisionCycle, Order
from trading.clock import wall_now
from trading.decision import Action, Decision, Regime
from trading.entry_price import worst_price
from trading.gate.verdict import Effect, Verdict
from trading.snapshot import AccountSnapshot, MarketSnapshot, PositionPlan

DEADLINE_S = 60
_numbers = itertools.count(1)


def market(ctx: ExecutionContext, inst_id: str) -> MarketSnapshot:
    """The live quote, as a decision rests on it."""
    ticker, now = ctx.exchange.ticker(inst_id), ctx.clock.market_now()
    return MarketSnapshot(
        inst_id=inst_id, slot=now, taken_at=wall_now(), market_at=now, last=ticker.last, bid=ticker.bid, ask=ticker.ask
    )


def intend_entry(
    ctx: ExecutionContext,
    inst_id: str,
    action: Action = Action.OPEN_LONG,
    contracts: Decimal = Decimal("0.5"),
    stop_pct: Decimal = Decimal(2),
    target_pct: Decimal = Decimal(4),
) -> Order:
    """An entry, or an ADD, as an approving gate leaves it."""
    live, instrument = market(ctx, inst_id), ctx.instrument(inst_id)
    if live.last is None:
        raise ValueError(f"no price in {inst_id}")
    held = sum((p.contracts for p in ctx.exchange.positions(inst_id)), Decimal(0)) if action is Action.ADD else 0
    up = -1 if action is Action.OPEN_SHORT or held < 0 else 1
    stop = instrument.round_price(live.last * (1 - up * stop_pct / 100))
    target = instrument.round_price(live.last * (1 + up * target_pct / 100))
    decision = Decision(
        action=action, inst_id=inst_id, size_pct=Decimal(1), stop_loss=stop, take_profit=target,
        confidence=Decimal("0.6"), strategy="momentum", regime=Regime.RANGING, reasoning="a soak order",
    )  # fmt: skip
    cycle = _cycle(ctx, live, decision)
    plan = PositionPlan(
        cycle_id=cycle.id, strategy="momentum", entry=live.last, stop_loss=stop, take_profit=target,
        confidence=Decimal("0.6"), opened_at=live.market_at,
    )  # fmt: skip
    verdict = Verdict(
        approved=True, effect=Effect.PASS, contracts=contracts, leverage=Decimal(3), margin=Decimal(100), checks=(),
        side="buy" if up > 0 else "sell", stop_loss=stop, take_profit=target,
        price=worst_price(
            "long" if up > 0 else "short", decision, live, instrument, ctx.settings.entry_slippage_bps
        ),
    )  # fmt: skip
    with ctx.sessions.begin() as session:
        intents.account_lock(session, ctx.account_id)
        return intents.record_entry(ctx, session, cycle, decision, instrument, live, verdict, plan)


def intend_exit(
    ctx: ExecutionContext, inst_id: str, action: Action = Action.CLOSE, contracts: Decimal = Decimal(0)
) -> Order:
    """A decision to close, or to reduce by `contracts`."""
    live = market(ctx, inst_id)
    decision = Decision(action=action, inst_id=inst_id, reasoning="a soak order")
    cycle = _cycle(ctx, live, decision)
    account = AccountSnapshot(taken_at=wall_now(), equity=None, available=None)
    with ctx.sessions.begin() as session:
        return intents.record_exit(ctx, session, cycle, decision, account, contracts)


def _cycle(ctx: ExecutionContext, live: MarketSnapshot, decision: Decision) -> DecisionCycle:
    """A cycle that has come as far as `execute`; its slot is one no other cycle has."""
    now = wall_now()
    cycle = DecisionCycle(
        account_id=ctx.account_id,
        inst_id=live.inst_id,
        slot=live.market_at + timedelta(microseconds=next(_numbers)),
        opened_by="operator",
        stage="execute",
        deadline=now + timedelta(seconds=DEADLINE_S),
        analyst="rules",
        playbook_version=1,
        snapshot={"market": live.model_dump(mode="json")},
        decision=decision.model_dump(mode="json"),
        decided_at=now,
    )
    with ctx.sessions.begin() as session:
        session.add(cycle)
    return cycle
