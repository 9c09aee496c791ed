"""breaks, money days, exits bound to their position

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_COLUMNS = {
    "orders": [sa.Column("position_opened_at", _TIME), sa.Column("looked_from", _TIME)],
    "positions": [sa.Column("moved_stop_px", sa.Numeric()), sa.Column("alarmed_at", _TIME)],
    "bot_state": [
        sa.Column("unsettled_at", _TIME),
        sa.Column("entries_blocked", sa.Text()),
        sa.Column("invariants_checked_at", _TIME),
        sa.Column("clock_skew_s", sa.Numeric()),
        sa.Column("clock_skew_at", _TIME),
    ],
}


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "breaks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("inst_id", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("first_seen_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_at", _TIME, nullable=True),
        sa.Column("resolved_at", _TIME, nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.CheckConstraint("source IN ('reconcile', 'invariants')", name=op.f("ck_breaks_source")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_breaks_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breaks")),
    )
    op.create_index(
        "uq_breaks_open",
        "breaks",
        ["account_id", "name", "inst_id"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index("ix_breaks_recent", "breaks", ["account_id", "id"])
    money = ("realised", "fees", "funding", "liquidation", "transfers", "other")
    op.create_table(
        "money_days",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("opened_market_at", _TIME, nullable=False),
        sa.Column("opening_bill_id", sa.BigInteger(), nullable=True),
        sa.Column("opening_equity", sa.Numeric(), nullable=False),
        sa.Column("opening_upl", sa.Numeric(), nullable=False),
        *[sa.Column(name, sa.Numeric(), server_default="0", nullable=False) for name in money],
        sa.Column("closing_market_at", _TIME, nullable=False),
        sa.Column("closing_bill_id", sa.BigInteger(), nullable=True),
        sa.Column("closing_equity", sa.Numeric(), nullable=False),
        sa.Column("closing_upl", sa.Numeric(), nullable=False),
        sa.Column("difference", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("closed", sa.Boolean(), server_default="false", nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_money_days_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_money_days")),
        sa.UniqueConstraint("account_id", "day", name=op.f("uq_money_days_account_id_day")),
    )


def downgrade() -> None:
    op.drop_table("money_days")
    op.drop_index("ix_breaks_recent", table_name="breaks")
    op.drop_index("uq_breaks_open", table_name="breaks")
    op.drop_table("breaks")
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)
