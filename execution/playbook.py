"""A person takes the playbook back to an earlier version: a new version with the old content, serving at once."""

from sqlalchemy import func, select, update

from execution import notices
from execution.context import ExecutionContext
from execution.errors import Refused
from models import PlaybookVersion
from trading.playbook import Playbook, diff


def rollback_playbook(ctx: ExecutionContext, version: int, *, actor: str, channel: str) -> int:
    """Serve the content of `version` again, as a new version; returns its number. Raises Refused."""
    with ctx.sessions.begin() as session:
        rows = PlaybookVersion.account_id == ctx.account_id
        active = session.execute(
            select(PlaybookVersion).where(rows, PlaybookVersion.active).with_for_update()
        ).scalar_one_or_none()
        wanted = session.execute(
            select(PlaybookVersion).where(rows, PlaybookVersion.version == version)
        ).scalar_one_or_none()
        if active is None or wanted is None:
            raise Refused(f"there is no playbook version {version}")
        now, then = Playbook.model_validate(active.content), Playbook.model_validate(wanted.content)
        changes = diff(now, then)
        if not changes:
            raise Refused(f"version {version} says what the active version {active.version} says")
        number = (session.scalar(select(func.max(PlaybookVersion.version)).where(rows)) or 0) + 1
        session.execute(update(PlaybookVersion).where(rows, PlaybookVersion.active).values(active=False))
        session.flush()
        session.add(
            PlaybookVersion(
                account_id=ctx.account_id, version=number, active=True, content=wanted.content,
                diff=[change.model_dump(mode="json") for change in changes], author="operator",
                reason=f"back to version {version}, by {actor}", evidence_trade_ids=[],
            )
        )  # fmt: skip
        detail = {"from": active.version, "to": version, "new": number}
        notices.audit(session, ctx.account_id, actor, channel, "playbook_rolled_back", detail)
        message = f"playbook back to version {version} as version {number}, by {actor}"
        notices.alert(session, ctx.account_id, "playbook_rolled_back", "INFO", message)
    return number
