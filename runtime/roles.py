"""Who may do what in the database: the owner migrates, the bot works with rows, the reader only looks.

Contract: `MAKE` makes a role that cannot log in, where there is none. `let_log_in(url, role, password)` gives a role of
the migrations its password and its limits; `url` is the owner's. Safe to repeat. The password travels as a SCRAM
verifier only: neither the server's log nor `pg_stat_activity` ever shows it. Raises `OperatorError` when the owner may
not.
"""

import psycopg2
from psycopg2.extensions import encrypt_password, quote_ident

from runtime.errors import OperatorError

BOT, READER = "okxbot_bot", "okxbot_reader"
# Connections a role may hold: all services of a bot at their pools' limits, and a few dashboards.
MOST_CONNECTIONS = {BOT: 175, READER: 15}
# What a session of the role begins with; no dashboard's statement, a wrong one included, holds the server for long.
_BEGINS_WITH: dict[str, dict[str, str]] = {
    BOT: {},
    READER: {
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "30s",
        "default_transaction_read_only": "on",
    },
}

# Roles belong to the server, not to the database: another database may have made it, in this very moment.
MAKE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""


def let_log_in(url: str, role: str, password: str) -> None:
    """`url` as SQLAlchemy reads it."""
    try:
        connection = psycopg2.connect(url.replace("postgresql+psycopg2://", "postgresql://", 1), connect_timeout=5)
        try:
            connection.autocommit = True
            verifier = encrypt_password(password, role, connection, "scram-sha-256")
            with connection.cursor() as cursor:
                cursor.execute(
                    f"ALTER ROLE {quote_ident(role, connection)} LOGIN CONNECTION LIMIT {MOST_CONNECTIONS[role]}"
                    " PASSWORD %s",
                    (verifier,),
                )
                for name, value in _BEGINS_WITH[role].items():
                    cursor.execute(f"ALTER ROLE {quote_ident(role, connection)} SET {name} = %s", (value,))
        finally:
            connection.close()
    except psycopg2.Error as trouble:
        reason = str(trouble).strip().splitlines()[0]
        raise OperatorError(f"the database role {role} could not be given its password: {reason}") from None
