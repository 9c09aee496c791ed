"""Which account this database belongs to: one (mode, uid), decided at first start and never changed."""

from dataclasses import dataclass

from sqlalchemy import select

from execution.errors import Refused
from models import Account
from models.session import SessionFactory


@dataclass(frozen=True, slots=True)
class Binding:
    """The account row, as every process needs it."""

    account_id: int
    order_prefix: str
    mode: str
    uid: str


def find_binding(sessions: SessionFactory) -> Binding | None:
    """The binding, None in a database that has none yet."""
    with sessions() as session:
        row = session.scalars(select(Account)).one_or_none()
    return None if row is None else Binding(row.id, row.order_prefix, row.mode, row.uid)


def read_binding(sessions: SessionFactory) -> Binding:
    """The binding. Raises Refused in a database that has none yet: `okxbot up` makes it."""
    binding = find_binding(sessions)
    if binding is None:
        raise Refused("the database is bound to no account yet: start the bot with `okxbot up`")
    return binding
