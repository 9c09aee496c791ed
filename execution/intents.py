"""Order intents: the row that must exist, committed, before anything is sent.

Each `record_*` writes the order, its first event and the message that sends it, in the caller's transaction; the
message leaves when that transaction commits. Raises DuplicateIntent when the same intent, or another open entry in the
instrument, exists: the caller's transaction stays usable.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from execution import bound, identifiers, outbox, transition
from execution.bound import closing_side
from execution.context import ExecutionContext
from execution.errors import DuplicateIntent
from models import DecisionCycle, Order, Position
from trading.clock import wall_now
from trading.decision import Action, Decision
from trading.gate.verdict import Verdict
from trading.instrument import Instrument
from trading.orders import ENTRY_LEGS, Leg, OrderState
from trading.snapshot import AccountSnapshot, MarketSnapshot, PositionPlan


def account_lock(session: Session, account_id: int) -> None:
    """Held to the end of the transaction: one gate at a time for the whole account."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": account_id})


def record_entry(
    ctx: ExecutionContext,
    session: Session,
    cycle: DecisionCycle,
    decision: Decision,
    instrument: Instrument,
    live: MarketSnapshot,
    verdict: Verdict,
    plan: PositionPlan,
) -> Order:
    """Intent of an OPEN or ADD as the gate approved it, stop and target riding in it. Under `account_lock`.

    Side, size, limit, stop and target are the verdict's, so that what is sent is what was judged.
    Raises ValueError for a verdict without a side or a price.
    """
    settings = ctx.settings
    if verdict.side is None or verdict.price is None:
        raise ValueError(f"the verdict on {instrument.inst_id} approves no entry")
    leg = Leg.ADD if decision.action is Action.ADD else Leg.ENTRY
    by_market = settings.entry_order_type == "market" and decision.order_type == "market"
    rests = settings.entry_limit == "rest" and decision.order_type == "limit"
    cl_ord_id = identifiers.cl_ord_id(ctx.order_prefix, identifiers.cycle_basis(cycle.id), leg)
    decided_at = cycle.decided_at or ctx.clock.wall_now()
    order = Order(
        account_id=ctx.account_id,
        cycle_id=cycle.id,
        leg=leg,
        kind="order",
        cl_ord_id=cl_ord_id,
        inst_id=instrument.inst_id,
        side=verdict.side,
        ord_type="market" if by_market else "limit" if rests else "fok",
        td_mode=settings.margin_mode,
        sz_contracts=verdict.contracts,
        px=None if by_market else verdict.price,
        reduce_only=False,
        stop_loss_px=verdict.stop_loss,
        take_profit_px=verdict.take_profit,
        attach_algo_cl_ord_id=identifiers.attached_id(cl_ord_id),
        margin=verdict.margin,
        plan=plan.model_dump(mode="json"),
        reason=decision.reasoning,
        deadline=min(cycle.deadline, decided_at + timedelta(seconds=settings.decision_max_age_s)),
        decided_at=decided_at,
        reference_px=_snapshot_price(cycle) or live.last,
    )
    return _record(ctx, session, order, "gate")


def record_exit(
    ctx: ExecutionContext,
    session: Session,
    cycle: DecisionCycle,
    decision: Decision,
    account: AccountSnapshot,
    contracts: Decimal,
) -> Order:
    """Intent of a REDUCE (`contracts`) or CLOSE (the whole position). Reduce-only, without a deadline.

    With nothing to close the intent is recorded as denied, so that the cycle ends with that reason.
    """
    leg = Leg.REDUCE if decision.action is Action.REDUCE else Leg.CLOSE
    held = _held(session, ctx.account_id, decision.inst_id, account)
    side = closing_side(held)
    whole = leg is Leg.CLOSE or contracts >= abs(held)
    order = Order(
        account_id=ctx.account_id,
        cycle_id=cycle.id,
        leg=leg,
        kind="close_position" if whole else "order",
        cl_ord_id=identifiers.cl_ord_id(ctx.order_prefix, identifiers.cycle_basis(cycle.id), leg),
        inst_id=decision.inst_id,
        side=side,
        ord_type="market",
        td_mode=ctx.settings.margin_mode,
        sz_contracts=None if whole else contracts,
        reduce_only=True,
        position_opened_at=bound.opening_of(session, ctx.account_id, decision.inst_id, ctx.settings.margin_mode, side),
        reason=decision.reasoning,
        decided_at=cycle.decided_at,
    )
    order = _record(ctx, session, order, "gate")
    if held == 0:
        transition.move(
            session,
            order,
            OrderState.DENIED,
            "gate",
            last_code="no_position",
            last_message="there is no position to close",
        )
    return order


def record_whole_close(
    ctx: ExecutionContext,
    session: Session,
    inst_id: str,
    contracts: Decimal,
    opened_at: datetime,
    leg: Leg,
    reason: str,
    source: str,
    *,
    part: Decimal | None = None,
    announce: bool = True,
) -> Order:
    """Intent of the bot itself to close a position of `contracts` (signed): protection, resolver, flatten.

    `part`: only so many contracts of it, when the rest is not ours.
    """
    basis = identifiers.position_basis(inst_id, opened_at)
    order = Order(
        account_id=ctx.account_id,
        leg=leg,
        kind="close_position" if part is None else "order",
        cl_ord_id=identifiers.cl_ord_id(ctx.order_prefix, basis, leg, attempts(ctx, session, basis, leg)),
        inst_id=inst_id,
        side=closing_side(contracts),
        ord_type="market",
        td_mode=ctx.settings.margin_mode,
        sz_contracts=part,
        reduce_only=True,
        position_opened_at=opened_at,
        reason=reason,
    )
    return _record(ctx, session, order, source, announce=announce)


def record_stop(
    ctx: ExecutionContext,
    session: Session,
    inst_id: str,
    contracts: Decimal,
    opened_at: datetime,
    stop_loss_px: Decimal,
    take_profit_px: Decimal | None,
    reason: str,
    *,
    announce: bool = True,
) -> Order:
    """Intent of the position-level stop and target of a position of `contracts` (signed). Each call is an attempt."""
    basis = identifiers.position_basis(inst_id, opened_at)
    attempt = attempts(ctx, session, basis, Leg.STOP)
    order = Order(
        account_id=ctx.account_id,
        leg=Leg.STOP,
        kind="algo",
        cl_ord_id=identifiers.cl_ord_id(ctx.order_prefix, basis, Leg.STOP, attempt),
        inst_id=inst_id,
        side=closing_side(contracts),
        ord_type="oco" if take_profit_px is not None else "conditional",
        td_mode=ctx.settings.margin_mode,
        reduce_only=True,
        position_opened_at=opened_at,
        stop_loss_px=stop_loss_px,
        take_profit_px=take_profit_px,
        reason=reason,
    )
    return _record(ctx, session, order, "protection", announce=announce)


def attempts(ctx: ExecutionContext, session: Session, basis: str, leg: Leg) -> int:
    """How many intents of this basis and leg there have been."""
    first = identifiers.cl_ord_id(ctx.order_prefix, basis, leg)[:-1]
    return session.scalar(select(func.count()).select_from(Order).where(Order.cl_ord_id.startswith(first))) or 0


def _record(ctx: ExecutionContext, session: Session, order: Order, source: str, *, announce: bool = True) -> Order:
    order.state = OrderState.INTENDED
    try:
        with session.begin_nested():
            session.add(order)
            session.flush()
    except IntegrityError as error:
        raise DuplicateIntent(f"{order.leg} in {order.inst_id}: {order.cl_ord_id}") from error
    transition.record_creation(session, order, source, _summary(order))
    if announce:
        queue = "trade" if order.leg in ENTRY_LEGS else "protect"
        outbox.post(session, f"{queue}.submit", queue, [order.id])
        outbox.relay_after_commit(ctx, session)
    return order


def _summary(order: Order) -> dict[str, Any]:
    written = {"reason": order.reason, "at": wall_now().isoformat()}
    for name in ("sz_contracts", "px", "stop_loss_px", "take_profit_px", "reference_px"):
        value = getattr(order, name)
        if value is not None:
            written[name] = str(value)
    return written


def _held(session: Session, account_id: int, inst_id: str, account: AccountSnapshot) -> Decimal:
    """Signed contracts: as just read from the exchange, else as mirrored."""
    if account.positions is not None:
        position = account.position(inst_id)
        return position.contracts if position is not None else Decimal(0)
    return _mirrored(session, account_id, inst_id)


def _mirrored(session: Session, account_id: int, inst_id: str) -> Decimal:
    return session.scalar(
        select(func.coalesce(func.sum(Position.contracts), 0)).where(
            Position.account_id == account_id, Position.inst_id == inst_id
        )
    ) or Decimal(0)


def _snapshot_price(cycle: DecisionCycle) -> Decimal | None:
    """Last price the decision rests on."""
    last = ((cycle.snapshot or {}).get("market") or {}).get("last")
    return None if last is None else Decimal(str(last))
