"""a role for the bot: it works with rows, and cannot change the schema

The role that migrates owns the tables; the services log in as this one, which may read, insert and update, delete
neither orders, fills, bills nor trades, and change nothing that is append-only. It cannot log in until it is given a password
(`runtime/roles.py`). Tables of later migrations are covered by default privileges.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

from runtime.roles import MAKE

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ROLE = "okxbot_bot"
APPEND_ONLY = ("audit_log", "order_events")
# What was done, and what it cost: changed while it happens, never deleted.
KEPT_FOR_EVER = (
    "accounts", "algo_orders", "bills", "bot_state", "decision_cycles", "fills", "funding", "llm_calls", "money_days",
    "orders", "playbook_versions", "reflections", "risk_verdicts", "trades",
)  # fmt: skip


def upgrade() -> None:
    op.execute(MAKE.format(role=ROLE))
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}")
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {ROLE}")
    op.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {ROLE}")
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {ROLE}")
    for table in KEPT_FOR_EVER:
        op.execute(f"REVOKE DELETE ON {table} FROM {ROLE}")
    for table in APPEND_ONLY:
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM {ROLE}")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {ROLE}")


def downgrade() -> None:
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM {ROLE}")
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON SEQUENCES FROM {ROLE}")
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE}")
    op.execute(f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {ROLE}")
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {ROLE}")
