"""Playbook Evolution: what the bot learned, on what evidence, and whether it got better."""

from grafana.limits import Limits
from grafana.panel import Board, Panel


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-playbook`."""
    return Board(
        "okxbot-playbook",
        "Playbook Evolution",
        "Versions, their differences and evidence, and how they did.",
        (
            Panel("timeseries", "Version", "The version in force after each change.", """
                  SELECT created_at AS time, version::float8 AS "version" FROM playbook_versions
                  WHERE $__timeFilter(created_at) ORDER BY 1""", "short", 12),
            Panel("barchart", "Expectancy by version", "Mean R multiple of the trades opened under each version.", """
                  SELECT 'v' || playbook_version AS "version", avg(r_multiple)::float8 AS "R" FROM trades
                  WHERE closed_market_at IS NOT NULL AND playbook_version::text IN ($playbook)
                    AND $__timeFilter(closed_market_at) AND inst_id IN ($instrument)
                  GROUP BY playbook_version ORDER BY playbook_version""", "short", 12, decimals=2),
            Panel("barchart", "Brier score by version", "Mean squared distance of stated confidence and outcome; 0.25 is "
                  "no better than saying one half.", """
                  SELECT 'v' || playbook_version AS "version", avg((confidence - (net_pnl > 0)::int) ^ 2)::float8 AS "Brier"
                  FROM trades WHERE closed_market_at IS NOT NULL AND confidence IS NOT NULL
                    AND playbook_version::text IN ($playbook) AND $__timeFilter(closed_market_at)
                    AND inst_id IN ($instrument) GROUP BY playbook_version ORDER BY playbook_version""",
                  "short", 12, limit=0.25, decimals=3),
            Panel("table", "Calibration", "Stated confidence against the share of trades that won, by tenths.", """
                  SELECT least(floor(confidence * 10), 9)::float8 / 10 AS "from", count(*)::float8 AS "trades",
                    avg(confidence)::float8 AS "stated", avg((net_pnl > 0)::int)::float8 AS "won"
                  FROM trades WHERE closed_market_at IS NOT NULL AND confidence IS NOT NULL
                    AND playbook_version::text IN ($playbook) AND $__timeFilter(closed_market_at)
                    AND inst_id IN ($instrument) GROUP BY 1 ORDER BY 1""", "short", 12, decimals=2),
            Panel("table", "Versions", "Who changed what, why, on which trades. Newest first.", """
                  SELECT created_at AS "time", version, active, author, reason, jsonb_array_length(evidence_trade_ids)
                    AS "evidence", diff::text AS "diff"
                  FROM playbook_versions ORDER BY version DESC LIMIT 50""", "short", 24, 9),
            Panel("table", "Reflections", "What each found; refused ones name the reason.", """
                  SELECT created_at AS "time", kind, outcome, reason, playbook_version AS "version", trade_id AS "trade"
                  FROM reflections WHERE $__timeFilter(created_at) ORDER BY created_at DESC LIMIT 50""", "short", 24, 8),
        ),
    )  # fmt: skip
