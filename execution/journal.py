"""Round trips: fills and bills become trades. In the transaction that ingested them, under the instrument's lock.

A fill of ours opens, adds to, reduces or closes the trade of its instrument; a fill that closes before its opening fill
was seen waits for it. Fees and funding are what the exchange booked, negative when paid; net P&L is their sum with the
price P&L, all USDT.
"""

from datetime import timedelta
from decimal import Decimal

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from execution import notices, outbox
from execution.context import ExecutionContext
from models import AlgoOrder, Bill, BotState, DecisionCycle, Fill, Order, Trade
from trading.orders import ENTRY_LEGS, Leg

logger = structlog.get_logger()

FUNDING = "8"  # bill type
EXITS = {"sl": "stop", "tp": "target"}


def count_fills(ctx: ExecutionContext, session: Session, inst_id: str) -> None:
    """Count every fill of the instrument that can be counted now, the oldest first."""
    while _count_oldest(ctx, session, inst_id):
        session.flush()


def _count_oldest(ctx: ExecutionContext, session: Session, inst_id: str) -> bool:
    """Count one fill; False when none can be. What others traded here stays uncounted for ever: only what belongs to
    an order of ours, or came while a trade of ours was open, is looked at."""
    trade = open_trade(session, ctx.account_id, inst_id)
    ours = Fill.order_id.is_not(None)
    rows = session.execute(
        select(Fill, Order)
        .outerjoin(Order, Order.id == Fill.order_id)
        .where(
            Fill.account_id == ctx.account_id, Fill.inst_id == inst_id, Fill.journalled.is_(False),
            ours if trade is None else ours | (Fill.market_at >= trade.opened_market_at),
        )
        .order_by(Fill.market_at, Fill.id)
    ).all()  # fmt: skip
    for fill, order in rows:
        cycle_id = order.cycle_id if order is not None and order.cycle_id else trade.cycle_id if trade else None
        with structlog.contextvars.bound_contextvars(**({} if cycle_id is None else {"cycle_id": cycle_id})):
            if _count(ctx, session, trade, fill, order):
                fill.journalled = True
                logger.info("fill_journalled", inst_id=fill.inst_id, side=fill.side, px=str(fill.px),
                            contracts=str(fill.sz_contracts), fee=str(fill.fee))  # fmt: skip
                return True
    return False


def open_trade(session: Session, account_id: int, inst_id: str) -> Trade | None:
    """The trade of the position now open, if it is ours."""
    return session.scalars(
        select(Trade).where(Trade.account_id == account_id, Trade.inst_id == inst_id, Trade.closed_market_at.is_(None))
    ).one_or_none()


def signed(trade: Trade) -> Decimal:
    """Contracts of a trade, positive long."""
    return trade.contracts if trade.side == "long" else -trade.contracts


def count_funding(session: Session, bill: Bill) -> None:
    """A new funding bill: to the trade that held the instrument then."""
    trade = session.scalars(
        select(Trade)
        .where(
            Trade.account_id == bill.account_id,
            Trade.inst_id == bill.inst_id,
            Trade.opened_market_at <= bill.market_at,
            (Trade.closed_market_at.is_(None)) | (Trade.closed_market_at >= bill.market_at),
        )
        .order_by(Trade.id)
        .limit(1)
    ).one_or_none()
    if trade is None:
        return
    trade.funding += bill.pnl  # isolated: the change may be of the position's margin, not of the balance
    total(trade)


def name_exit(session: Session, account_id: int, algo: AlgoOrder) -> None:
    """A stop or target took effect: it names the exit of the trade its order closed, also when that was seen first."""
    reason = EXITS.get(algo.actual_side)
    if reason is None or not algo.ord_id:
        return
    last = session.scalars(
        select(Fill)
        .where(Fill.account_id == account_id, Fill.inst_id == algo.inst_id, Fill.ord_id == algo.ord_id)
        .order_by(Fill.market_at.desc(), Fill.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return
    trade = session.scalars(
        select(Trade)
        .where(
            Trade.account_id == account_id,
            Trade.inst_id == algo.inst_id,
            Trade.closed_market_at == last.market_at,
        )
        .order_by(Trade.id.desc())
        .limit(1)
    ).one_or_none()
    if trade is not None:
        trade.exit_reason = reason


def _count(ctx: ExecutionContext, session: Session, trade: Trade | None, fill: Fill, order: Order | None) -> bool:
    """Whether the fill of `order` could be counted to `trade`, the open one; False leaves it for later."""
    long_side = fill.side == "buy"
    if trade is None:
        if order is None or order.leg not in ENTRY_LEGS:
            return False
        _open(ctx, session, fill, order)
        return True
    if (trade.side == "long") == long_side:
        if order is None or order.reduce_only:
            return False
        _add(trade, fill)
        return True
    if not _after_opening(session, trade, fill, order):
        return False
    _reduce(ctx, session, trade, fill, order)
    return True


def _after_opening(session: Session, trade: Trade, fill: Fill, order: Order | None) -> bool:
    """Whether a fill on the closing side can be of this trade. One that is not of our orders must be later than its
    opening: within a millisecond, as seen.
    """
    if fill.market_at != trade.opened_market_at:
        return fill.market_at > trade.opened_market_at
    if order is not None:
        return True
    opening = session.scalar(
        select(func.min(Fill.id))
        .join(Order, Order.id == Fill.order_id)
        .where(Fill.inst_id == trade.inst_id, Order.cycle_id == trade.cycle_id)
    )
    return opening is None or fill.id > opening


def _open(ctx: ExecutionContext, session: Session, fill: Fill, order: Order) -> None:
    cycle = session.get(DecisionCycle, order.cycle_id) if order.cycle_id is not None else None
    decision = (cycle.decision if cycle is not None else None) or {}
    plan = order.plan or {}
    trade = Trade(
        account_id=ctx.account_id,
        inst_id=fill.inst_id,
        side="long" if fill.side == "buy" else "short",
        cycle_id=order.cycle_id,
        opened_market_at=fill.market_at,
        contracts=fill.sz_contracts,
        max_contracts=fill.sz_contracts,
        entry_px=fill.px,
        exited_contracts=Decimal(0),
        pnl=fill.pnl,
        fees=fill.fee,
        funding=Decimal(0),
        net_pnl=Decimal(0),
        strategy=plan.get("strategy") or decision.get("strategy"),
        regime=decision.get("regime"),
        confidence=_decimal(plan.get("confidence") or decision.get("confidence")),
        analyst=cycle.analyst if cycle is not None else None,
        playbook_version=cycle.playbook_version if cycle is not None else None,
        plan=order.plan,
    )
    _set_risk(ctx, trade)
    total(trade)
    session.add(trade)
    session.flush()
    message = f"{trade.side} {trade.contracts} {trade.inst_id} at {trade.entry_px}"
    notices.alert(
        session, ctx.account_id, "trade_opened", "INFO", message, inst_id=trade.inst_id,
        payload={"trade_id": trade.id}, market_at=fill.market_at,
    )  # fmt: skip


def _add(trade: Trade, fill: Fill) -> None:
    opened = trade.contracts + trade.exited_contracts
    trade.entry_px = (trade.entry_px * opened + fill.px * fill.sz_contracts) / (opened + fill.sz_contracts)
    trade.contracts += fill.sz_contracts
    trade.max_contracts = max(trade.max_contracts, trade.contracts)
    trade.fees += fill.fee
    trade.pnl += fill.pnl
    total(trade)


def _reduce(ctx: ExecutionContext, session: Session, trade: Trade, fill: Fill, order: Order | None) -> None:
    exited = trade.exited_contracts + fill.sz_contracts
    trade.exit_px = ((trade.exit_px or Decimal(0)) * trade.exited_contracts + fill.px * fill.sz_contracts) / exited
    trade.exited_contracts = exited
    trade.contracts -= fill.sz_contracts
    trade.fees += fill.fee
    trade.pnl += fill.pnl
    total(trade)
    if trade.contracts > 0:
        return
    if trade.contracts < 0:
        message = f"a fill of {fill.sz_contracts} closed more than the {fill.sz_contracts + trade.contracts} open"
        notices.alert(session, ctx.account_id, "size_break", "CRITICAL", message, inst_id=trade.inst_id)
        trade.contracts = Decimal(0)
    _close(ctx, session, trade, fill, order)


def _close(ctx: ExecutionContext, session: Session, trade: Trade, fill: Fill, order: Order | None) -> None:
    trade.closed_market_at = fill.market_at
    trade.exit_reason = _exit_reason(ctx, session, trade, fill, order)
    total(trade)
    state = session.get_one(BotState, ctx.account_id, with_for_update=True)
    if trade.net_pnl < 0:
        state.consecutive_losses += 1
        if state.consecutive_losses >= ctx.settings.max_consecutive_losses:
            state.cooldown_until = fill.market_at + timedelta(minutes=ctx.settings.loss_cooldown_min)
            logger.warning("loss_cooldown", losses=state.consecutive_losses, until=state.cooldown_until.isoformat())
    else:
        state.consecutive_losses = 0
    r = f", {trade.r_multiple:.2f} R" if trade.r_multiple is not None else ""
    message = f"{trade.side} {trade.inst_id} closed by {trade.exit_reason}: {trade.net_pnl:.2f} USDT{r}"
    notices.alert(
        session, ctx.account_id, "trade_closed", "INFO", message, inst_id=trade.inst_id,
        payload={"trade_id": trade.id, "net_pnl": str(trade.net_pnl)}, market_at=fill.market_at,
    )  # fmt: skip
    outbox.post(session, "account.reconcile", "account", ["trade_closed"])  # its last bills
    outbox.post(session, "reflection.review", "reflection", [trade.id])


def _exit_reason(ctx: ExecutionContext, session: Session, trade: Trade, fill: Fill, order: Order | None) -> str:
    """What ended the trade, by evidence: the order that closed it, else the stop it came from."""
    if order is not None:
        if order.leg == Leg.FLATTEN:
            return "flatten"
        if order.cycle_id is None:
            return "protection"
        return "invalidation" if "invalidat" in order.reason.lower() else "decision"
    algo = session.scalars(
        select(AlgoOrder).where(AlgoOrder.account_id == ctx.account_id, AlgoOrder.ord_id == fill.ord_id)
    ).first()
    if algo is not None:
        return EXITS.get(algo.actual_side) or _nearer_leg(algo, fill.px)
    if fill.trade_id.startswith("-"):  # OKX: liquidation and deleveraging fills
        return "liquidation"
    return "foreign"


def _nearer_leg(algo: AlgoOrder, px: Decimal) -> str:
    """Which leg a fill at `px` came from, until the exchange names it (`actualSide`)."""
    if algo.take_profit_px is None:
        return "stop"
    if algo.stop_loss_px is None:
        return "target"
    return "stop" if abs(px - algo.stop_loss_px) <= abs(px - algo.take_profit_px) else "target"


def _set_risk(ctx: ExecutionContext, trade: Trade) -> None:
    """USDT between entry and the plan's stop; not known without a plan."""
    stop = _decimal((trade.plan or {}).get("stop_loss"))
    if stop is None:
        return
    coins = ctx.instrument(trade.inst_id).coins(trade.max_contracts)
    trade.risk = abs(trade.entry_px - stop) * coins


def total(trade: Trade) -> None:
    """Net P&L and R of what is counted so far."""
    trade.net_pnl = trade.pnl + trade.fees + trade.funding
    if trade.risk:
        trade.r_multiple = trade.net_pnl / trade.risk


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
