"""a role that only reads what the dashboards show

Roles belong to the server, not to the database: another database may have made it already, and a downgrade takes
only this database's rights. It cannot log in until the owner gives it a password (docs/dashboards.md).

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from runtime.roles import MAKE

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROLE = "okxbot_reader"
_WHOLE = (
    "accounts", "alerts", "audit_log", "bot_state", "candles", "fills", "instrument_locks", "job_runs", "orders",
    "outbox", "performance_snapshots", "playbook_versions", "positions", "reflections", "risk_verdicts",
    "screener_logs", "trades",
)  # fmt: skip
# Prompts, answers and snapshots are not for a wall display.
_COLUMNS = {
    "llm_calls": "id, account_id, cycle_id, purpose, provider, model, request_sha256, outcome, attempts, input_tokens, "
    "output_tokens, cache_read_tokens, cache_write_tokens, reserved_usd, cost_usd, latency_ms, created_at, finished_at",
    "decision_cycles": "id, account_id, inst_id, slot, opened_by, stage, deadline, analyst, playbook_version, decision, "
    "decided_at, outcome, reason, stage_log, created_at, finished_at",
}


def upgrade() -> None:
    op.execute(MAKE.format(role=ROLE))
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    for table in _WHOLE:
        op.execute(f"GRANT SELECT ON {table} TO {ROLE}")
    for table, columns in _COLUMNS.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {ROLE}")


def downgrade() -> None:
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE}")
    for table, columns in _COLUMNS.items():
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM {ROLE}")
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {ROLE}")
