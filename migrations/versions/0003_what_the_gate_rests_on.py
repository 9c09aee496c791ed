"""what the gate rests on: when the stops were last checked, and the price a verdict judged by

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bot_state", sa.Column("protection_seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("risk_verdicts", sa.Column("price", sa.Numeric(), nullable=True))


def downgrade() -> None:
    op.drop_column("risk_verdicts", "price")
    op.drop_column("bot_state", "protection_seen_at")
