"""calls that only keep the cached part of a prompt alive

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BEFORE = "purpose IN ('screen', 'research', 'reduce', 'decide', 'review', 'reflect', 'whatif')"
_SINCE = "purpose IN ('screen', 'research', 'reduce', 'decide', 'keep', 'review', 'reflect', 'whatif')"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_llm_calls_purpose"), "llm_calls")
    op.create_check_constraint(op.f("ck_llm_calls_purpose"), "llm_calls", _SINCE)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_llm_calls_purpose"), "llm_calls")
    op.execute("DELETE FROM llm_calls WHERE purpose = 'keep'")
    op.create_check_constraint(op.f("ck_llm_calls_purpose"), "llm_calls", _BEFORE)
