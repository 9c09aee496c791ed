"""The rule-based analyst: decides from the same snapshot and through the same schema as a model would.

Deterministic and without I/O. Regime and playbook choose the strategies; the first in the playbook's order with a
signal speaks. What is missing ends as HOLD with the reason; every HOLD says in one sentence what it waits for.
It does not know the risk gate's limits: the gate judges it like any other analyst.
"""

from collections.abc import Callable
from decimal import Decimal

from brain.rules import breakout, mean_reversion, momentum, pullback, scalp
from brain.rules.levels import levels_of, same_risk
from brain.rules.positions import manage
from brain.rules.signal import Direction, Frames, NotReady, Signal, Waiting
from trading.decision import Action, Decision, Regime
from trading.playbook import Playbook, PlaybookError, StrategyRule
from trading.snapshot import AccountSnapshot, History, MarketSnapshot, PositionView

SOURCE = "rules"
"""Who states the confidence, as calibration knows it."""
Strategy = Callable[[Frames, Direction, StrategyRule], Signal | Waiting]

STRATEGIES: dict[str, Strategy] = {
    momentum.NAME: momentum.look,
    pullback.NAME: pullback.look,
    breakout.NAME: breakout.look,
    mean_reversion.NAME: mean_reversion.look,
    scalp.NAME: scalp.look,
}
"""The strategies the rules know; one the playbook has and the rules do not is for models only."""
QUICK = frozenset({scalp.NAME})
"""Too short of breath to argue against a position of another strategy."""


def decide(market: MarketSnapshot, account: AccountSnapshot, playbook: Playbook, history: History) -> Decision:
    """One decision about `market.inst_id`. Never raises for missing market or account data: that is HOLD."""
    if account.positions is None:
        return _hold(market, "the open positions are not known")
    position = account.position(market.inst_id)
    try:
        signals, waiting = _look(market, playbook, position)
    except (NotReady, PlaybookError) as problem:
        if position is None:
            return _hold(market, str(problem))
        signals, waiting = [], []
    if position is not None:
        against: Direction = "short" if position.contracts > 0 else "long"
        opposite = next((s for s in signals if s.direction == against), None)
        return manage(position, opposite, market.frames, market.regime)
    if market.regime is Regime.UNKNOWN:
        frame = market.frames.get("4H")
        return _hold(market, f"the 4H regime is not known yet ({frame.bars if frame else 0} closed 4H candles)")
    barred = playbook.barred(market.market_at)
    if barred is not None:
        return _hold(market, f"no entries at this hour: {barred.reason}")
    confident = [s for s in signals if _worth(playbook, market, s) >= playbook.confidence_floor]
    if confident:
        return _enter(market, playbook, confident[0])
    if signals:
        weak = signals[0]
        return _hold(market, f"{weak.strategy} {weak.direction} is below the confidence floor ({weak.confidence})")
    return _hold(market, _nearest(waiting), tuple(f"{name} {w.direction}: {w.reason}" for name, w in waiting))


def _look(
    market: MarketSnapshot, playbook: Playbook, position: PositionView | None
) -> tuple[list[Signal], list[tuple[str, Waiting]]]:
    """Ask every strategy of the regime, in the playbook's order, in every direction the regime allows.

    With a position open both directions are asked: an argument against it counts in any regime.
    """
    rule = playbook.regimes.get(market.regime)
    directions: tuple[Direction, ...] = () if rule is None else rule.directions
    if position is not None:
        directions = ("long", "short")
    frames = Frames(market.frames)
    signals: list[Signal] = []
    waiting: list[tuple[str, Waiting]] = []
    for name, strategy in playbook.strategies_for(market.regime):
        look = STRATEGIES.get(name)
        if look is None or (name in QUICK and position is not None and not _is_of(position, name)):
            continue
        for direction in directions:
            answer = look(frames, direction, strategy)
            if isinstance(answer, Signal):
                signals.append(answer)
            else:
                waiting.append((name, answer))
    return signals, waiting


def _is_of(position: PositionView, strategy: str) -> bool:
    return position.plan is not None and position.plan.strategy == f"{SOURCE}:{strategy}"


def _worth(playbook: Playbook, market: MarketSnapshot, signal: Signal) -> Decimal:
    """What the signal's confidence counts as at the gate."""
    return playbook.calibration.calibrated(signal.confidence, SOURCE, market.market_at)


def _enter(market: MarketSnapshot, playbook: Playbook, signal: Signal) -> Decision:
    quote = market.ask if signal.direction == "long" else market.bid
    if quote is None:
        return _hold(market, f"{signal.strategy} {signal.direction}, but there is no quote to enter at")
    if market.taker_fee_rate is None:
        return _hold(market, f"{signal.strategy} {signal.direction}, but the taker fee is not known")
    if market.entry_slippage_bps is None:
        return _hold(market, f"{signal.strategy} {signal.direction}, but the slippage of an entry is not known")
    rule = playbook.strategies[signal.strategy]
    size_pct = playbook.size_pct(signal.strategy, market.regime)
    if size_pct <= 0:
        return _hold(market, f"{signal.strategy} {signal.direction}, but the playbook sizes it at zero")
    levels = levels_of(
        signal,
        quote=quote,
        slippage_bps=market.entry_slippage_bps,
        taker_fee_rate=market.taker_fee_rate,
        reward_risk=Decimal(str(rule.parameter("reward_risk"))),
    )
    size_pct = same_risk(size_pct, levels, full_size_stop_pct=Decimal(str(rule.parameter("full_size_stop_pct"))))
    return Decision(
        action=Action.OPEN_LONG if signal.direction == "long" else Action.OPEN_SHORT,
        inst_id=market.inst_id,
        size_pct=size_pct,
        order_type="market",
        stop_loss=levels.stop_loss,
        take_profit=levels.take_profit,
        confidence=signal.confidence,
        strategy=f"{SOURCE}:{signal.strategy}",
        regime=market.regime,
        observations=signal.observations,
        risk_factors=signal.risk_factors,
        reasoning=f"analyst=rules; {signal.strategy} {signal.direction} in a {market.regime} market: "
        + "; ".join(signal.observations),
        invalidation=signal.invalidation,
    )


def _nearest(waiting: list[tuple[str, Waiting]]) -> str:
    """What the strategy closest to a signal waits for; the playbook's order settles ties."""
    if not waiting:
        return "no strategy of the playbook is for this regime"
    name, nearest = max(waiting, key=lambda item: item[1].met)
    return f"{name} {nearest.direction}: {nearest.reason}"


def _hold(market: MarketSnapshot, reason: str, observations: tuple[str, ...] = ()) -> Decision:
    return Decision(
        action=Action.HOLD,
        inst_id=market.inst_id,
        strategy="rules",
        regime=market.regime,
        observations=observations,
        reasoning=f"analyst=rules; {market.regime}: {reason}",
    )
