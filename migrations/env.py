"""Alembic's environment: one online migration in a transaction; short lock waits never freeze a running bot."""

from alembic import context
from sqlalchemy import create_engine, pool

from models import Base

config = context.config


def include_object(_object: object, name: str | None, type_: str, _reflected: bool, _compare_to: object) -> bool:
    """Everything in the schema is ours."""
    return not (type_ == "table" and name == "alembic_version")


def run_online() -> None:
    """Upgrade the database named by `sqlalchemy.url`."""
    engine = create_engine(
        config.get_main_option("sqlalchemy.url") or "",
        poolclass=pool.NullPool,
        connect_args={"options": "-c lock_timeout=5000 -c timezone=UTC"},
    )
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            compare_type=True,
            compare_server_default=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run_online()
