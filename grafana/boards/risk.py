"""Risk Monitor: every limit, how near it is, and what was refused."""

from grafana.limits import Limits
from grafana.panel import Board, Panel
from grafana.sql import activity


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-risk`."""
    return Board(
        "okxbot-risk",
        "Risk Monitor",
        "Account limits against their real values; refusals; what waits for a person. Wall time.",
        (
            Panel("stat", "Daily loss", "Loss since 00:00 UTC in percent of that moment's equity; at the limit it halts.",
                  """SELECT (greatest(day_baseline - equity, 0) / nullif(day_baseline, 0) * 100)::float8 AS "loss"
                  FROM bot_state""", "percent", 4, 5, limit=limits.daily_loss_pct, decimals=2),
            Panel("stat", "Drawdown", "Under the peak, in percent; at the limit it halts.", """
                  SELECT (greatest(peak_equity - equity, 0) / nullif(peak_equity, 0) * 100)::float8 AS "drawdown"
                  FROM bot_state""", "percent", 4, 5, limit=limits.drawdown_pct, decimals=2),
            Panel("stat", "Margin in use", "Margin of positions in percent of equity.", """
                  SELECT (coalesce((SELECT sum(margin) FROM positions WHERE contracts <> 0), 0)
                    / nullif(equity, 0) * 100)::float8 AS "margin" FROM bot_state""",
                  "percent", 4, 5, limit=limits.total_margin_pct, decimals=2),
            Panel("stat", "Open positions", "Positions held.", """
                  SELECT count(*)::float8 AS "open" FROM positions WHERE contracts <> 0""",
                  "short", 4, 5, limit=limits.open_positions),
            Panel("stat", "Losses in a row", "At the limit a cooldown starts.", """
                  SELECT consecutive_losses::float8 AS "losses" FROM bot_state""",
                  "short", 4, 5, limit=limits.consecutive_losses),
            Panel("stat", "Unknown orders", "Orders of which it is not known whether they reached the exchange.", """
                  SELECT count(*)::float8 AS "unknown" FROM orders WHERE state = 'unknown'""", "short", 4, 5, limit=1),
            Panel("barchart", "Refusals by rule", "How often each check refused, in view.", """
                  SELECT label AS rule, sum(value)::float8 AS "refusals" FROM activity_hours
                  WHERE measure = 'refusals' AND $__timeFilter(hour) GROUP BY 1 ORDER BY 2 DESC""", "short", 12),
            Panel("timeseries", "Verdicts per hour", "Passed, cut, refused, held.", activity("verdicts"), "short", 12,
                  series=("pass", "cut", "reject", "hold")),
            Panel("table", "State", "Halt, cooldown, and why entries are blocked.", """
                  SELECT state, halted, halt_kind AS "halt", halt_reason AS "reason", halted_by AS "by",
                    cooldown_until AS "cooldown until", entries_blocked AS "entries blocked" FROM bot_state""",
                  "short", 24, 4),
            Panel("table", "Differences and breaches", "Differences to the exchange and broken invariants; those still open "
                  "first.", """
                  SELECT first_seen_at AS "first seen", name, source, inst_id AS "instrument", detail,
                    CASE WHEN resolved_at IS NULL THEN 'open' ELSE resolution END AS "resolved"
                  FROM breaks WHERE confirmed_at IS NOT NULL AND (resolved_at IS NULL OR $__timeFilter(first_seen_at))
                  ORDER BY resolved_at IS NULL DESC, id DESC LIMIT 50""", "short", 24, 7),
            Panel("table", "Locked instruments", "No entries there until the lock is lifted.", """
                  SELECT inst_id AS "instrument", reason, detail, since FROM instrument_locks
                  WHERE lifted_at IS NULL ORDER BY since DESC""", "short", 12),
            Panel("table", "Warnings and criticals", "Alerts above INFO, newest first.", """
                  SELECT created_at AS "time", severity, kind, inst_id AS "instrument", message FROM alerts
                  WHERE $__timeFilter(created_at) AND severity <> 'INFO' ORDER BY created_at DESC LIMIT 100""",
                  "short", 12),
        ),
    )  # fmt: skip
