"""The running bot of this home, as the faces see it: its database, its exchange, its clock."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from exchange.clock import build_clock
from models import Account
from models.session import SessionFactory, build_engine, build_sessions
from runtime.environment import Plan, plan_of
from runtime.errors import OperatorError
from runtime.home import Home
from settings import AnySettings, load_settings
from trading.clock import Clock

if TYPE_CHECKING:
    from exchange.client import OkxExchange


@dataclass(frozen=True)
class Connection:
    """Everything a command of the owner needs. Works with PostgreSQL alone; the exchange is only dialled when used."""

    plan: Plan
    settings: AnySettings
    sessions: SessionFactory
    account_id: int
    order_prefix: str

    @property
    def clock(self) -> Clock:
        return build_clock(self.settings)

    @property
    def exchange(self) -> "OkxExchange":
        from exchange.client import OkxExchange

        return OkxExchange.from_settings(self.settings)


def connect(settings: AnySettings | None = None) -> Connection:
    """Connect to the bot of this home. Raises OperatorError where none was started or its database does not answer."""
    settings = settings or load_settings()
    plan = plan_of(settings, Home(settings.okxbot_home))
    settings = settings.model_copy(
        update={"okx_rest_url": plan.okx_rest_url, "okx_ws_url": plan.okx_ws_url}
        | ({"paper_account_file": plan.home.account_file} if plan.paper and not _own_file(settings) else {})
    )
    sessions = build_sessions(build_engine(plan.database_url))
    try:
        with sessions() as session:
            account = _account(session)
    except (OperationalError, ProgrammingError) as error:
        raise OperatorError(
            f"the bot's PostgreSQL does not answer ({plan.urls.get('postgres', 'DATABASE_URL')}); "
            "is it running? start it with `okxbot up`"
        ) from error
    if account is None:
        raise OperatorError("the database has no account yet; wait until `okxbot up` has finished its first start")
    return Connection(plan, settings, sessions, account.id, account.order_prefix)


def _own_file(settings: AnySettings) -> bool:
    return getattr(settings, "paper_account_file", None) is not None


def _account(session: Session) -> Account | None:
    return session.scalars(select(Account)).one_or_none()
