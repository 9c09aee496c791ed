"""Migrations: from empty to newest, repeatable, and hands off what a newer program made."""

import pytest
import sqlalchemy

from runtime.errors import OperatorError
from runtime.migrate import current_revision, upgrade_to_head


def test_empty_database_is_migrated_once(empty_database_url: str) -> None:
    before, head = upgrade_to_head(empty_database_url)
    assert before is None
    assert upgrade_to_head(empty_database_url) == (head, head)


def test_database_of_a_newer_version_is_refused_untouched(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(OperatorError, match="newer version"):
        upgrade_to_head(database_url)
    assert current_revision(database_url) == "9999"
