"""The database schema, brought to the newest version by Alembic.

Contract: `upgrade_to_head(url)` is safe to repeat. A database whose version this program does not know (made by
a newer one) is refused with an `OperatorError` and left untouched.
"""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from runtime.errors import OperatorError

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    # Logging is configured by the program, not by Alembic.
    config.attributes["configure_logger"] = False
    return config


def current_revision(url: str) -> str | None:
    """Version stamped in the database, None for an empty one."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def upgrade_to_head(url: str) -> tuple[str | None, str]:
    """Migrate; returns the versions before and after."""
    config = _config(url)
    scripts = ScriptDirectory.from_config(config)
    before = current_revision(url)
    if before is not None and before not in {script.revision for script in scripts.walk_revisions()}:
        raise OperatorError(
            f"the database is of a newer version of the bot (schema {before}, unknown here); "
            "update this checkout, or use another OKXBOT_HOME"
        )
    head = scripts.get_current_head()
    if head is None:
        raise OperatorError(f"no migrations found in {SCRIPTS}")
    if before != head:
        command.upgrade(config, "head")
    return before, head
