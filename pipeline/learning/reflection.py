"""The deep reflection: facts, a proposal, its judgement, and a new version of the playbook if something holds.

Exactly once a window: `job_runs` keeps a second worker from asking the model meanwhile, and the unique row in
`reflections` commits together with the version of the playbook, so that a second answer changes nothing. The model is
asked outside every transaction. What fails leaves the playbook as it is, with the reason stored; the next window is
the next try.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from brain.reflection import ReflectionRequest, ReflectionResult, Reflector
from execution import jobs
from execution.playbook import ruling_version, write_version
from execution.reflection_windows import ASKED, ASKED_ACTION, due_reflection
from models import AuditEntry, Reflection
from pipeline.learning.context import Learner
from pipeline.learning.evidence import by_id, closed_trades, used_evidence
from pipeline.playbook_view import active_playbook
from trading.calibration import CURVE_LIFE, fit, report, stated_by_source
from trading.clock import ClockUnavailable, from_ms
from trading.closed_trade import ClosedTrade
from trading.playbook import Calibration, CalibrationCurve, Playbook, diff
from trading.playbook.bounds import HardLimits
from trading.playbook.lessons import expire
from trading.playbook.validation import Evidence, Judged, judge_patch
from trading.trade_groups import grouped

logger = structlog.get_logger()
JOB = "deep_reflection"
REVIEWS = 40
# A curve is replaced when a knot has moved by this much: else every window would make a version of its own.
CURVE_STEP = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class _Occasion:
    """What is reflected on: a window that has ended, or a person's wish (no start, no end)."""

    name: str
    reason: str
    at: datetime
    start: datetime | None = None
    end: datetime | None = None


def reflect_if_due(ctx: Learner, reflector: Reflector) -> str | None:
    """Reflect on the earliest window that has ended; its name, or None when nothing is due or another is at it."""
    try:
        now = ctx.clock.market_now()
    except ClockUnavailable:
        return None
    with ctx.sessions() as session:
        window = due_reflection(session, ctx.account_id, now)
    if window is None:
        return None
    return _once(ctx, reflector, _Occasion(window.name, window.reason, window.end, window.start, window.end))


def reflect_asked(ctx: Learner, reflector: Reflector, asked_id: int) -> str | None:
    """Reflect because somebody asked (the audit entry), once a wish; the window's name, or None if it was answered."""
    with ctx.sessions() as session:
        asked = session.get(AuditEntry, asked_id)
    if asked is None or asked.action != ASKED_ACTION:
        return None
    try:
        now = ctx.clock.market_now()
    except ClockUnavailable:
        return None
    return _once(ctx, reflector, _Occasion(f"{ASKED}{asked_id}", f"asked by {asked.actor}", now))


def _once(ctx: Learner, reflector: Reflector, occasion: _Occasion) -> str | None:
    with jobs.slot(ctx, f"{JOB} {occasion.name}", occasion.start or from_ms(0)) as ours:
        if not ours:
            return None
        try:
            request = _request(ctx, occasion)
            result = _proposed(request, reflector)
            values = _conclude(ctx, occasion, lambda s: _concluded(ctx, s, request, result, reflector.name))
        except SQLAlchemyError:
            raise  # nothing is stored: a later tick takes the window again
        except Exception as error:
            # Not to be paid for again and again: the window is over, with what went wrong in it.
            logger.exception("deep_reflection_failed", window=occasion.name)
            fault = {
                "statistics": {},
                "text": "the reflection broke off",
                "outcome": "failed",
                "reason": f"{type(error).__name__}: {error}",
            }
            values = _conclude(ctx, occasion, lambda _: fault)
    if values is None:
        return None
    logger.info(
        "deep_reflection_complete", window=occasion.name, trigger=occasion.reason, reflector=reflector.name,
        outcome=values["outcome"], playbook_version=values.get("playbook_version"), found=values["text"],
        reason=values["reason"],
    )  # fmt: skip
    return occasion.name


def _proposed(request: ReflectionRequest, reflector: Reflector) -> ReflectionResult:
    if not request.trades:
        return ReflectionResult(None, "no trade has closed yet: without history there is nothing to learn from")
    return reflector.reflect(request)


def _conclude(
    ctx: Learner, occasion: _Occasion, conclude: Callable[[Session], dict[str, Any]]
) -> dict[str, Any] | None:
    """Store what was concluded, with the playbook's version in the same transaction; None when somebody was first."""
    with ctx.sessions() as session, session.begin() as transaction:
        values = conclude(session)
        row = session.scalar(
            insert(Reflection)
            .values(
                account_id=ctx.account_id, kind="deep", window=occasion.name, window_start=occasion.start,
                window_end=occasion.end, **values,
            )
            .on_conflict_do_nothing()
            .returning(Reflection.id)
        )  # fmt: skip
        if row is None:
            transaction.rollback()
            return None
    return values


def _request(ctx: Learner, occasion: _Occasion) -> ReflectionRequest:
    with ctx.sessions() as session:
        trades = closed_trades(session, ctx.account_id, occasion.at)
        version, playbook = active_playbook(session, ctx.account_id, occasion.at)
        window = [t.trade_id for t in trades if occasion.start is None or t.closed_at > occasion.start]
        reviews = session.scalars(
            select(Reflection.text)
            .where(Reflection.account_id == ctx.account_id, Reflection.trade_id.in_(window[-REVIEWS:]))
            .order_by(Reflection.trade_id)
        ).all()
        return ReflectionRequest(
            reason=occasion.reason,
            at=occasion.at,
            playbook=playbook,
            playbook_version=version,
            trades=tuple(trades),
            statistics=grouped(trades),
            calibration=tuple(
                report(source, stated) for source, stated in stated_by_source(trades, occasion.at).items()
            ),
            used=used_evidence(session, ctx.account_id),
            limits=HardLimits(ctx.settings.max_trade_margin_pct),
            reviews=tuple(reviews),
            refused=_refused_before(session, ctx.account_id),
        )


def _refused_before(session: Session, account_id: int) -> tuple[str, ...]:
    """The changes the last proposal was refused, with the reasons, for whoever proposes next."""
    patch = session.scalar(
        select(Reflection.patch)
        .where(Reflection.account_id == account_id, Reflection.kind == "deep", Reflection.patch.is_not(None))
        .order_by(Reflection.id.desc())
        .limit(1)
    )
    changes = (patch or {}).get("changes", [])
    return tuple(f"{change['path']}: {change['why']}" for change in changes if not change["accepted"])


def _concluded(
    ctx: Learner, session: Session, request: ReflectionRequest, result: ReflectionResult, author: str
) -> dict[str, Any]:
    """The columns of the reflection; writes the new version of the playbook if there is one."""
    ruling = ruling_version(session, ctx.account_id)
    assert ruling is not None, "start-up writes the first version"
    looked_at = f"{len(request.trades)} closed trade{'' if len(request.trades) == 1 else 's'}"
    values: dict[str, Any] = {
        "statistics": {
            kind: {name: each.model_dump(mode="json") for name, each in groups.items()}
            for kind, groups in request.statistics.items()
        }
        | {"calibration": [each.model_dump(mode="json") for each in request.calibration]},
        "text": looked_at,
        "playbook_version": ruling.version,
        "llm_call_id": result.llm_call_id,
    }
    if result.patch is None:
        nothing = not request.trades
        return values | {"outcome": "no_change" if nothing else "failed", "reason": result.reason}
    # Judged on what rules now: somebody may have changed it while the model was thinking.
    before = Playbook.model_validate(ruling.content)
    used = used_evidence(session, ctx.account_id)
    evidence = Evidence(by_id(request.trades), used, request.limits, request.at)
    after, judged = judge_patch(expire(before, request.at), result.patch, evidence)
    after = recalibrated(after, request.trades, request.at)
    values["text"] = ": ".join(filter(None, (looked_at, result.patch.summary)))
    values["patch"] = _stored(result, judged, author)
    accepted = [one for one in judged if one.accepted]
    refused = [f"{one.change.path}: {one.why}" for one in judged if not one.accepted] + list(result.unreadable)
    changes = diff(before, after)
    if not changes:
        outcome = "refused" if refused else "no_change"
        return values | {"outcome": outcome, "reason": "; ".join(refused) or "nothing to change"}
    reason = "; ".join(one.change.reason for one in accepted) or "what had expired was dropped, calibration renewed"
    values["playbook_version"] = write_version(
        session, ctx.account_id, after, author="reflection", reason=f"{author}: {reason}", market_at=request.at,
        evidence=tuple(each for one in accepted for each in one.change.trade_ids),
    )  # fmt: skip
    said = [f"{one.change.path}: {one.change.reason}" for one in accepted] or [reason]
    return values | {"outcome": "patched", "reason": "; ".join(said)}


def recalibrated(playbook: Playbook, trades: Sequence[ClosedTrade], at: datetime) -> Playbook:
    """With the curve of each source that has enough trades; one that says the same is kept while it has long to live.

    A curve whose trades have become too few goes.
    """
    known = {curve.source: curve for curve in playbook.calibration.curves}
    curves = []
    for source, stated in stated_by_source(trades, at).items():
        if len(stated) < playbook.calibration.min_trades:
            continue
        new, old = fit(source, stated, at), known.get(source)
        curves.append(new if old is None or _moved(old, new) or _old(old, at) else old)
    calibration = Calibration.model_validate(playbook.calibration.model_dump() | {"curves": curves})
    return playbook.model_copy(update={"calibration": calibration})


def _moved(old: CalibrationCurve, new: CalibrationCurve) -> bool:
    knots = (*new.knots, *old.knots)
    return any(abs(new.at(knot.stated) - old.at(knot.stated)) > CURVE_STEP for knot in knots)


def _old(curve: CalibrationCurve, at: datetime) -> bool:
    return curve.expires_at is not None and curve.expires_at - at < CURVE_LIFE / 2


def _stored(result: ReflectionResult, judged: tuple[Judged, ...], author: str) -> dict[str, Any]:
    assert result.patch is not None, "there is one"
    return {
        "author": author,
        "summary": result.patch.summary,
        "changes": [
            {
                "path": one.change.path,
                "accepted": one.accepted,
                "why": one.why,
                "change": one.change.model_dump(mode="json"),
            }
            for one in judged
        ],
        "unreadable": list(result.unreadable),
    }
