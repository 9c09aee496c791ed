"""The occasions of a cycle: a release on the calendar, Opus's last question here, four hours of open interest.

Read from the snapshot and from earlier cycles of the instrument, so that they rest on nothing a replay has not.
"""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from brain.occasions import NEWS_WINDOW, OPEN_INTEREST_OVER, Occasions
from models import DecisionCycle
from trading.snapshot import MarketSnapshot

# A question is answered at the next decision, and only while it is news.
QUESTION_LIVES = timedelta(minutes=30)
QUESTIONS_AN_HOUR = 2
SLACK = timedelta(minutes=15)


def find_occasions(session: Session, cycle: DecisionCycle, market: MarketSnapshot) -> Occasions:
    """What calls for a look beyond the candles at this cycle."""
    return Occasions(
        news=news_due(market),
        requested=_requested(session, cycle),
        open_interest_change_pct=_open_interest_change(session, cycle, market),
    )


def stored_occasions(cycle: DecisionCycle) -> Occasions:
    """As they were found when the cycle was screened."""
    return Occasions.model_validate((cycle.screening or {}).get("occasions") or {})


def news_due(market: MarketSnapshot) -> str | None:
    """The release due within the news window; None where there is none, or no calendar."""
    event = market.calendar.next_event if market.calendar else None
    if event is None or not timedelta(0) <= event.at - market.slot <= NEWS_WINDOW:
        return None
    return event.name


def _requested(session: Session, cycle: DecisionCycle) -> str | None:
    """The question of the last decision here, if it is fresh and not too many were asked in this hour."""
    earlier = (
        DecisionCycle.account_id == cycle.account_id,
        DecisionCycle.inst_id == cycle.inst_id,
        DecisionCycle.slot < cycle.slot,
    )
    question = session.scalar(
        select(DecisionCycle.decision["research_question"].astext)
        .where(*earlier, DecisionCycle.slot >= cycle.slot - QUESTION_LIVES, DecisionCycle.decision.is_not(None))
        .order_by(DecisionCycle.slot.desc())
        .limit(1)
    )
    if not question:
        return None
    asked = session.scalar(
        select(func.count()).where(
            *earlier,
            DecisionCycle.slot > cycle.slot - timedelta(hours=1),
            DecisionCycle.research["trigger"].astext == "opus asked",
        )
    )
    return question if (asked or 0) < QUESTIONS_AN_HOUR else None


def _open_interest_change(session: Session, cycle: DecisionCycle, market: MarketSnapshot) -> float | None:
    """Per cent over four hours; None where either end is not known."""
    now, then_at = market.open_interest_contracts, cycle.slot - OPEN_INTEREST_OVER
    if now is None:
        return None
    before = session.scalar(
        select(DecisionCycle.snapshot["market"]["open_interest_contracts"].astext)
        .where(
            DecisionCycle.account_id == cycle.account_id,
            DecisionCycle.inst_id == cycle.inst_id,
            DecisionCycle.slot.between(then_at - SLACK, then_at + SLACK),
            DecisionCycle.snapshot.is_not(None),
        )
        .order_by(DecisionCycle.slot.desc())
        .limit(1)
    )
    then = Decimal(before) if before else Decimal(0)
    return round(float((now - then) / then * 100), 2) if then else None
