"""A person tightens a limit of the running bot: stored, audited, in force with the next decision."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from execution import notices
from execution.context import ExecutionContext
from execution.errors import Refused
from models import BotState, LimitOverride
from settings import AnySettings
from trading.tightening import TIGHTENS, in_force, is_tighter

PLAIN_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,4})?")
# Tighter is higher: beyond these the bot would only seem to run. A day is as far as the gate looks back for exits.
HIGHEST = {"min_reward_risk": 20, "reentry_cooldown_min": 1440}


def overrides(session: Session, account_id: int) -> dict[str, str]:
    """Tightened limits by the name of their setting."""
    rows = session.scalars(select(LimitOverride).where(LimitOverride.account_id == account_id))
    return {row.key: row.value for row in rows}


def limits_in_force(session: Session, account_id: int, settings: AnySettings) -> dict[str, Decimal]:
    """Every limit that can be tightened, as it is now."""
    written = overrides(session, account_id)
    return {key: in_force(key, Decimal(getattr(settings, key)), written) for key in TIGHTENS}


def tighten_limit(ctx: ExecutionContext, key: str, value: str, *, actor: str, channel: str) -> tuple[Decimal, Decimal]:
    """Set a stricter limit; returns what was and what is in force. Raises Refused where it is not stricter."""
    wish = judged(ctx.settings, key, value)
    with ctx.sessions.begin() as session:
        session.get_one(BotState, ctx.account_id, with_for_update=True)  # one writer at a time
        before = limits_in_force(session, ctx.account_id, ctx.settings)[key]
        if not is_tighter(key, wish, before):
            raise Refused(f"{key} is {before:f}; {wish:f} is not stricter, and limits are only tightened from here")
        row = session.get(LimitOverride, (ctx.account_id, key))
        if row is None:
            row = LimitOverride(account_id=ctx.account_id, key=key)
            session.add(row)
        row.value, row.set_by, row.set_at = f"{wish:f}", actor, ctx.clock.wall_now()
        detail = {"key": key, "before": f"{before:f}", "after": f"{wish:f}"}
        notices.audit(session, ctx.account_id, actor, channel, "limit_tightened", detail)
    return before, wish


def clear_limit(ctx: ExecutionContext, key: str, *, actor: str, channel: str) -> str:
    """Let the setting rule again; returns what had been set by hand. Raises Refused where nothing was."""
    with ctx.sessions.begin() as session:
        row = session.get(LimitOverride, (ctx.account_id, key), with_for_update=True)
        if row is None:
            raise Refused(f"{key} was not tightened by hand; `okxbot limits` lists what was")
        was = row.value
        session.delete(row)
        notices.audit(session, ctx.account_id, actor, channel, "limit_cleared", {"key": key, "was": was})
    return was


def judged(settings: AnySettings, key: str, value: str) -> Decimal:
    """The value as the setting itself would take it. Raises Refused with what is allowed."""
    if key not in TIGHTENS:
        raise Refused(f"{key} cannot be changed from here")
    most = HIGHEST.get(key)
    if not PLAIN_NUMBER.fullmatch(value):  # no exponents: a digit more could be a million
        raise Refused(f"{key}: must be a number such as 2 or 1.5")
    field = type(settings).model_fields[key]
    try:
        wish = Decimal(value)
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, *field.metadata])  # type: ignore[arg-type]
        adapter.validate_python(int(wish) if field.annotation is int and wish == int(wish) else wish)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise Refused(f"{key}: {said[0].lower()}{said[1:]}") from None
    if most is not None and wish > most:
        raise Refused(f"{key}: must be {most} at most")
    return wish
