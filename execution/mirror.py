"""What the exchange says, written down: idempotent, whoever brings it, however often, late or out of order.

Pushes and reconciliation use the same functions. Nothing moves backwards: an order by its filled size and state, an
algo order by its state, a position by its time. `as_of` is the wall time before a REST read began; a row written
since then is newer than the read and stays. All ingestion of one instrument is serialised by a lock.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from execution import journal, locks, monitor, notices, outbox, uncovered
from execution.context import ExecutionContext
from execution.coverage import refresh_levels
from execution.following import find_order, follow, follow_algo, follow_move
from execution.identifiers import is_ours
from execution.locks import LockReason
from models import AlgoOrder, Fill, Order, Position, Trade
from trading.orders import (
    AlgoReport,
    BalanceReport,
    FillReport,
    Leg,
    OrderReport,
    OrderState,
    PositionReport,
)

ENDED_ALGO_STATES = ("effective", "canceled", "order_failed", "partially_failed")
FAILED_ALGO_STATES = ("order_failed", "partially_failed")
MAY_HAVE_OPENED = (
    OrderState.SUBMITTING, OrderState.LIVE, OrderState.PARTIALLY_FILLED, OrderState.FILLED, OrderState.UNKNOWN,
)  # fmt: skip
FOREIGN_CATEGORIES = ("normal", "twap", "")  # others are the exchange's own: liquidation, adl, delivery


def instrument_lock(session: Session, account_id: int, inst_id: str) -> None:
    """One writer of the mirror of an instrument at a time, to the end of the transaction."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(:account, hashtext(:inst))"),
        {"account": account_id, "inst": inst_id},
    )


def ingest_order(ctx: ExecutionContext, report: OrderReport, source: str = "push") -> None:
    """An order as the exchange has it. Ours: its row follows. Not ours and not the exchange's own: a lock."""
    with outbox.transaction(ctx) as session:
        instrument_lock(session, ctx.account_id, report.inst_id)
        order = find_order(session, ctx, report.cl_ord_id, report.ord_id)
        if order is not None:
            follow(ctx, session, order, report, source)
            return
        if report.algo_id or report.algo_cl_ord_id:
            _link_child(session, ctx, report)
            return
        if report.category in FOREIGN_CATEGORIES and report.state in ("live", "partially_filled"):
            reason = (
                LockReason.ORPHAN_ORDER if is_ours(report.cl_ord_id, ctx.order_prefix) else LockReason.FOREIGN_ORDER
            )
            _locked(
                ctx,
                session,
                report.inst_id,
                reason,
                f"order {report.ord_id} {report.cl_ord_id} is not in our books",
            )


def ingest_fill(ctx: ExecutionContext, report: FillReport) -> None:
    """A fill, once; a repeat only adds the bill id a push does not carry. Then the journal."""
    ctx.instrument(report.inst_id)
    with outbox.transaction(ctx) as session:
        instrument_lock(session, ctx.account_id, report.inst_id)
        order = find_order(session, ctx, report.cl_ord_id, report.ord_id)
        written = session.execute(
            insert(Fill)
            .values(
                account_id=ctx.account_id,
                order_id=order.id if order else None,
                inst_id=report.inst_id,
                trade_id=report.trade_id,
                ord_id=report.ord_id,
                cl_ord_id=report.cl_ord_id,
                bill_id=report.bill_id,
                side=report.side,
                sz_contracts=report.sz_contracts,
                px=report.px,
                fee=report.fee,
                fee_ccy=report.fee_ccy,
                pnl=report.pnl,
                exec_type=report.exec_type,
                market_at=report.at,
            )
            .on_conflict_do_nothing()
            .returning(Fill.id)
        ).scalar_one_or_none()
        if written is None and report.bill_id:
            session.execute(
                update(Fill)
                .where(
                    Fill.account_id == ctx.account_id,
                    Fill.inst_id == report.inst_id,
                    Fill.trade_id == report.trade_id,
                    Fill.bill_id == "",
                )
                .values(bill_id=report.bill_id)
            )
        journal.count_fills(ctx, session, report.inst_id)


def ingest_position(ctx: ExecutionContext, report: PositionReport, as_of: datetime | None = None) -> None:
    """A position in net mode. Zero contracts are an explicit flat."""
    with outbox.transaction(ctx) as session:
        instrument_lock(session, ctx.account_id, report.inst_id)
        row = session.scalars(
            select(Position).where(
                Position.account_id == ctx.account_id,
                Position.inst_id == report.inst_id,
                Position.mgn_mode == report.mgn_mode,
                Position.pos_side == report.pos_side,
            )
        ).one_or_none()
        if row is None:
            row = Position(
                account_id=ctx.account_id,
                inst_id=report.inst_id,
                mgn_mode=report.mgn_mode,
                pos_side=report.pos_side,
                pos_id=report.pos_id,
                contracts=Decimal(0),
                updated_market_at=report.updated_at,
                naked_seconds=Decimal(0),
            )
            session.add(row)
        elif _older(row, report.updated_at, as_of):
            return
        was = row.contracts
        if report.contracts == 0:
            _flatten_row(ctx, session, row, report.updated_at)
            return
        newer = row.opened_market_at is not None and report.created_at > row.opened_market_at
        if was == 0 or newer or (was > 0) != (report.contracts > 0):
            row.opened_market_at = report.created_at
            row.plan = _plan_of(session, ctx, report.inst_id, report.contracts)
            row.naked_seconds = Decimal(0)
            row.moved_stop_px = row.uncovered_since = row.alarmed_at = None
        row.plan = row.plan or _plan_of(session, ctx, report.inst_id, report.contracts)
        row.pos_id, row.contracts = report.pos_id, report.contracts
        row.avg_px, row.mark_px, row.upl = report.avg_px, report.mark_px, report.upl
        row.margin, row.leverage, row.liq_px = report.margin, report.leverage, report.liq_px
        row.updated_market_at = report.updated_at
        row.seen_at = ctx.clock.wall_now()
        session.flush()
        refresh_levels(ctx, session, row)


def ingest_flat(ctx: ExecutionContext, inst_id: str, at: datetime, as_of: datetime | None = None) -> None:
    """The exchange said explicitly that there is no position (a push of zero, or a successful list without it)."""
    with outbox.transaction(ctx) as session:
        instrument_lock(session, ctx.account_id, inst_id)
        rows = session.scalars(
            select(Position).where(Position.account_id == ctx.account_id, Position.inst_id == inst_id)
        ).all()
        if not rows:
            # So that a late report of the position that was cannot bring it back.
            session.add(
                Position(
                    account_id=ctx.account_id, inst_id=inst_id, mgn_mode=ctx.settings.margin_mode, pos_side="net",
                    pos_id="", contracts=Decimal(0), updated_market_at=at, seen_at=ctx.clock.wall_now(),
                )
            )  # fmt: skip
        for row in rows:
            if not _older(row, at, as_of):
                _flatten_row(ctx, session, row, at)


def ingest_algo(ctx: ExecutionContext, report: AlgoReport, source: str = "push") -> None:
    """A stop or target order. Ended states are final."""
    with outbox.transaction(ctx) as session:
        instrument_lock(session, ctx.account_id, report.inst_id)
        row = session.scalars(
            select(AlgoOrder).where(AlgoOrder.account_id == ctx.account_id, AlgoOrder.algo_id == report.algo_id)
        ).one_or_none()
        if row is None:
            row = AlgoOrder(
                account_id=ctx.account_id,
                algo_id=report.algo_id,
                algo_cl_ord_id=report.algo_cl_ord_id,
                inst_id=report.inst_id,
                ord_type=report.ord_type,
                side=report.side,
                created_market_at=report.created_at,
            )
            session.add(row)
        elif row.state in ENDED_ALGO_STATES and report.state != row.state:
            return
        failed = report.state in FAILED_ALGO_STATES and row.state != report.state
        row.state = report.state
        row.sz_contracts, row.close_fraction = report.sz_contracts, report.close_fraction
        row.reduce_only = report.reduce_only
        row.stop_loss_px, row.take_profit_px = report.stop_loss_px, report.take_profit_px
        row.actual_side = report.actual_side or row.actual_side or ""
        row.fail_code = report.fail_code or row.fail_code or ""
        row.ord_id = report.ord_id or row.ord_id or ""
        row.updated_market_at = report.updated_at or row.updated_market_at
        row.seen_at = ctx.clock.wall_now()
        session.flush()
        order = find_order(session, ctx, report.algo_cl_ord_id, None)
        if order is not None and order.kind == "algo":
            follow_algo(ctx, session, order, report, source)
            follow_move(session, order, report, source)
        if failed and is_ours(report.algo_cl_ord_id, ctx.order_prefix):
            message = f"stop {report.algo_id} triggered and failed: {report.fail_code}"
            notices.alert(session, ctx.account_id, "stop_failed", "CRITICAL", message, inst_id=report.inst_id)
            outbox.post(session, "protect.check", "protect", [])
        if report.state == "effective":
            journal.name_exit(session, ctx.account_id, row)
        for position in session.scalars(
            select(Position).where(Position.account_id == ctx.account_id, Position.inst_id == report.inst_id)
        ):
            refresh_levels(ctx, session, position)


def ingest_balance(ctx: ExecutionContext, report: BalanceReport) -> None:
    """The account's money: to the account monitor."""
    monitor.observe(ctx, report.equity, report.updated_at)


def _link_child(session: Session, ctx: ExecutionContext, report: OrderReport) -> None:
    """The order a triggered stop became: its fills tell by which leg the position was left."""
    session.execute(
        update(AlgoOrder)
        .where(
            AlgoOrder.account_id == ctx.account_id,
            or_(
                AlgoOrder.algo_id == report.algo_id,
                (AlgoOrder.algo_cl_ord_id == report.algo_cl_ord_id) & (AlgoOrder.algo_cl_ord_id != ""),
            ),
            AlgoOrder.ord_id == "",
        )
        .values(ord_id=report.ord_id)
    )


def _older(row: Position, at: datetime, as_of: datetime | None) -> bool:
    if as_of is not None and row.seen_at is not None and row.seen_at > as_of:
        return True
    return at < row.updated_market_at


def _flatten_row(ctx: ExecutionContext, session: Session, row: Position, at: datetime) -> None:
    now = ctx.clock.wall_now()
    since = row.uncovered_since
    if since is not None and not uncovered.being_closed(ctx, session, row, since):
        monitor.add_naked_time(ctx, session, row, now)
    elif row.contracts != 0:  # its stop went with it: together, or was there a time in between?
        last_fill = session.scalar(
            select(func.max(Fill.market_at)).where(Fill.account_id == ctx.account_id, Fill.inst_id == row.inst_id)
        )
        naked = uncovered.outlived_its_stop(ctx, session, row, max(at, last_fill or at))
        if naked:
            monitor.count_naked(ctx, session, row, naked)
    row.contracts, row.upl, row.margin = Decimal(0), Decimal(0), Decimal(0)
    row.stop_px = row.target_px = row.moved_stop_px = row.plan = None
    row.uncovered_since = row.alarmed_at = None
    row.updated_market_at, row.seen_at = max(at, row.updated_market_at), now
    # Stops of ours that outlive the position must go.
    left = session.scalar(
        select(AlgoOrder.id)
        .where(
            AlgoOrder.account_id == ctx.account_id,
            AlgoOrder.inst_id == row.inst_id,
            AlgoOrder.state == "live",
        )
        .limit(1)
    )
    if left is not None:
        outbox.post(session, "protect.check", "protect", [])


def _plan_of(session: Session, ctx: ExecutionContext, inst_id: str, contracts: Decimal) -> dict[str, object] | None:
    """Plan of the entry that opened a position in this direction: the latest that may have, and is not closed again."""
    return session.scalar(
        select(Order.plan)
        .where(
            Order.account_id == ctx.account_id,
            Order.inst_id == inst_id,
            Order.leg == Leg.ENTRY,
            Order.side == ("buy" if contracts > 0 else "sell"),
            or_(
                Order.state.in_(MAY_HAVE_OPENED),
                (Order.state == OrderState.CANCELED) & (Order.acc_fill_sz_contracts > 0),
            ),
            ~exists().where(Trade.cycle_id == Order.cycle_id, Trade.closed_market_at.is_not(None)),
        )
        .order_by(Order.id.desc())
        .limit(1)
    )  # fmt: skip


def _locked(ctx: ExecutionContext, session: Session, inst_id: str, reason: LockReason, detail: str) -> None:
    if locks.lock(session, ctx.account_id, inst_id, reason, detail):
        notices.alert(session, ctx.account_id, reason.value, "WARN", detail, inst_id=inst_id)
