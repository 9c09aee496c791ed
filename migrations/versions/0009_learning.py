"""what learning keeps: windows and patches of reflections, excursions of trades, since when a playbook rules

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def _columns():
    return {
        "playbook_versions": [sa.Column("market_at", _TIME)],
        "reflections": [
            sa.Column("window_start", _TIME),
            sa.Column("window_end", _TIME),
            sa.Column("patch", sa.dialects.postgresql.JSONB()),
        ],
        "trades": [sa.Column("mfe_r", sa.Numeric()), sa.Column("mae_r", sa.Numeric())],
    }


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    # Calibration is a curve a source now; bins were never filled.
    op.execute(
        "UPDATE playbook_versions SET content = jsonb_set(content, '{calibration}', '{}') "
        "WHERE content->'calibration' ? 'bins'"
    )


def downgrade() -> None:
    op.execute(
        "UPDATE playbook_versions SET content = jsonb_set(content, '{calibration}', '{}') - 'full_size_confidence'"
    )
    for table, columns in _columns().items():
        for column in columns:
            op.drop_column(table, column.name)
