"""Flat, whatever else is broken: halts, cancels and closes straight at the exchange, and looks until it shows flat.

Needs PostgreSQL and the exchange; no Redis, no workers. Touches only what is ours, unless told `all_`. Every close
is an intent like any other; one whose outcome is not known is judged by the position that is left.
"""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import structlog
from sqlalchemy import select

from exchange.errors import ReadFailed
from execution import halting, intents, mirror, notices, outbox
from execution.context import ExecutionContext
from execution.errors import DuplicateIntent
from execution.identifiers import is_ours
from execution.ownership import our_part
from execution.submit import submit
from models import Order
from trading.orders import ENTRY_LEGS, Leg, OrderState, PositionReport

logger = structlog.get_logger()

WITHIN_S = 20.0
LOOK_EVERY_S = 0.2
TRY_AGAIN_AFTER_S = 3.0


@dataclass
class FlattenAnswer:
    """`flat` is the exchange's own word for what was to be closed; `left` names what it still shows."""

    flat: bool = False
    closed: list[str] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    untouched: list[str] = field(default_factory=list)  # not ours


def flatten(ctx: ExecutionContext, *, all_: bool = False, actor: str, channel: str = "cli") -> FlattenAnswer:
    """Halt, cancel orders, close positions, cancel stops. Returns when flat, or after 20 s with what is left."""
    with ctx.sessions.begin() as session:
        notices.audit(session, ctx.account_id, actor, channel, "flatten", {"all": all_})
    halting.halt(
        ctx, reason=f"flatten {'everything' if all_ else 'what is ours'}", kind="flatten", actor=actor, channel=channel
    )
    answer = FlattenAnswer()
    deadline = time.monotonic() + WITHIN_S
    tried: dict[str, float] = {}
    while True:
        try:
            open_ = _round(ctx, all_, answer, tried)
        except ReadFailed as failure:
            logger.warning("flatten_unreadable", reason=str(failure))
            open_ = [f"unknown: {failure}"]
        if not open_:
            answer.flat, answer.left = True, []
            break
        answer.left = open_
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_EVERY_S)
    logger.warning("flattened", flat=answer.flat, closed=answer.closed, left=answer.left, untouched=answer.untouched)
    return answer


def _round(ctx: ExecutionContext, all_: bool, answer: FlattenAnswer, tried: dict[str, float]) -> list[str]:
    """One look and what it calls for; returns what is not yet gone."""
    orders = [o for o in ctx.exchange.orders_pending() if all_ or is_ours(o.cl_ord_id, ctx.order_prefix)]
    for order in orders:
        if order.cl_ord_id:
            ctx.exchange.cancel_order(order.inst_id, order.cl_ord_id)
        else:
            ctx.exchange.cancel_order_by_id(order.inst_id, order.ord_id)
        answer.canceled.append(order.cl_ord_id or order.ord_id)
    # In this order: what was in flight may have become a position by the next look, never the other way round; and a
    # stop seen before the positions cannot be that of an entry filled after them.
    in_flight = _in_flight(ctx)
    stops = ctx.exchange.algos_pending()
    as_of = ctx.clock.wall_now()
    positions = ctx.exchange.positions()
    to_close = []
    for position in positions:
        part = None if all_ else our_part(ctx, position)
        if part == 0:
            if position.inst_id not in answer.untouched:
                answer.untouched.append(position.inst_id)
            continue
        mirror.ingest_position(ctx, position, as_of=as_of)
        to_close.append(position)
        if time.monotonic() - tried.get(position.inst_id, float("-inf")) > TRY_AGAIN_AFTER_S:
            _close(ctx, position, part, answer)
            tried[position.inst_id] = time.monotonic()  # after the call, which may take its whole timeout
    algos = []
    if not to_close:
        held = {position.inst_id for position in positions}
        algos = [
            a for a in stops
            if all_ or (is_ours(a.algo_cl_ord_id, ctx.order_prefix) and a.inst_id not in held)
        ]  # fmt: skip
        for start in range(0, len(algos), 10):
            ctx.exchange.cancel_algos([(a.inst_id, a.algo_id) for a in algos[start : start + 10]])
        answer.canceled += [a.algo_cl_ord_id or a.algo_id for a in algos]
    return (
        [f"order {o.cl_ord_id or o.ord_id}" for o in orders]
        + [f"position {p.inst_id} {p.contracts}" for p in to_close]
        + [f"stop {a.algo_cl_ord_id or a.algo_id}" for a in algos]
        + in_flight
    )


def _close(ctx: ExecutionContext, position: PositionReport, part: Decimal | None, answer: FlattenAnswer) -> None:
    try:
        with outbox.transaction(ctx) as session:
            order = intents.record_whole_close(
                ctx, session, position.inst_id, position.contracts, position.created_at, Leg.FLATTEN, "flatten",
                "control", part=part, announce=False,
            )  # fmt: skip
    except DuplicateIntent as duplicate:
        logger.warning("close_intent_exists", reason=str(duplicate))  # a second flatten beside this one
        return
    state = submit(ctx, order.id)
    logger.info("flatten_close", inst_id=position.inst_id, contracts=str(position.contracts), state=state)
    if position.inst_id not in answer.closed:
        answer.closed.append(position.inst_id)


def _in_flight(ctx: ExecutionContext) -> list[str]:
    """Entries that were being sent when the halt came: they end within their expTime."""
    with ctx.sessions() as session:
        return [
            f"order {cl_ord_id} was being sent"
            for cl_ord_id in session.scalars(
                select(Order.cl_ord_id).where(
                    Order.account_id == ctx.account_id,
                    Order.state.in_((OrderState.SUBMITTING, OrderState.UNKNOWN)),
                    Order.leg.in_(ENTRY_LEGS),
                    Order.exp_time > ctx.clock.wall_now() - timedelta(seconds=ctx.settings.unknown_grace_s),
                )
            )
        ]
