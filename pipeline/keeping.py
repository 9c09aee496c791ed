"""When what Opus has cached is about to be forgotten: an hour after it was last read.

By the market's clock, which is the API's wherever the bot trades in earnest.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import DecisionCycle, LlmCall

FORGOTTEN_AFTER = timedelta(hours=1)
# Two cycles of five minutes: one may fail.
DYING_FROM = timedelta(minutes=50)


def cache_is_dying(session: Session, account_id: int, slot: datetime) -> bool:
    """Whether the last reading was nearly an hour before `slot`. What is forgotten already is not worth a call."""
    read = session.scalar(
        select(DecisionCycle.slot)
        .join(LlmCall, LlmCall.cycle_id == DecisionCycle.id)
        .where(LlmCall.account_id == account_id, LlmCall.purpose.in_(("decide", "keep")), LlmCall.outcome == "ok")
        .order_by(LlmCall.created_at.desc())
        .limit(1)
    )
    return read is not None and DYING_FROM <= slot - read < FORGOTTEN_AFTER
