"""what a decision rests on: facts of research, audits of the screener, the inputs of a prompt

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BEFORE = "purpose IN ('screen', 'research', 'decide', 'review', 'reflect')"
_SINCE = "purpose IN ('screen', 'research', 'reduce', 'decide', 'review', 'reflect', 'whatif')"


def upgrade() -> None:
    op.add_column("decision_cycles", sa.Column("considered", postgresql.JSONB()))
    op.add_column("research_cache", sa.Column("reduced", postgresql.JSONB()))
    op.add_column("screener_logs", sa.Column("audited", sa.Boolean(), server_default="false", nullable=False))
    op.create_index("ix_screener_logs_at", "screener_logs", ["account_id", "created_at"])
    op.drop_constraint(op.f("ck_llm_calls_purpose"), "llm_calls")
    op.create_check_constraint(op.f("ck_llm_calls_purpose"), "llm_calls", _SINCE)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_llm_calls_purpose"), "llm_calls")
    op.execute("DELETE FROM llm_calls WHERE purpose IN ('reduce', 'whatif')")
    op.create_check_constraint(op.f("ck_llm_calls_purpose"), "llm_calls", _BEFORE)
    op.drop_index("ix_screener_logs_at", "screener_logs")
    op.drop_column("screener_logs", "audited")
    op.drop_column("research_cache", "reduced")
    op.drop_column("decision_cycles", "considered")
