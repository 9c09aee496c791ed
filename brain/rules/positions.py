"""Managing an open position: CLOSE when its reason is gone or the market argues the other way, else HOLD."""

from brain.rules.signal import Signal
from trading.decision import Action, Decision, Regime
from trading.invalidation import describe, is_invalidated
from trading.snapshot import FrameIndicators, PositionView

STRATEGY = "position"


def manage(
    position: PositionView, opposite: Signal | None, frames: dict[str, FrameIndicators], regime: Regime
) -> Decision:
    """CLOSE or HOLD, with the reason. `opposite` is an entry signal against the position, if there is one."""
    side = "long" if position.contracts > 0 else "short"
    if opposite is not None:
        why = f"closing the {side}: a {opposite.strategy} signal points {opposite.direction}"
        return _close(position, regime, why, opposite.observations)
    plan = position.plan
    if plan is None:
        return _hold(position, regime, f"{side} without a plan of ours: its stop on the exchange guards it")
    if plan.invalidation is None:
        return _hold(position, regime, f"{plan.strategy} {side} has no invalidation: stop and target decide")
    gone = is_invalidated(plan.invalidation, frames)
    condition = describe(plan.invalidation)
    if gone:
        return _close(position, regime, f"closing the {side}: {condition} has come true", plan_of(position))
    if gone is None:
        return _hold(position, regime, f"{side}: {condition} cannot be checked now; the stop guards it")
    return _hold(position, regime, f"{plan.strategy} {side} stands: {condition} is not true")


def plan_of(position: PositionView) -> tuple[str, ...]:
    """The position's plan in a line, for the observations."""
    plan = position.plan
    if plan is None:
        return ()
    target = plan.take_profit if plan.take_profit is not None else "none"
    return (f"{plan.strategy} from {plan.entry}, stop {plan.stop_loss}, target {target}",)


def _close(position: PositionView, regime: Regime, why: str, observations: tuple[str, ...]) -> Decision:
    return Decision(
        action=Action.CLOSE,
        inst_id=position.inst_id,
        strategy=f"rules:{STRATEGY}",
        regime=regime,
        observations=observations,
        reasoning=f"analyst=rules; {why}",
    )


def _hold(position: PositionView, regime: Regime, why: str) -> Decision:
    return Decision(
        action=Action.HOLD,
        inst_id=position.inst_id,
        strategy=f"rules:{STRATEGY}",
        regime=regime,
        observations=plan_of(position),
        reasoning=f"analyst=rules; {why}",
    )
