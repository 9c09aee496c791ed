"""The playbook that rules now, without what has expired of it.

A reflection drops that from the next version; but where nothing closes, perhaps for that very lesson, none comes.
"""

from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, Text, bindparam, cast, select
from sqlalchemy.orm import Session

from models import PlaybookVersion
from trading.playbook import Playbook
from trading.playbook.lessons import expire

_ACTIVE = select(PlaybookVersion.version, cast(PlaybookVersion.content, Text)).where(
    PlaybookVersion.account_id == bindparam("account_id"), PlaybookVersion.active
)


def active_playbook(session: Session | Connection, account_id: int, at: datetime) -> tuple[int, Playbook]:
    """Version and content at this market time. Raises LookupError when there is none, which start-up excludes."""
    row = session.execute(_ACTIVE, {"account_id": account_id}).one_or_none()
    if row is None:
        raise LookupError("no active playbook")
    version, content = row
    return version, expire(_parsed(content), at)


@lru_cache(maxsize=4)
def _parsed(content: str) -> Playbook:
    """Validated once, not once a cycle: a playbook is frozen."""
    return Playbook.model_validate_json(content)
