"""Versions of the playbook: one row each, one of them ruling; a new one rules at once.

Whoever writes one (the first start, a reflection, a person) goes through `write_version`, under the lock that
`ruling_version` takes, so that two never take over from the same one.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pydantic import ValidationError
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from execution import notices
from execution.context import ExecutionContext
from execution.errors import Refused
from models import PlaybookVersion, Trade
from trading.clock import ClockUnavailable
from trading.playbook import Playbook, diff

# First half of the two-part advisory lock key: "BOOK" in ASCII. The second is the account.
LOCK_SPACE = 0x424F4F4B


def ruling_version(session: Session, account_id: int) -> PlaybookVersion | None:
    """The version that rules; until the end of the transaction nobody else writes one."""
    # Its row cannot be the lock: who has waited for it finds it replaced, and does not see by what.
    session.execute(select(func.pg_advisory_xact_lock(LOCK_SPACE, account_id)))
    return session.scalars(
        select(PlaybookVersion).where(PlaybookVersion.account_id == account_id, PlaybookVersion.active)
    ).one_or_none()


def write_version(
    session: Session,
    account_id: int,
    content: Playbook,
    *,
    author: str,
    reason: str,
    market_at: datetime | None,
    evidence: tuple[int, ...] = (),
) -> int:
    """A new version that rules from now on; returns its number. The caller holds `ruling_version`'s lock."""
    rows = PlaybookVersion.account_id == account_id
    before = session.scalars(select(PlaybookVersion).where(rows, PlaybookVersion.active)).one_or_none()
    changes = () if before is None else diff(Playbook.model_validate(before.content), content)
    number = (session.scalar(select(func.max(PlaybookVersion.version)).where(rows)) or 0) + 1
    session.execute(update(PlaybookVersion).where(rows, PlaybookVersion.active).values(active=False))
    session.flush()
    session.add(
        PlaybookVersion(
            account_id=account_id, version=number, active=True, content=content.model_dump(mode="json"),
            diff=[change.model_dump(mode="json") for change in changes], author=author, reason=reason,
            evidence_trade_ids=sorted(set(evidence)), market_at=market_at,
        )
    )  # fmt: skip
    session.flush()
    return number


def rollback_playbook(ctx: ExecutionContext, version: int, *, actor: str, channel: str) -> int:
    """Serve the content of `version` again, as a new version; returns its number. Raises Refused."""
    with ctx.sessions.begin() as session:
        ruling = ruling_version(session, ctx.account_id)
        wanted = session.scalars(
            select(PlaybookVersion).where(
                PlaybookVersion.account_id == ctx.account_id, PlaybookVersion.version == version
            )
        ).one_or_none()
        if ruling is None or wanted is None:
            raise Refused(f"there is no playbook version {version}")
        then = Playbook.model_validate(wanted.content)
        if not diff(Playbook.model_validate(ruling.content), then):
            raise Refused(f"version {version} says what the active version {ruling.version} says")
        reason = f"back to version {version}, by {actor}"
        number = write_version(
            session, ctx.account_id, then, author="operator", reason=reason, market_at=_market_now(ctx)
        )
        detail = {"from": ruling.version, "to": version, "new": number}
        notices.audit(session, ctx.account_id, actor, channel, "playbook_rolled_back", detail)
        message = f"playbook back to version {version} as version {number}, by {actor}"
        notices.alert(session, ctx.account_id, "playbook_rolled_back", "INFO", message)
    return number


def edit_playbook(ctx: ExecutionContext, text: str, base: int, *, actor: str, channel: str) -> int:
    """Serve `text` (JSON) as a person's new version, made from version `base`; returns its number. Raises Refused."""
    try:
        content = Playbook.model_validate_json(text)
    except ValidationError as error:
        raise Refused(_first_fault(error)) from None
    within_limits(content, ctx.settings.max_trade_margin_pct)
    with ctx.sessions.begin() as session:
        ruling = ruling_version(session, ctx.account_id)
        if ruling is None:
            raise Refused("there is no playbook yet")
        if ruling.version != base:
            raise Refused(f"version {ruling.version} came into force while you edited version {base}; edit it anew")
        changes = diff(Playbook.model_validate(ruling.content), content)
        if not changes:
            raise Refused("nothing was changed")
        reason = f"edited by {actor}: {', '.join(change.path for change in changes[:5])}"
        if len(changes) > 5:
            reason += f" and {len(changes) - 5} more"
        number = write_version(
            session, ctx.account_id, content, author="operator", reason=reason, market_at=_market_now(ctx)
        )
        notices.audit(session, ctx.account_id, actor, channel, "playbook_edited", {"from": base, "new": number})
        message = f"playbook version {number}, {reason}"
        notices.alert(session, ctx.account_id, "playbook_edited", "INFO", message)
    return number


def within_limits(content: Playbook, most_pct: Decimal) -> None:
    """Raises Refused where the playbook promises a size the gate would cut."""
    for name, rule in content.strategies.items():
        if rule.size_pct > most_pct:
            raise Refused(f"strategies.{name}.size_pct: {rule.size_pct} is over MAX_TRADE_MARGIN_PCT ({most_pct})")


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or "the file"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {fault['msg'][:200]}{more}"


def _market_now(ctx: ExecutionContext) -> datetime | None:
    """None while the exchange does not say: a person's word must not wait for it."""
    try:
        return ctx.clock.market_now()
    except ClockUnavailable:
        return None


@dataclass(frozen=True, slots=True)
class Record:
    """What came of the trades opened while a version ruled; those still open are not counted. USDT, R net of costs."""

    trades: int
    wins: int
    mean_r: Decimal | None
    net_pnl: Decimal


def records(session: Session, account_id: int) -> dict[int, Record]:
    """By version."""
    rows = session.execute(
        select(
            Trade.playbook_version,
            func.count(),
            func.count().filter(Trade.net_pnl > 0),
            func.avg(Trade.r_multiple),
            func.sum(Trade.net_pnl),
        )
        .where(Trade.account_id == account_id, Trade.closed_market_at.is_not(None), Trade.playbook_version.is_not(None))
        .group_by(Trade.playbook_version)
    )
    return {version: Record(trades, wins, mean_r, net) for version, trades, wins, mean_r, net in rows}
