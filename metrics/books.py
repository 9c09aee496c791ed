"""What PostgreSQL knows: the bot's state, money at risk, model budget, work that waits, and the database itself.

Every statement is cheap on a year of data. Ages are wall seconds; amounts USDT or USD as named.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from metrics.families import Family, counters, gauge, gauges
from models import Alert, BotState, BreakRow, DecisionCycle, InstrumentLock, LlmCall, Order, OutboxMessage, Position
from settings import Settings
from trading.orders import OPEN_STATES


def of_the_state(session: Session, account_id: int, now: datetime) -> Iterable[Family]:
    """May it trade, what rests on it, how long ago its guards last looked."""
    state = session.get_one(BotState, account_id)
    yield from gauges("okxbot_state", "1 for the state the bot is in.", ("state",), {(_word(state),): 1.0})
    yield from gauge("okxbot_halted", "1 while halted.", float(state.halted))
    yield from gauge("okxbot_equity_usdt", "Equity, net of nothing.", _number(state.equity))
    yield from counters("okxbot_naked_seconds", "Seconds positions were without a stop, in all.", (),
                        {(): float(state.naked_seconds_total)})  # fmt: skip
    yield from gauge("okxbot_clock_skew_seconds", "The exchange's clock minus ours.", _number(state.clock_skew_s))
    looked = {
        "reconcile": state.reconciled_at,
        "protection": state.protection_seen_at,
        "invariants": state.invariants_checked_at,
        "account": state.equity_at,
    }
    ages = {(name,): (now - at).total_seconds() for name, at in looked.items() if at is not None}
    yield from gauges("okxbot_guard_age_seconds", "Since each guard last finished a look.", ("guard",), ages)


def of_positions(session: Session, account_id: int, now: datetime) -> Iterable[Family]:
    """Positions and their cover now."""
    held = session.scalars(select(Position).where(Position.account_id == account_id, Position.contracts != 0)).all()
    naked = [now - row.uncovered_since for row in held if row.uncovered_since is not None]
    yield from gauge("okxbot_open_positions", "Positions held.", len(held))
    yield from gauge("okxbot_uncovered_positions", "Positions no stop covers now.", len(naked))
    yield from gauge("okxbot_uncovered_seconds", "How long the longest of them has been uncovered.",
                     max((age.total_seconds() for age in naked), default=0.0))  # fmt: skip


def of_the_budget(session: Session, account_id: int, now: datetime, settings: Settings) -> Iterable[Family]:
    """Model spend of the UTC day of wall time, reservations included, and its limit."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent = session.scalar(
        select(func.coalesce(func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd)), 0)).where(
            LlmCall.account_id == account_id, LlmCall.created_at >= midnight
        )
    )
    yield from gauge("okxbot_llm_spent_usd", "Spent or reserved since 00:00 UTC.", _number(spent))
    yield from gauge("okxbot_llm_budget_usd", "LLM_DAILY_BUDGET_USD.", float(settings.llm_daily_budget_usd))


def of_waiting_work(session: Session, account_id: int, now: datetime) -> Iterable[Family]:
    """Cycles and orders that have not ended, messages not sent, alerts not delivered, locks, differences."""
    cycles = session.execute(
        select(DecisionCycle.stage, func.count(), func.min(DecisionCycle.created_at))
        .where(DecisionCycle.stage != "done")
        .group_by(DecisionCycle.stage)
    ).all()
    yield from gauges("okxbot_open_cycles", "Cycles that have not ended, by their next stage.", ("stage",),
                      {(stage,): count for stage, count, _ in cycles})  # fmt: skip
    yield from gauges("okxbot_open_cycle_oldest_seconds", "Age of the oldest of them.", ("stage",),
                      {(stage,): (now - oldest).total_seconds() for stage, _, oldest in cycles})  # fmt: skip
    orders = session.execute(
        select(Order.state, func.count())
        .where(Order.account_id == account_id, Order.state.in_(OPEN_STATES))
        .group_by(Order.state)
    ).all()
    counted = {(state.value,): 0.0 for state in OPEN_STATES} | {(state,): float(count) for state, count in orders}
    yield from gauges("okxbot_open_orders", "Orders that may still have an effect.", ("state",), counted)
    unsent, oldest = session.execute(
        select(func.count(), func.min(OutboxMessage.created_at)).where(OutboxMessage.sent_at.is_(None))
    ).one()
    yield from gauge("okxbot_outbox_unsent", "Messages not sent yet.", unsent)
    yield from gauge("okxbot_outbox_oldest_seconds", "Age of the oldest of them.",
                     (now - oldest).total_seconds() if oldest else 0.0)  # fmt: skip
    for name, what, statement in (
        ("okxbot_locked_instruments", "Locks in force.", select(func.count()).select_from(InstrumentLock)
         .where(InstrumentLock.account_id == account_id, InstrumentLock.lifted_at.is_(None))),
        ("okxbot_open_breaks", "Confirmed differences and broken invariants that last.",
         select(func.count()).select_from(BreakRow).where(BreakRow.account_id == account_id,
         BreakRow.resolved_at.is_(None), BreakRow.confirmed_at.is_not(None))),
        ("okxbot_undelivered_alerts", "Alerts nobody has been told of.",
         select(func.count()).select_from(Alert).where(Alert.delivered_at.is_(None))),
    ):  # fmt: skip
        yield from gauge(name, what, float(session.scalar(statement) or 0))


def of_the_database(session: Session) -> Iterable[Family]:
    """The server this bot's database lies on."""
    size, rows = session.execute(
        text(
            "SELECT pg_database_size(current_database()), greatest(reltuples, 0) FROM pg_class "
            "WHERE oid = 'candles'::regclass"
        )
    ).one()
    connections = session.execute(
        text("SELECT coalesce(state, 'other'), count(*) FROM pg_stat_activity WHERE datname = current_database() "
             "GROUP BY 1")
    ).all()  # fmt: skip
    yield from gauge("okxbot_postgres_bytes", "Size of this bot's database.", float(size))
    yield from gauge("okxbot_candles", "Stored candles, estimated.", float(rows))
    yield from gauges("okxbot_postgres_connections", "Connections by state.", ("state",),
                      {(state,): count for state, count in connections})  # fmt: skip


def _word(state: BotState) -> str:
    return "halted" if state.halted and state.state == "running" else state.state


def _number(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]
