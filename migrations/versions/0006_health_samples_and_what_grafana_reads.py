"""a sample a minute of the machinery; differences and samples are shown, too

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

READER = "okxbot_reader"
_SHOWN = ("breaks", "health_samples")


def upgrade() -> None:
    op.create_table(
        "health_samples",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("metric", "label", "at", name=op.f("pk_health_samples")),
    )
    op.create_index("ix_health_samples_at", "health_samples", ["at"])
    for table in _SHOWN:
        op.execute(f"GRANT SELECT ON {table} TO {READER}")


def downgrade() -> None:
    op.execute(f"REVOKE SELECT ON breaks FROM {READER}")
    op.drop_table("health_samples")
