"""Migrated databases for the tests: lent to one at a time, emptied in between."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from sqlalchemy import Engine, text

from models import Base
from runtime.postgres import EmbeddedPostgres

_SCHEMA = """
    SELECT (SELECT count(*) || '.' || max(oid) FROM pg_class), (SELECT max(oid) FROM pg_trigger),
           (SELECT count(*) FROM pg_db_role_setting)"""
_LEAVE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_EMPTY = """
    DO $$ DECLARE name regclass; BEGIN
        SET LOCAL session_replication_role = replica;  -- no trigger refuses
        FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                    AND relname <> 'alembic_version' LOOP
            EXECUTE 'DELETE FROM ' || name;
        END LOOP;
        FOR name IN SELECT oid FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace LOOP
            PERFORM setval(name, 1, false);
        END LOOP;
    END $$"""


class Databases:
    """Copies of `template`. One whose schema a test changed is dropped; emptying costs a tenth of copying."""

    def __init__(self, server: EmbeddedPostgres, template: str) -> None:
        self._server, self._template = server, template
        self._free: list[tuple[str, object]] = []

    @contextmanager
    def lent(self) -> Iterator[str]:
        """SQLAlchemy URL of one without rows; nobody else has it meanwhile."""
        name, schema = self._free.pop() if self._free else self._copy()
        yield self._server.cluster.url(name)
        connection = psycopg2.connect(self._server.cluster.dsn(name))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(_LEAVE)
                cursor.execute(_SCHEMA)
                as_it_was = cursor.fetchone() == schema
                if as_it_was:
                    cursor.execute(_EMPTY)
        finally:
            connection.close()
        if as_it_was:
            self._free.append((name, schema))
        else:
            execute(self._server, f'DROP DATABASE "{name}" WITH (FORCE)')

    def _copy(self) -> tuple[str, object]:
        name = f"test_{uuid.uuid4().hex[:12]}"
        execute(self._server, f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        connection = psycopg2.connect(self._server.cluster.dsn(name))
        try:
            with connection.cursor() as cursor:
                cursor.execute(_SCHEMA)
                return name, cursor.fetchone()
        finally:
            connection.close()


def execute(server: EmbeddedPostgres, statement: str) -> None:
    """Run it outside a transaction, over a connection of its own: tests restart the server in between."""
    connection = psycopg2.connect(server.cluster.dsn("postgres"))
    try:
        connection.autocommit = True
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
