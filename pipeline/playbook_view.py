"""The playbook that rules now."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import PlaybookVersion
from trading.playbook import Playbook


def active_playbook(session: Session, account_id: int) -> tuple[int, Playbook]:
    """Version and content. Raises LookupError when there is none, which start-up excludes."""
    row = session.scalars(
        select(PlaybookVersion).where(PlaybookVersion.account_id == account_id, PlaybookVersion.active)
    ).one_or_none()
    if row is None:
        raise LookupError("no active playbook")
    return row.version, Playbook.model_validate(row.content)
