"""what Grafana reads: a sample a minute of the machinery, the sums of each hour, and indexes by time

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

READER = "okxbot_reader"
_SHOWN = ("breaks", "health_samples", "activity_hours")
# By time, for whoever reads a stretch of it. Ranges of pages where rows lie in the order they came, a tree where few are
# wanted of many.
_RANGES = (("decision_cycles", "created_at"), ("risk_verdicts", "created_at"))
_TREES = (("alerts", "created_at"), ("audit_log", "at"), ("reflections", "created_at"), ("fills", "market_at"))


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
    op.create_table(
        "activity_hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("measure", "hour", "inst_id", "label", name=op.f("pk_activity_hours")),
    )
    op.create_index("ix_activity_hours_hour", "activity_hours", ["hour"])
    for table, column in _RANGES:
        op.create_index(f"ix_{table}_{column}", table, [column], postgresql_using="brin")
    for table, column in _TREES:
        op.create_index(f"ix_{table}_{column}", table, [column])
    for table in _SHOWN:
        op.execute(f"GRANT SELECT ON {table} TO {READER}")


def downgrade() -> None:
    op.execute(f"REVOKE SELECT ON breaks FROM {READER}")
    for table, column in (*_RANGES, *_TREES):
        op.drop_index(f"ix_{table}_{column}", table)
    op.drop_table("activity_hours")
    op.drop_table("health_samples")
