"""Playbook Evolution: what the bot learned, on what evidence, and whether it got better."""

from grafana.limits import Limits
from grafana.panel import Board, Panel

# Of all time: a version is judged by every trade opened under it, whatever is in view.
UNDER_VERSION = ("closed_market_at IS NOT NULL AND playbook_version::text IN ($playbook) "
                 "AND inst_id IN ($instrument)")  # fmt: skip


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-playbook`."""
    return Board(
        "okxbot-playbook",
        "Playbook Evolution",
        "Versions, their differences and evidence, and how they did. Wall time; figures by version are of all time.",
        (
            Panel("timeseries", "Versions", "The version after each change and the lessons it holds.", """
                  SELECT created_at AS time, version::float8 AS "version",
                    coalesce(jsonb_array_length(content->'lessons'), 0)::float8 AS "lessons"
                  FROM playbook_versions WHERE $__timeFilter(created_at) ORDER BY 1""", "short", 12, series=("version", "lessons")),
            Panel("barchart", "Expectancy by version", "Mean R multiple of the trades opened under each version.", f"""
                  SELECT 'v' || playbook_version AS "version", avg(r_multiple)::float8 AS "R" FROM trades
                  WHERE {UNDER_VERSION} GROUP BY playbook_version ORDER BY playbook_version""", "short", 12, decimals=2),
            Panel("barchart", "Brier score by version", "Mean squared distance of stated confidence and outcome; 0.25 is "
                  "no better than saying one half.", f"""
                  SELECT 'v' || playbook_version AS "version", avg((confidence - (net_pnl > 0)::int) ^ 2)::float8 AS "Brier"
                  FROM trades WHERE {UNDER_VERSION} AND confidence IS NOT NULL
                  GROUP BY playbook_version ORDER BY playbook_version""", "short", 12, limit=0.25, decimals=3),
            Panel("table", "Calibration", "Stated confidence against the share of trades that won, by version and tenths.", f"""
                  SELECT 'v' || playbook_version AS "version", least(floor(confidence * 10), 9)::float8 / 10 AS "stated from",
                    count(*)::float8 AS "trades", avg(confidence)::float8 AS "stated", avg((net_pnl > 0)::int)::float8 AS "won"
                  FROM trades WHERE {UNDER_VERSION} AND confidence IS NOT NULL
                  GROUP BY playbook_version, 2 ORDER BY playbook_version DESC, 2""", "short", 12, decimals=2),
            Panel("table", "Lessons alive", "What the active version has learned, and from how many trades.", """
                  SELECT lesson->>'text' AS "lesson", coalesce(jsonb_array_length(lesson->'trade_ids'), 0) AS "trades",
                    lesson->>'trade_ids' AS "trade ids"
                  FROM playbook_versions, jsonb_array_elements(content->'lessons') AS lesson WHERE active""", "short", 24, 7),
            Panel("table", "Versions and differences", "Who changed what, why, on which trades. Newest first.", """
                  SELECT created_at AS "time", version, active, author, reason, jsonb_array_length(evidence_trade_ids)
                    AS "evidence", evidence_trade_ids::text AS "trade ids", diff::text AS "diff"
                  FROM playbook_versions ORDER BY version DESC LIMIT 50""", "short", 24, 9),
            Panel("table", "Reflections", "What each found; refused ones name the reason.", """
                  SELECT created_at AS "time", kind, outcome, reason, playbook_version AS "version", trade_id AS "trade"
                  FROM reflections WHERE $__timeFilter(created_at) ORDER BY created_at DESC LIMIT 50""", "short", 24, 8),
        ),
    )  # fmt: skip
