"""windows reflected on before they knew their end: it is in their names, and the next window begins there

Without it a bot that has traded for months would reflect on its whole past anew, window by window.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        UPDATE reflections SET window_end = substr("window", length('deep:hours:') + 1)::timestamptz
        WHERE kind = 'deep' AND window_end IS NULL AND "window" LIKE 'deep:hours:%'
    """)
    # `deep:trades:40` ended with the fortieth close.
    op.execute("""
        UPDATE reflections SET window_end = closed.at
        FROM (
            SELECT account_id, closed_market_at AS at,
                   row_number() OVER (PARTITION BY account_id ORDER BY closed_market_at, id) AS number
            FROM trades WHERE closed_market_at IS NOT NULL
        ) AS closed
        WHERE kind = 'deep' AND window_end IS NULL AND "window" = 'deep:trades:' || closed.number
          AND closed.account_id = reflections.account_id
    """)


def downgrade() -> None:
    """0009 takes the column away."""
