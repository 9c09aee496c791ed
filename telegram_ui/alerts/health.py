"""Feeds and interfaces that fall silent: one CRITICAL when they do, one INFO when they are back.

What was told is stored, so that a restart of this service tells nothing twice. In lockstep, and when the candles of a
file have run out, a silent feed is no fault.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import select

from exchange.clock import PaperClock
from exchange.errors import ReadFailed
from execution import notices
from models import BotState, LlmCall, ReadingPosition
from settings import PaperSettings
from telegram_ui.desk import Desk
from trading.clock import ClockUnavailable

logger = structlog.get_logger()
PATIENCE = 3  # times the freshness an entry demands
ACCOUNT_SILENT = timedelta(seconds=180)  # reconciliation looks each minute
FIRST_WORD_WITHIN = timedelta(seconds=120)
MODEL_CALLS = 3
MODEL_WITHIN = timedelta(minutes=30)


def check(desk: Desk) -> None:
    """Look at everything once; write what has changed since the last look."""
    with desk.ctx.sessions() as session:
        state = session.get_one(BotState, desk.ctx.account_id)
    if state.state != "running":
        return
    for name, look in _LOOKS:
        _tell(desk, name, look(desk, state))


def _market_feed(desk: Desk, state: BotState) -> str | None:
    settings = desk.settings
    if isinstance(settings, PaperSettings) and settings.paper_speed == "lockstep":
        return None
    ages = desk.present.feed_ages(settings.instruments)
    if ages is None:
        return "Redis does not answer: no market data, no entries"
    if not ages:
        began = state.started_at
        waited = began is None or desk.ctx.clock.wall_now() - began > FIRST_WORD_WITHIN
        return "the market feed has not said a word" if waited else None
    silent = []
    for channel, age in sorted(ages.items()):
        fresh = getattr(settings, f"fresh_{channel}_s", None)
        if fresh is not None and age > PATIENCE * fresh:
            silent.append(f"{channel} {age:.0f} s")
    if not silent or _market_ended(desk):
        return None
    return f"the market feed is silent: {', '.join(silent)}"


def _market_ended(desk: Desk) -> bool:
    clock = desk.ctx.clock
    try:
        return isinstance(clock, PaperClock) and clock.ended
    except ClockUnavailable:
        return False


def _account_feed(desk: Desk, state: BotState) -> str | None:
    if state.equity_at is None or desk.ctx.clock.wall_now() - state.equity_at < ACCOUNT_SILENT:
        return None
    silent = (desk.ctx.clock.wall_now() - state.equity_at).total_seconds()
    return f"nothing was heard of the account for {silent:.0f} s"


def _exchange(desk: Desk, _state: BotState) -> str | None:
    try:
        desk.ctx.exchange.server_time()
    except ReadFailed as failure:
        return f"the exchange does not answer: {failure}"
    return None


def _models(desk: Desk, _state: BotState) -> str | None:
    """The last calls to a model all failed, and lately."""
    with desk.ctx.sessions() as session:
        outcomes = session.scalars(
            select(LlmCall.outcome)
            .where(
                LlmCall.account_id == desk.ctx.account_id,
                LlmCall.finished_at > desk.ctx.clock.wall_now() - MODEL_WITHIN,
            )
            .order_by(LlmCall.id.desc())
            .limit(MODEL_CALLS)
        ).all()
    if len(outcomes) < MODEL_CALLS or any(outcome in ("ok", "refusal") for outcome in outcomes):
        return None
    return f"the last {MODEL_CALLS} calls to a model failed: {', '.join(outcomes)}"


_LOOKS: tuple[tuple[str, Callable[[Desk, BotState], str | None]], ...] = (
    ("market_feed", _market_feed),
    ("account_feed", _account_feed),
    ("exchange", _exchange),
    ("models", _models),
)


def _tell(desk: Desk, name: str, trouble: str | None) -> None:
    ctx = desk.ctx
    now = "down" if trouble else "up"
    with ctx.sessions.begin() as session:
        row = session.get(ReadingPosition, (ctx.account_id, f"health:{name}"), with_for_update=True)
        if row is None:
            row = ReadingPosition(account_id=ctx.account_id, source=f"health:{name}", position="up")
            session.add(row)
        if row.position == now:
            return
        row.position = now
        if trouble:
            notices.alert(session, ctx.account_id, f"{name}_down", "CRITICAL", trouble)
        else:
            words = name.replace("_", " ")
            notices.alert(session, ctx.account_id, f"{name}_back", "INFO", f"{words}: works again")
