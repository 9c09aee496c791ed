"""the tables

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


APPEND_ONLY = ("order_events", "audit_log")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("order_prefix", sa.Text(), nullable=False),
        sa.Column("singleton", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("mode IN ('paper', 'demo', 'live')", name=op.f("ck_accounts_mode")),
        sa.CheckConstraint("singleton = 1", name=op.f("ck_accounts_singleton")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("singleton", name=op.f("uq_accounts_singleton")),
    )
    op.create_table(
        "candles",
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("bar", sa.Text(), nullable=False),
        sa.Column("ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("open", sa.Numeric(), nullable=False),
        sa.Column("high", sa.Numeric(), nullable=False),
        sa.Column("low", sa.Numeric(), nullable=False),
        sa.Column("close", sa.Numeric(), nullable=False),
        sa.Column("vol_contracts", sa.Numeric(), nullable=False),
        sa.Column("vol_coins", sa.Numeric(), nullable=False),
        sa.Column("vol_quote", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("inst_id", "bar", "ts", name=op.f("pk_candles")),
    )
    op.create_table(
        "funding",
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("funding_market_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rate", sa.Numeric(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("inst_id", "funding_market_at", name=op.f("pk_funding")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("args", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_unsent", "outbox", ["id"], unique=False, postgresql_where=sa.text("sent_at IS NULL"))
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("inst_id", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("market_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("severity IN ('INFO', 'WARN', 'CRITICAL')", name=op.f("ck_alerts_severity")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_alerts_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(
        "ix_alerts_undelivered",
        "alerts",
        ["id"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    op.create_table(
        "algo_orders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("algo_id", sa.Text(), nullable=False),
        sa.Column("algo_cl_ord_id", sa.Text(), nullable=False),
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("ord_type", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sz_contracts", sa.Numeric(), nullable=True),
        sa.Column("close_fraction", sa.Numeric(), nullable=True),
        sa.Column("reduce_only", sa.Boolean(), nullable=False),
        sa.Column("stop_loss_px", sa.Numeric(), nullable=True),
        sa.Column("take_profit_px", sa.Numeric(), nullable=True),
        sa.Column("actual_side", sa.Text(), server_default="", nullable=False),
        sa.Column("fail_code", sa.Text(), server_default="", nullable=False),
        sa.Column("ord_id", sa.Text(), server_default="", nullable=False),
        sa.Column("created_market_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_market_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_algo_orders_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_algo_orders")),
        sa.UniqueConstraint("account_id", "algo_id", name=op.f("uq_algo_orders_account_id_algo_id")),
    )
    op.create_index("ix_algo_orders_inst_state", "algo_orders", ["account_id", "inst_id", "state"], unique=False)
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_audit_log_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "bills",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("bill_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("sub_type", sa.Text(), nullable=False),
        sa.Column("ccy", sa.Text(), nullable=False),
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("balance_change", sa.Numeric(), nullable=False),
        sa.Column("balance", sa.Numeric(), nullable=False),
        sa.Column("pnl", sa.Numeric(), nullable=False),
        sa.Column("fee", sa.Numeric(), nullable=False),
        sa.Column("sz_contracts", sa.Numeric(), nullable=True),
        sa.Column("px", sa.Numeric(), nullable=True),
        sa.Column("ord_id", sa.Text(), nullable=False),
        sa.Column("market_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_bills_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bills")),
        sa.UniqueConstraint("account_id", "bill_id", name=op.f("uq_bills_account_id_bill_id")),
    )
    op.create_index("ix_bills_at", "bills", ["account_id", "market_at"], unique=False)
    op.create_table(
        "bot_state",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="starting", nullable=False),
        sa.Column("halted", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("halt_kind", sa.Text(), nullable=True),
        sa.Column("halt_reason", sa.Text(), nullable=True),
        sa.Column("halted_by", sa.Text(), nullable=True),
        sa.Column("halted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("halted_market_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reconciled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("equity", sa.Numeric(), nullable=True),
        sa.Column("equity_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("equity_market_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("day_baseline", sa.Numeric(), nullable=True),
        sa.Column("peak_equity", sa.Numeric(), nullable=True),
        sa.Column("transfers_total", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("consecutive_losses", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cooldown_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("control_stream_id", sa.Text(), server_default="0-0", nullable=False),
        sa.Column("naked_seconds_total", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "halt_kind IS NULL OR halt_kind IN ('manual', 'daily_loss', 'drawdown', 'invariant', 'unknown_state', 'system_alert', 'flatten')",
            name=op.f("ck_bot_state_halt_kind"),
        ),
        sa.CheckConstraint("state IN ('starting', 'running', 'draining', 'stopped')", name=op.f("ck_bot_state_state")),
        sa.CheckConstraint("halted = (halt_kind IS NOT NULL)", name=op.f("ck_bot_state_halted_has_kind")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_bot_state_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_bot_state")),
    )
    op.create_table(
        "decision_cycles",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), server_default="collect", nullable=False),
        sa.Column("claim_token", sa.UUID(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("analyst", sa.Text(), nullable=True),
        sa.Column("playbook_version", sa.BigInteger(), nullable=True),
        sa.Column("snapshot", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("screening", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("research", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("decision", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "stage_log",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(stage = 'done') = (outcome IS NOT NULL)", name=op.f("ck_decision_cycles_done_has_outcome")
        ),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('hold', 'rejected', 'opened', 'added', 'reduced', 'closed', 'not_filled', 'expired', 'denied', 'failed', 'unknown')",
            name=op.f("ck_decision_cycles_outcome"),
        ),
        sa.CheckConstraint(
            "stage IN ('collect', 'screen', 'research', 'analyze', 'gate', 'execute', 'confirm', 'journal', 'done')",
            name=op.f("ck_decision_cycles_stage"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_decision_cycles_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_cycles")),
        sa.UniqueConstraint("account_id", "inst_id", "slot", name=op.f("uq_decision_cycles_account_id_inst_id_slot")),
    )
    op.create_index(
        "ix_decision_cycles_open",
        "decision_cycles",
        ["stage", "lease_until"],
        unique=False,
        postgresql_where=sa.text("stage <> 'done'"),
    )
    op.create_index("ix_decision_cycles_recent", "decision_cycles", ["account_id", "slot"], unique=False)
    op.create_table(
        "instrument_locks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_instrument_locks_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instrument_locks")),
    )
    op.create_index(
        "uq_instrument_locks_open",
        "instrument_locks",
        ["account_id", "inst_id", "reason"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "job_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('running', 'done', 'failed')", name=op.f("ck_job_runs_status")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_job_runs_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_runs")),
        sa.UniqueConstraint("account_id", "job", "slot", name=op.f("uq_job_runs_account_id_job_slot")),
    )
    op.create_table(
        "performance_snapshots",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("equity", sa.Numeric(), nullable=False),
        sa.Column("cash", sa.Numeric(), nullable=False),
        sa.Column("upl", sa.Numeric(), nullable=False),
        sa.Column("day_pnl", sa.Numeric(), nullable=True),
        sa.Column("drawdown_pct", sa.Numeric(), nullable=True),
        sa.Column("open_positions", sa.BigInteger(), nullable=False),
        sa.Column("trades_closed", sa.BigInteger(), nullable=False),
        sa.Column("net_pnl_total", sa.Numeric(), nullable=False),
        sa.Column("fees_total", sa.Numeric(), nullable=False),
        sa.Column("funding_total", sa.Numeric(), nullable=False),
        sa.Column("win_rate", sa.Numeric(), nullable=True),
        sa.Column("profit_factor", sa.Numeric(), nullable=True),
        sa.Column("llm_cost_usd", sa.Numeric(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("period IN ('hourly', 'daily', 'weekly')", name=op.f("ck_performance_snapshots_period")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_performance_snapshots_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_performance_snapshots")),
        sa.UniqueConstraint(
            "account_id", "period", "slot", name=op.f("uq_performance_snapshots_account_id_period_slot")
        ),
    )
    op.create_table(
        "playbook_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("diff", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence_trade_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_playbook_versions_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook_versions")),
        sa.UniqueConstraint("account_id", "version", name=op.f("uq_playbook_versions_account_id_version")),
    )
    op.create_index(
        "uq_playbook_versions_active",
        "playbook_versions",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "positions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("mgn_mode", sa.Text(), nullable=False),
        sa.Column("pos_side", sa.Text(), nullable=False),
        sa.Column("pos_id", sa.Text(), nullable=False),
        sa.Column("contracts", sa.Numeric(), nullable=False),
        sa.Column("avg_px", sa.Numeric(), nullable=True),
        sa.Column("mark_px", sa.Numeric(), nullable=True),
        sa.Column("upl", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("margin", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("leverage", sa.Numeric(), nullable=True),
        sa.Column("liq_px", sa.Numeric(), nullable=True),
        sa.Column("opened_market_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_market_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stop_px", sa.Numeric(), nullable=True),
        sa.Column("target_px", sa.Numeric(), nullable=True),
        sa.Column("uncovered_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("naked_seconds", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_positions_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_positions")),
        sa.UniqueConstraint(
            "account_id",
            "inst_id",
            "mgn_mode",
            "pos_side",
            name=op.f("uq_positions_account_id_inst_id_mgn_mode_pos_side"),
        ),
    )
    op.create_table(
        "llm_calls",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle_id", sa.BigInteger(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt_version", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("response", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("outcome", sa.Text(), server_default="reserved", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=True),
        sa.Column("reserved_usd", sa.Numeric(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(), nullable=True),
        sa.Column("latency_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('reserved', 'ok', 'refusal', 'truncated', 'invalid', 'timeout', 'rate_limited', 'overloaded', 'error')",
            name=op.f("ck_llm_calls_outcome"),
        ),
        sa.CheckConstraint(
            "purpose IN ('screen', 'research', 'decide', 'review', 'reflect')",
            name=op.f("ck_llm_calls_purpose"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_llm_calls_account_id")),
        sa.ForeignKeyConstraint(["cycle_id"], ["decision_cycles.id"], name=op.f("fk_llm_calls_cycle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_llm_calls")),
    )
    op.create_index("ix_llm_calls_at", "llm_calls", ["account_id", "created_at"], unique=False)
    op.create_index(op.f("ix_llm_calls_cycle_id"), "llm_calls", ["cycle_id"], unique=False)
    op.create_index(op.f("ix_llm_calls_request_sha256"), "llm_calls", ["request_sha256"], unique=False)
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle_id", sa.BigInteger(), nullable=True),
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="order", nullable=False),
        sa.Column("cl_ord_id", sa.Text(), nullable=False),
        sa.Column("exchange_id", sa.Text(), nullable=True),
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("ord_type", sa.Text(), nullable=False),
        sa.Column("td_mode", sa.Text(), nullable=False),
        sa.Column("sz_contracts", sa.Numeric(), nullable=True),
        sa.Column("px", sa.Numeric(), nullable=True),
        sa.Column("reduce_only", sa.Boolean(), nullable=False),
        sa.Column("stop_loss_px", sa.Numeric(), nullable=True),
        sa.Column("take_profit_px", sa.Numeric(), nullable=True),
        sa.Column("attach_algo_cl_ord_id", sa.Text(), nullable=True),
        sa.Column("margin", sa.Numeric(), nullable=True),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="intended", nullable=False),
        sa.Column("claim_token", sa.UUID(), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reference_px", sa.Numeric(), nullable=True),
        sa.Column("exp_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acc_fill_sz_contracts", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("avg_px", sa.Numeric(), nullable=True),
        sa.Column("fee", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("pnl", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("last_code", sa.Text(), nullable=True),
        sa.Column("last_message", sa.Text(), nullable=True),
        sa.Column("misses", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_miss_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('order', 'algo', 'close_position')", name=op.f("ck_orders_kind")),
        sa.CheckConstraint("leg IN ('entry', 'add', 'reduce', 'close', 'stop', 'flatten')", name=op.f("ck_orders_leg")),
        sa.CheckConstraint("reduce_only OR leg IN ('add', 'entry')", name=op.f("ck_orders_exits_reduce_only")),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_orders_side")),
        sa.CheckConstraint(
            "state IN ('intended', 'submitting', 'live', 'partially_filled', 'filled', 'canceled', 'rejected', 'expired', 'denied', 'unknown', 'absent')",
            name=op.f("ck_orders_state"),
        ),
        sa.CheckConstraint("sz_contracts IS NULL OR sz_contracts > 0", name=op.f("ck_orders_sz_positive")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_orders_account_id")),
        sa.ForeignKeyConstraint(["cycle_id"], ["decision_cycles.id"], name=op.f("fk_orders_cycle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("cl_ord_id", name=op.f("uq_orders_cl_ord_id")),
    )
    op.create_index(op.f("ix_orders_cycle_id"), "orders", ["cycle_id"], unique=False)
    op.create_index(
        "ix_orders_open",
        "orders",
        ["account_id", "state"],
        unique=False,
        postgresql_where=sa.text("state IN ('intended', 'live', 'partially_filled', 'submitting', 'unknown')"),
    )
    op.create_index("ix_orders_recent", "orders", ["account_id", "created_at"], unique=False)
    op.create_index(
        "uq_orders_one_open_entry",
        "orders",
        ["account_id", "inst_id"],
        unique=True,
        postgresql_where=sa.text(
            "leg IN ('add', 'entry') AND state IN ('intended', 'live', 'partially_filled', 'submitting', 'unknown')"
        ),
    )
    op.create_table(
        "risk_verdicts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cycle_id", sa.BigInteger(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("refused_by", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("contracts", sa.Numeric(), nullable=False),
        sa.Column("leverage", sa.Numeric(), nullable=True),
        sa.Column("margin", sa.Numeric(), nullable=True),
        sa.Column("checks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("given", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("effect IN ('pass', 'cut', 'reject', 'hold')", name=op.f("ck_risk_verdicts_effect")),
        sa.ForeignKeyConstraint(["cycle_id"], ["decision_cycles.id"], name=op.f("fk_risk_verdicts_cycle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_risk_verdicts")),
    )
    op.create_index(op.f("ix_risk_verdicts_cycle_id"), "risk_verdicts", ["cycle_id"], unique=False)
    op.create_table(
        "trades",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("cycle_id", sa.BigInteger(), nullable=True),
        sa.Column("opened_market_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_market_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("contracts", sa.Numeric(), nullable=False),
        sa.Column("max_contracts", sa.Numeric(), nullable=False),
        sa.Column("entry_px", sa.Numeric(), nullable=False),
        sa.Column("exit_px", sa.Numeric(), nullable=True),
        sa.Column("exited_contracts", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("pnl", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("fees", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("funding", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("net_pnl", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("risk", sa.Numeric(), nullable=True),
        sa.Column("r_multiple", sa.Numeric(), nullable=True),
        sa.Column("exit_reason", sa.Text(), nullable=True),
        sa.Column("strategy", sa.Text(), nullable=True),
        sa.Column("regime", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Numeric(), nullable=True),
        sa.Column("analyst", sa.Text(), nullable=True),
        sa.Column("playbook_version", sa.BigInteger(), nullable=True),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "exit_reason IS NULL OR exit_reason IN ('stop', 'target', 'decision', 'invalidation', 'flatten', 'liquidation', 'protection', 'foreign')",
            name=op.f("ck_trades_exit_reason"),
        ),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("ck_trades_side")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_trades_account_id")),
        sa.ForeignKeyConstraint(["cycle_id"], ["decision_cycles.id"], name=op.f("fk_trades_cycle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trades")),
    )
    op.create_index("ix_trades_closed", "trades", ["account_id", "closed_market_at"], unique=False)
    op.create_index(
        "uq_trades_one_open",
        "trades",
        ["account_id", "inst_id"],
        unique=True,
        postgresql_where=sa.text("closed_market_at IS NULL"),
    )
    op.create_table(
        "fills",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("inst_id", sa.Text(), nullable=False),
        sa.Column("trade_id", sa.Text(), nullable=False),
        sa.Column("ord_id", sa.Text(), nullable=False),
        sa.Column("cl_ord_id", sa.Text(), nullable=False),
        sa.Column("bill_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("sz_contracts", sa.Numeric(), nullable=False),
        sa.Column("px", sa.Numeric(), nullable=False),
        sa.Column("fee", sa.Numeric(), nullable=False),
        sa.Column("fee_ccy", sa.Text(), nullable=False),
        sa.Column("pnl", sa.Numeric(), nullable=False),
        sa.Column("exec_type", sa.Text(), nullable=False),
        sa.Column("market_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("journalled", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_fills_account_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_fills_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fills")),
        sa.UniqueConstraint("account_id", "inst_id", "trade_id", name=op.f("uq_fills_account_id_inst_id_trade_id")),
    )
    op.create_index("ix_fills_ord", "fills", ["ord_id"], unique=False)
    op.create_index(op.f("ix_fills_order_id"), "fills", ["order_id"], unique=False)
    op.create_table(
        "order_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_events_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_events")),
    )
    op.create_index(op.f("ix_order_events_order_id"), "order_events", ["order_id"], unique=False)
    op.create_table(
        "reflections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=True),
        sa.Column("statistics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("playbook_version", sa.BigInteger(), nullable=True),
        sa.Column("llm_call_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('trade', 'deep')", name=op.f("ck_reflections_kind")),
        sa.CheckConstraint(
            "outcome IN ('no_change', 'patched', 'refused', 'failed')", name=op.f("ck_reflections_outcome")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_reflections_account_id")),
        sa.ForeignKeyConstraint(["llm_call_id"], ["llm_calls.id"], name=op.f("fk_reflections_llm_call_id")),
        sa.ForeignKeyConstraint(["trade_id"], ["trades.id"], name=op.f("fk_reflections_trade_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reflections")),
        sa.UniqueConstraint("account_id", "window", name=op.f("uq_reflections_account_id_window")),
    )
    op.create_table(
        "research_cache",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("sources", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("llm_call_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["llm_call_id"], ["llm_calls.id"], name=op.f("fk_research_cache_llm_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_research_cache")),
    )
    op.create_index("ix_research_cache_key", "research_cache", ["key", "created_at"], unique=False)
    op.create_table(
        "screener_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle_id", sa.BigInteger(), nullable=False),
        sa.Column("screener", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("bypass", sa.Text(), nullable=True),
        sa.Column("fail_open", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("confidence", sa.Numeric(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("later_action", sa.Text(), nullable=True),
        sa.Column("llm_call_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_screener_logs_account_id")),
        sa.ForeignKeyConstraint(["cycle_id"], ["decision_cycles.id"], name=op.f("fk_screener_logs_cycle_id")),
        sa.ForeignKeyConstraint(["llm_call_id"], ["llm_calls.id"], name=op.f("fk_screener_logs_llm_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screener_logs")),
    )
    op.create_index(op.f("ix_screener_logs_cycle_id"), "screener_logs", ["cycle_id"], unique=False)
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
        END $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_index(op.f("ix_screener_logs_cycle_id"), table_name="screener_logs")
    op.drop_table("screener_logs")
    op.drop_index("ix_research_cache_key", table_name="research_cache")
    op.drop_table("research_cache")
    op.drop_table("reflections")
    op.drop_index(op.f("ix_order_events_order_id"), table_name="order_events")
    op.drop_table("order_events")
    op.drop_index(op.f("ix_fills_order_id"), table_name="fills")
    op.drop_index("ix_fills_ord", table_name="fills")
    op.drop_table("fills")
    op.drop_index("uq_trades_one_open", table_name="trades", postgresql_where=sa.text("closed_market_at IS NULL"))
    op.drop_index("ix_trades_closed", table_name="trades")
    op.drop_table("trades")
    op.drop_index(op.f("ix_risk_verdicts_cycle_id"), table_name="risk_verdicts")
    op.drop_table("risk_verdicts")
    op.drop_index(
        "uq_orders_one_open_entry",
        table_name="orders",
        postgresql_where=sa.text(
            "leg IN ('add', 'entry') AND state IN ('intended', 'live', 'partially_filled', 'submitting', 'unknown')"
        ),
    )
    op.drop_index("ix_orders_recent", table_name="orders")
    op.drop_index(
        "ix_orders_open",
        table_name="orders",
        postgresql_where=sa.text("state IN ('intended', 'live', 'partially_filled', 'submitting', 'unknown')"),
    )
    op.drop_index(op.f("ix_orders_cycle_id"), table_name="orders")
    op.drop_table("orders")
    op.drop_index(op.f("ix_llm_calls_request_sha256"), table_name="llm_calls")
    op.drop_index(op.f("ix_llm_calls_cycle_id"), table_name="llm_calls")
    op.drop_index("ix_llm_calls_at", table_name="llm_calls")
    op.drop_table("llm_calls")
    op.drop_table("positions")
    op.drop_index("uq_playbook_versions_active", table_name="playbook_versions", postgresql_where=sa.text("active"))
    op.drop_table("playbook_versions")
    op.drop_table("performance_snapshots")
    op.drop_table("job_runs")
    op.drop_index(
        "uq_instrument_locks_open",
        table_name="instrument_locks",
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.drop_table("instrument_locks")
    op.drop_index("ix_decision_cycles_recent", table_name="decision_cycles")
    op.drop_index("ix_decision_cycles_open", table_name="decision_cycles", postgresql_where=sa.text("stage <> 'done'"))
    op.drop_table("decision_cycles")
    op.drop_table("bot_state")
    op.drop_index("ix_bills_at", table_name="bills")
    op.drop_table("bills")
    op.drop_table("audit_log")
    op.drop_index("ix_algo_orders_inst_state", table_name="algo_orders")
    op.drop_table("algo_orders")
    op.drop_index("ix_alerts_undelivered", table_name="alerts", postgresql_where=sa.text("delivered_at IS NULL"))
    op.drop_table("alerts")
    op.drop_index("ix_outbox_unsent", table_name="outbox", postgresql_where=sa.text("sent_at IS NULL"))
    op.drop_table("outbox")
    op.drop_table("funding")
    op.drop_table("candles")
    op.drop_table("accounts")
    op.execute("DROP FUNCTION refuse_change()")
