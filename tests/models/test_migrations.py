"""The schema: migrations build exactly what the tables say, from empty, and hold what the design relies on."""

from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from alembic import command
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from execution.reflection_windows import due_reflection
from runtime.errors import OperatorError
from runtime.migrate import _config, upgrade_to_head

DESIGN = {
    "accounts", "decision_cycles", "llm_calls", "screener_logs", "research_cache", "orders", "order_events",
    "algo_orders", "fills", "positions", "instrument_locks", "bills", "trades", "risk_verdicts",
    "playbook_versions", "reflections", "performance_snapshots", "candles", "funding", "bot_state", "alerts",
    "audit_log", "outbox", "job_runs", "breaks", "money_days",
    "telegram_updates", "telegram_confirmations", "telegram_deliveries", "reading_positions", "limit_overrides",
    "health_samples", "activity_hours",
}  # fmt: skip


def test_from_empty_to_head_holds_every_table_and_nothing_is_left_to_migrate(empty_database_url: str):
    upgrade_to_head(empty_database_url)
    command.check(_config(empty_database_url))
    with create_engine(empty_database_url).connect() as connection:
        names = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    assert set(names) - {"alembic_version"} == DESIGN


def test_down_and_up_again(empty_database_url: str):
    upgrade_to_head(empty_database_url)
    command.downgrade(_config(empty_database_url), "base")
    upgrade_to_head(empty_database_url)


def test_database_of_a_newer_version_is_refused_untouched(empty_database_url: str):
    upgrade_to_head(empty_database_url)
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OperatorError, match="newer version of the bot"):
        upgrade_to_head(empty_database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


MONTHS_AGO = datetime(2026, 1, 5, tzinfo=UTC)
CLOSED = """
INSERT INTO trades (account_id, inst_id, side, opened_market_at, closed_market_at, contracts, max_contracts, entry_px)
VALUES (1, 'BTC-USDT-SWAP', 'long', :at - interval '30 min', :at, 0, 1, 100)
"""


@pytest.mark.parametrize(
    ("windows", "next_start"),
    [
        (["deep:trades:20"], timedelta(hours=20)),
        (["deep:trades:20", "deep:trades:40", "deep:hours:2026-01-06T18:00Z"], timedelta(hours=42)),
        (["deep:hours:2026-01-06T12:00Z", "deep:trades:40"], timedelta(hours=40)),
    ],
)
def test_what_an_earlier_version_reflected_on_is_not_reflected_on_again(
    empty_database_url: str, windows: list[str], next_start: timedelta
):
    """Windows used to be named by their end and to know no other; fifty trades closed, one an hour."""
    command.upgrade(_config(empty_database_url), "0009")
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts (mode, uid, order_prefix) VALUES ('paper', '1', 'ab')"))
        for hour in range(1, 51):
            connection.execute(text(CLOSED), {"at": MONTHS_AGO + timedelta(hours=hour)})
        for window in [*windows, "deep:asked:1"]:
            connection.execute(
                text(
                    'INSERT INTO reflections (account_id, kind, "window", statistics, text, outcome, reason)'
                    " VALUES (1, 'deep', :window, '{}', '', 'no_change', '')"
                ),
                {"window": window},
            )
    upgrade_to_head(empty_database_url)
    with Session(engine) as session:
        due = due_reflection(session, 1, MONTHS_AGO + timedelta(days=30))
    assert due is not None
    assert due.start == MONTHS_AGO + next_start
    engine.dispose()


@pytest.fixture
def account(database_url: str):
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts (mode, uid, order_prefix) VALUES ('paper', '1', 'ab')"))
    yield engine
    engine.dispose()


def refused(engine, statement: str) -> str:
    with pytest.raises(Exception, match=r".") as error, engine.begin() as connection:
        connection.execute(text(statement))
    assert isinstance(error.value.__cause__, psycopg2.Error)
    return str(error.value.__cause__)


def test_a_database_holds_one_account_only(account):
    said = refused(account, "INSERT INTO accounts (mode, uid, order_prefix) VALUES ('live', '2', 'cd')")
    assert "uq_accounts_singleton" in said


def test_one_open_entry_per_instrument(account):
    insert = (
        "INSERT INTO orders (account_id, leg, cl_ord_id, inst_id, side, ord_type, td_mode, sz_contracts, reduce_only,"
        " state) VALUES (1, '{leg}', '{id}', 'BTC-USDT-SWAP', 'buy', 'fok', 'isolated', 1, {reduce}, '{state}')"
    )
    with account.begin() as connection:
        connection.execute(text(insert.format(leg="entry", id="a1", state="unknown", reduce=False)))
        connection.execute(text(insert.format(leg="entry", id="a2", state="filled", reduce=False)))
        connection.execute(text(insert.format(leg="close", id="a3", state="intended", reduce=True)))
    assert "uq_orders_one_open_entry" in refused(account, insert.format(leg="add", id="a4", state="live", reduce=False))
    assert "uq_orders_cl_ord_id" in refused(account, insert.format(leg="entry", id="a2", state="filled", reduce=False))
    assert "exits_reduce_only" in refused(account, insert.format(leg="close", id="a5", state="live", reduce=False))


def test_one_cycle_per_slot(account):
    insert = (
        "INSERT INTO decision_cycles (account_id, inst_id, slot, opened_by, deadline)"
        " VALUES (1, 'BTC-USDT-SWAP', '2026-01-05T00:05Z', 'feed', now())"
    )
    with account.begin() as connection:
        connection.execute(text(insert))
    assert "uq_decision_cycles" in refused(account, insert)


@pytest.mark.parametrize("change", ["UPDATE audit_log SET actor = 'me'", "DELETE FROM audit_log"])
def test_audit_log_is_append_only(account, change: str):
    with account.begin() as connection:
        connection.execute(
            text("INSERT INTO audit_log (account_id, actor, channel, action) VALUES (1, 'a', 'cli', 'halt')")
        )
    assert "audit_log is append-only" in refused(account, change)
