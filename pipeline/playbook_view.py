"""The playbook that rules now."""

from functools import lru_cache

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from models import PlaybookVersion
from trading.playbook import Playbook


def active_playbook(session: Session, account_id: int) -> tuple[int, Playbook]:
    """Version and content. Raises LookupError when there is none, which start-up excludes."""
    row = session.execute(
        select(PlaybookVersion.version, cast(PlaybookVersion.content, Text)).where(
            PlaybookVersion.account_id == account_id, PlaybookVersion.active
        )
    ).one_or_none()
    if row is None:
        raise LookupError("no active playbook")
    version, content = row
    return version, _parsed(content)


@lru_cache(maxsize=4)
def _parsed(content: str) -> Playbook:
    """Validated once, not once a cycle: a playbook is frozen."""
    return Playbook.model_validate_json(content)
