"""Halt and resume, by a person, a stream entry or the account monitor.

`halt` needs PostgreSQL only: when it returns, the flag is committed and no entry claim can commit any more;
orders already on their way are listed.
"""

from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from execution import notices, resting
from execution.breach import breach_of
from execution.context import ExecutionContext
from execution.errors import Refused
from execution.tightening import limits_in_force
from models import BotState, Order
from models.accounts import AUTOMATIC_RISK_HALTS
from trading.clock import ClockUnavailable
from trading.orders import OrderState

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HaltAnswer:
    """`new` is False when the bot was halted already; `replaced` is the automatic halt whose place this one took.
    `in_flight` are orders that were being sent at that moment, and entries that rest on the book until the next tick
    of protection cancels them."""

    new: bool
    kind: str
    reason: str
    since: datetime | None
    in_flight: list[str] = field(default_factory=list)
    replaced: str = ""

    @property
    def kept(self) -> bool:
        """The halt already in force stays as it is."""
        return not self.new and not self.replaced

    @property
    def beside(self) -> str:
        """What else is true of a halt of a bot that was halted already, to follow kind and reason."""
        if self.kept:
            return "; what was said now is in the audit log only"
        return f"; it replaces {self.replaced}" if self.replaced else ""


def halt(
    ctx: ExecutionContext,
    *,
    reason: str,
    kind: str = "manual",
    actor: str,
    channel: str,
    control_stream_id: str | None = None,
) -> HaltAnswer:
    """No entries from now on. Idempotent: a halt already in force keeps its reason, unless a person halts over an
    automatic one; it is audited in either case, but for the same words said twice. `control_stream_id` stores the
    position of the stream entry that ordered it, in the same transaction.
    """
    reason, actor = reason.replace("\0", ""), actor.replace("\0", "")  # PostgreSQL's text holds no NUL
    with ctx.sessions.begin() as session:
        state = session.get_one(BotState, ctx.account_id, with_for_update=True)
        if control_stream_id is not None:
            state.control_stream_id = control_stream_id
        new = not state.halted
        before = "" if new else f"{state.halt_kind}: {state.halt_reason}"
        replaces = not new and state.halt_kind in AUTOMATIC_RISK_HALTS and kind not in AUTOMATIC_RISK_HALTS
        detail = {"kind": kind, "reason": reason}
        if before:
            detail["replaces" if replaces else "kept"] = before
        # Telegram hands out an update again until it is confirmed: the same words of the same person are one action.
        if new or (state.halt_kind, state.halt_reason, state.halted_by) != (kind, reason, actor):
            notices.audit(session, ctx.account_id, actor, channel, "halt", detail)
        if new or replaces:
            state.halted, state.halt_kind, state.halt_reason, state.halted_by = True, kind, reason, actor
            state.halted_at, state.halted_market_at = ctx.clock.wall_now(), None
            notices.alert(session, ctx.account_id, "halted", "CRITICAL", f"halted ({kind}): {reason}")
        answer = HaltAnswer(
            new,
            state.halt_kind or kind,
            state.halt_reason or reason,
            state.halted_at,
            _in_flight(session, ctx.account_id),
            before if replaces else "",
        )
    _stamp_market_time(ctx)
    logger.warning("halted", new=new, kind=answer.kind, reason=answer.reason, in_flight=answer.in_flight)
    return answer


def which(state: BotState) -> dict[str, str]:
    """Which halt this is, to be given back to `resume`."""
    return {"kind": state.halt_kind or "", "since": state.halted_at.isoformat() if state.halted_at else ""}


def resume(ctx: ExecutionContext, *, actor: str, channel: str, only: dict[str, str] | None = None) -> str:
    """Allow entries again; the baseline that was breached starts anew. Returns what was lifted.

    Raises Refused with the reason while an order's outcome is unknown or the account is not known, and where the halt
    is another one than `only`: whoever decided did not know of it.
    """
    with ctx.sessions.begin() as session:
        state = session.get_one(BotState, ctx.account_id, with_for_update=True)
        if not state.halted and (state.day is None or state.day_baseline is not None):
            raise Refused("the bot is not halted")
        if only is not None and which(state) != only:
            raise Refused("the halt is another one than when you were asked")
        unknown = session.scalars(
            select(Order.cl_ord_id).where(Order.account_id == ctx.account_id, Order.state == OrderState.UNKNOWN)
        ).all()
        if unknown:
            raise Refused(
                f"the outcome of {', '.join(unknown)} is not known yet; the resolver is looking for it, and "
                "`okxbot order settle` ends it by hand"
            )
        lifted = f"{state.halt_kind}: {state.halt_reason}" if state.halted else "entries refused: no baseline for today"
        rebased = _rebase(ctx, session, state)
        _clear(state)
        notices.audit(session, ctx.account_id, actor, channel, "resume", {"lifted": lifted, "rebased": rebased})
        notices.alert(session, ctx.account_id, "resumed", "INFO", f"resumed by {actor}; was halted ({lifted})")
    return lifted


def rebased_by_resume(ctx: ExecutionContext) -> list[str]:
    """Which baselines `resume` would start anew now: day, peak, both or none. Changes nothing."""
    with ctx.sessions() as session:
        state = session.get_one(BotState, ctx.account_id)
        rebased = _rebase(ctx, session, state)
        session.rollback()
    return [name for name in ("day", "peak") if name in rebased.split(", ")]


def clear_automatic_halts_on_restart(ctx: ExecutionContext) -> bool:
    """An orderly restart by the operator acts like `resume` for the monitor's halts, where settings say so."""
    if not ctx.settings.automatic_halts_clear_on_restart:
        return False
    with ctx.sessions.begin() as session:
        state = session.get_one(BotState, ctx.account_id, with_for_update=True)
        if not state.halted or state.halt_kind not in AUTOMATIC_RISK_HALTS:
            return False
        lifted = f"{state.halt_kind}: {state.halt_reason}"
        rebased = _rebase(ctx, session, state)
        _clear(state)
        notices.audit(
            session,
            ctx.account_id,
            "operator",
            "bot",
            "halt_cleared_by_restart",
            {"lifted": lifted, "rebased": rebased},
        )
    logger.info("halt_cleared_by_restart", lifted=lifted)
    return True


def set_state(ctx: ExecutionContext, state: str) -> None:
    """starting, running, draining or stopped: entries are claimed only while running."""
    with ctx.sessions.begin() as session:
        row = session.get_one(BotState, ctx.account_id, with_for_update=True)
        before, row.state = row.state, state
    logger.info("bot_state", before=before, state=state)


def _rebase(ctx: ExecutionContext, session: Session, state: BotState) -> str:
    """Start the breached baseline anew from the last equity; a baseline that is missing is set by the same word."""
    if state.equity is None:
        return "nothing: equity is not known"
    rebased = []
    in_force = limits_in_force(session, ctx.account_id, ctx.settings)
    limits = (in_force["daily_loss_halt_pct"], in_force["drawdown_halt_pct"])
    for _ in range(2):
        breach = breach_of(state, *limits)
        kind = breach[0] if breach else None
        if kind == "daily_loss" or (state.halt_kind == "daily_loss" and "day" not in rebased):
            state.day_baseline = state.equity
            rebased.append("day")
        if kind == "drawdown" or (state.halt_kind == "drawdown" and "peak" not in rebased):
            state.peak_equity = state.equity
            rebased.append("peak")
    if state.day is not None and state.day_baseline is None:
        state.day_baseline = state.equity
        rebased.append("day")
    return ", ".join(dict.fromkeys(rebased)) or "nothing"


def _clear(state: BotState) -> None:
    state.halted = False
    state.halt_kind = state.halt_reason = state.halted_by = None
    state.halted_at = state.halted_market_at = None


def _in_flight(session: Session, account_id: int) -> list[str]:
    return list(
        session.scalars(
            select(Order.cl_ord_id)
            .where(Order.account_id == account_id, (Order.state == OrderState.SUBMITTING) | resting.rests())
            .order_by(Order.id)
        )
    )


def _stamp_market_time(ctx: ExecutionContext) -> None:
    """When in the market's time it was; asked after the halt holds, which does not wait for the exchange."""
    try:
        market_now = ctx.clock.market_now()
    except ClockUnavailable as unavailable:
        logger.warning("halt_market_time_unknown", reason=str(unavailable))
        return
    with ctx.sessions.begin() as session:
        state = session.get_one(BotState, ctx.account_id, with_for_update=True)
        if state.halted and state.halted_market_at is None:
            state.halted_market_at = market_now
