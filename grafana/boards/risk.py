"""Risk Monitor: every limit, how near it is, and what was refused."""

from grafana.limits import Limits
from grafana.panel import Board, Panel


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-risk`."""
    return Board(
        "okxbot-risk",
        "Risk Monitor",
        "Account limits against their real values; refusals; what waits for a person.",
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
                  SELECT rule, count(*)::float8 AS "refusals" FROM risk_verdicts, unnest(refused_by) AS rule
                  WHERE $__timeFilter(created_at) GROUP BY 1 ORDER BY 2 DESC""", "short", 12),
            Panel("timeseries", "Verdicts per hour", "Passed, cut, refused, held.", """
                  SELECT date_trunc('hour', created_at) AS time, effect AS metric, count(*)::float8 AS value
                  FROM risk_verdicts WHERE $__timeFilter(created_at) GROUP BY 1, 2 ORDER BY 1""", "short", 12),
            Panel("table", "State", "Halt, cooldown, and why entries are blocked.", """
                  SELECT state, halted, halt_kind AS "halt", halt_reason AS "reason", halted_by AS "by",
                    cooldown_until AS "cooldown until", entries_blocked AS "entries blocked" FROM bot_state""",
                  "short", 24, 4),
            Panel("table", "Locked instruments", "No entries there until the lock is lifted.", """
                  SELECT inst_id AS "instrument", reason, detail, since FROM instrument_locks
                  WHERE lifted_at IS NULL ORDER BY since DESC""", "short", 12),
            Panel("table", "Breaks and breaches", "Differences to the exchange and broken invariants, newest first.", """
                  SELECT created_at AS "time", severity, kind, inst_id AS "instrument", message FROM alerts
                  WHERE $__timeFilter(created_at) AND severity <> 'INFO' ORDER BY created_at DESC LIMIT 100""",
                  "short", 12),
        ),
    )  # fmt: skip
