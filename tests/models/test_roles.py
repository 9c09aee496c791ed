"""What the bot's database role may do, and what it may not; the passwords it is given are shown nowhere."""

import psycopg2
import pytest
from sqlalchemy import create_engine, make_url, text

from runtime.roles import BOT, READER, let_log_in

PASSWORD = "a password of the tests"


@pytest.fixture
def bot(database_url: str):
    let_log_in(database_url, BOT, PASSWORD)
    engine = create_engine(make_url(database_url).set(username=BOT, password=PASSWORD))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts (mode, uid, order_prefix) VALUES ('paper', '1', 'ab')"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE orders", "TRUNCATE fills", "ALTER TABLE orders DISABLE TRIGGER ALL", "CREATE TABLE mine (a int)",
        "DELETE FROM fills", "DELETE FROM orders", "DELETE FROM trades", "DELETE FROM bills",
        "UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "UPDATE order_events SET source = 'x'",
        "UPDATE alembic_version SET version_num = '0'", "CREATE ROLE another", "SELECT * FROM pg_authid",
        "COPY orders TO PROGRAM 'cat'", "SELECT pg_read_file('/etc/passwd')",
        "ALTER ROLE okxbot_reader LOGIN",
    ],
)  # fmt: skip
def test_the_bots_role_changes_rows_and_nothing_else(bot, statement: str):
    with pytest.raises(Exception, match=r"permission denied|must be") as error, bot.connect() as connection:
        connection.execute(text(statement))
    assert isinstance(error.value.__cause__, psycopg2.Error)


def test_a_table_of_a_later_migration_is_open_to_it_too(bot, database_url: str):
    with create_engine(database_url).begin() as owner:
        owner.execute(text("CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY, what text)"))
    with bot.begin() as connection:
        connection.execute(text("INSERT INTO later (what) VALUES ('x')"))
        assert connection.scalar(text("SELECT what FROM later")) == "x"


def test_its_password_is_never_in_a_statement(bot, database_url: str):
    with create_engine(database_url).connect() as owner:
        stored = owner.scalar(text("SELECT rolpassword FROM pg_authid WHERE rolname = :role"), {"role": BOT})
        seen = owner.scalars(text("SELECT query FROM pg_stat_activity")).all()
    assert stored.startswith("SCRAM-SHA-256$")
    assert not any(PASSWORD in query for query in seen)


def test_the_reader_begins_read_only_and_within_a_time_and_the_bot_keeps_its_locks(bot, database_url: str):
    let_log_in(database_url, READER, PASSWORD)
    reader = create_engine(make_url(database_url).set(username=READER, password=PASSWORD))
    with reader.connect() as connection:
        shown = [connection.scalar(text(f"SHOW {name}")) for name in (
            "default_transaction_read_only", "statement_timeout", "idle_in_transaction_session_timeout")]  # fmt: skip
    reader.dispose()
    assert shown == ["on", "30s", "30s"]
    with bot.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock(1, 2)"))
        assert connection.scalar(text("SHOW statement_timeout")) == "0"
