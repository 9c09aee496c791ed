"""Lessons: learned, renewed, merged where they contradict each other, forgotten, expired.

There is one lesson a scope. What is learned about a scope that has one already is merged with it on the trades of
both: the same stance renews it; the opposite one replaces it if the trades together say so, else what they say stands.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from trading.closed_trade import ClosedTrade
from trading.playbook import bounds
from trading.playbook.content import CalibrationCurve, Lesson, Playbook, Scope, TimeFilter
from trading.playbook.evidence import BOLD_LEVEL, CAUTIOUS_LEVEL, NotShown, cited, enough, shows
from trading.playbook.patch import Forget, Learn

Expiring = TypeVar("Expiring", Lesson, TimeFilter, CalibrationCurve)
SIGNS = {"avoid": -1, "favour": 1}
LEVELS = {"avoid": CAUTIOUS_LEVEL, "favour": BOLD_LEVEL}


def learn(
    playbook: Playbook, change: Learn, trades: Mapping[int, ClosedTrade], at: datetime, used: Collection[int] = ()
) -> Playbook:
    """With the lesson in it. Raises NotShown. `used`: trades a lesson of this scope has rested on before; once it has
    expired, or somebody has removed it, they do not bring it back."""
    if change.scope == Scope():
        raise NotShown("a lesson is about something: a strategy, a regime, a side or hours")
    found = cited(change.trade_ids, trades, change.scope.covers)
    before = lesson_about(playbook, change.scope)
    renewals = 0
    enough(found, bounds.LEAST_TRADES[change.kind], used if before is None else ())
    if before is not None:
        enough(found, 1, before.trade_ids)
        found = _together(found, before, trades)
        if before.stance == change.stance:
            renewals = before.renewals + 1
        elif not _says(found, change.stance):
            raise NotShown(f"it contradicts a lesson, and their {len(found)} trades together do not say so")
    shows(found, SIGNS[change.stance], LEVELS[change.stance])
    new = Lesson(
        text=change.text, trade_ids=_newest(found), stance=change.stance, scope=change.scope,
        expires_at=at + bounds.LESSON_LIFE, renewals=renewals,
    )  # fmt: skip
    return _with(playbook, [one for one in playbook.lessons if one is not before] + [new])


def forget(playbook: Playbook, change: Forget, trades: Mapping[int, ClosedTrade]) -> Playbook:
    """Without the lesson about a scope. Raises NotShown while its trades, newer ones included, still say so."""
    before = lesson_about(playbook, change.scope)
    if before is None:
        raise NotShown("there is no learned lesson about that")
    found = cited(change.trade_ids, trades, change.scope.covers)
    enough(found, bounds.LEAST_TRADES[change.kind], before.trade_ids)
    assert before.stance is not None, "a lesson with a scope has a stance"
    if _says(_together(found, before, trades), before.stance):
        raise NotShown("with these trades added, the lesson still holds")
    return _with(playbook, [one for one in playbook.lessons if one is not before])


def expire(playbook: Playbook, at: datetime) -> Playbook:
    """Without the lessons, time filters and calibration curves whose time has come."""

    def living(items: tuple[Expiring, ...]) -> tuple[Expiring, ...]:
        return tuple(one for one in items if one.expires_at is None or one.expires_at > at)

    curves = living(playbook.calibration.curves)
    return playbook.model_copy(
        update={
            "lessons": living(playbook.lessons),
            "time_filters": living(playbook.time_filters),
            "calibration": playbook.calibration.model_copy(update={"curves": curves}),
        }
    )


def lesson_about(playbook: Playbook, scope: Scope) -> Lesson | None:
    """The learned lesson of exactly this scope."""
    return next((one for one in playbook.lessons if one.scope == scope), None)


def _together(found: Sequence[ClosedTrade], before: Lesson, trades: Mapping[int, ClosedTrade]) -> list[ClosedTrade]:
    known = {t.trade_id: t for t in found} | {each: trades[each] for each in before.trade_ids if each in trades}
    return sorted(known.values(), key=lambda t: (t.closed_at, t.trade_id))


def _says(found: Sequence[ClosedTrade], stance: str) -> bool:
    try:
        shows(found, SIGNS[stance], LEVELS[stance])
    except NotShown:
        return False
    return True


def _newest(found: Sequence[ClosedTrade]) -> tuple[int, ...]:
    ordered = sorted(found, key=lambda t: (t.closed_at, t.trade_id))
    return tuple(t.trade_id for t in ordered[-bounds.MOST_EVIDENCE :])


def _with(playbook: Playbook, lessons: Sequence[Lesson]) -> Playbook:
    """Of too many learned lessons those that would expire first are dropped."""
    given = [one for one in lessons if one.expires_at is None]
    learned = [one for one in lessons if one.expires_at is not None]
    learned.sort(key=lambda one: (one.expires_at, str(one.scope)))
    return playbook.model_copy(update={"lessons": tuple(given + learned[-bounds.MOST_LESSONS :])})
