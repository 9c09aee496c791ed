"""The running bot of this home, as the faces see it: its database, its exchange, its clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from exchange.clock import build_clock
from models import Account, BotState
from models.session import SessionFactory, build_engine, build_sessions
from runtime.database_alone import database_alone
from runtime.environment import Plan, plan_of
from runtime.errors import OperatorError
from runtime.home import LEAST_FREE_MB, Home
from settings import AnySettings, load_settings, settings_of
from trading.clock import Clock

if TYPE_CHECKING:
    from exchange.client import OkxExchange


@dataclass(frozen=True)
class Connection:
    """Everything a command of the owner needs. Works with PostgreSQL alone; the exchange is only dialled when used."""

    plan: Plan
    settings: AnySettings
    engine: Engine
    sessions: SessionFactory
    account_id: int
    order_prefix: str
    # The bot does not run: only its database answers, for this command.
    stopped: bool = False

    @property
    def clock(self) -> Clock:
        return build_clock(self.settings)

    @property
    def exchange(self) -> "OkxExchange":
        from exchange.client import OkxExchange

        return OkxExchange.from_settings(self.settings)


def in_force(settings: AnySettings) -> AnySettings:
    """What the running bot of this home was started with, whatever this shell says; where none runs, `settings`."""
    bot = Home(settings.okxbot_home).running_bot()
    return settings if bot is None else settings_of(bot.settings, settings)


@contextmanager
def connected(settings: AnySettings | None = None) -> Iterator[Connection]:
    """Connect to the bot of this home; where it is stopped, its database is started for as long as this lasts.

    Raises OperatorError where none was ever started or its database does not answer.
    """
    settings = settings or in_force(load_settings())
    plan = plan_of(settings, Home(settings.okxbot_home))
    try:
        connection = _connection(settings, plan, stopped=False)
    except OperationalError as error:
        if not plan.embedded or plan.home.supervisor_lock.is_held():
            raise _silent(plan) from error
        connection = None
    if connection is not None:
        with _one_line_if_it_breaks(connection):
            yield connection
        return
    with database_alone(plan) as alone:
        try:
            connection = _connection(settings, alone, stopped=True)
        except OperationalError as error:
            # The server runs; it has no database of ours yet.
            raise _unfinished(plan) from error
        with _one_line_if_it_breaks(connection):
            yield connection


@contextmanager
def _one_line_if_it_breaks(connection: Connection) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise _silent(connection.plan) from error
    except ProgrammingError as error:
        raise OperatorError(
            f"the database of {connection.plan.home.folder} is of another version of the bot; `okxbot up` brings it to "
            "this one"
        ) from error
    finally:
        connection.engine.dispose()


def _connection(settings: AnySettings, plan: Plan, *, stopped: bool) -> Connection:
    settings = settings.model_copy(
        update={"okx_rest_url": plan.okx_rest_url, "okx_ws_url": plan.okx_ws_url}
        | ({"paper_account_file": plan.home.account_file} if plan.paper and not _own_file(settings) else {})
    )
    engine = build_engine(plan.database_url)
    sessions = build_sessions(engine)
    with sessions() as session:
        there = inspect(session.connection()).has_table(Account.__tablename__)
        account = session.scalars(select(Account)).one_or_none() if there else None
        state = session.get(BotState, account.id) if account is not None else None
    if account is None or state is None:
        raise _unfinished(plan)
    return Connection(plan, settings, engine, sessions, account.id, account.order_prefix, stopped)


def _unfinished(plan: Plan) -> OperatorError:
    return OperatorError(
        f"the first start of the bot in {plan.home.folder} has not finished, there is nothing to see yet; `okxbot up` "
        "finishes it"
    )


def _silent(plan: Plan) -> OperatorError:
    where = plan.urls.get("postgres", "DATABASE_URL")
    free = plan.home.free_mb()
    if plan.embedded and free < LEAST_FREE_MB:
        return OperatorError(
            f"the bot's PostgreSQL ({where}) does not answer and only {free} MB are free on the disk of "
            f"{plan.home.folder}: free some space, the bot then carries on by itself"
        )
    if plan.embedded:
        return OperatorError(
            f"the bot's PostgreSQL ({where}) does not answer just now; its supervisor restarts it: try again, or see "
            f"{plan.home.logs / 'postgres.log'}"
        )
    return OperatorError(f"PostgreSQL does not answer ({where}); check DATABASE_URL and that it runs")


def _own_file(settings: AnySettings) -> bool:
    return getattr(settings, "paper_account_file", None) is not None
