"""A migrated database for a whole room of tests: copying the template for each test would cost most of their time."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from sqlalchemy import Engine, text

from models import Base
from runtime.postgres import EmbeddedPostgres


@contextmanager
def room_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """SQLAlchemy URL of a fresh copy of `template`."""
    name = f"room_{uuid.uuid4().hex[:12]}"
    _execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield server.cluster.url(name)
    _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(server: EmbeddedPostgres, statement: str) -> None:
    # A connection each time: other tests may restart the server in between.
    connection = psycopg2.connect(server.cluster.dsn("postgres"))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def empty(engine: Engine) -> None:
    """Delete every row, as before the first start, append-only tables included."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no trigger refuses
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
