"""System Health: what PostgreSQL knows of the machinery; queues and memory are in the worker's metrics."""

from grafana.limits import Limits
from grafana.panel import Board, Panel


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-health`."""
    return Board(
        "okxbot-health",
        "System Health",
        "Is it running, is it behind, is it full. Wall time.",
        (
            Panel("state", "Halts and resumes", "What was done to the bot, from the audit log.", """
                  SELECT at AS time, action AS "action" FROM audit_log WHERE $__timeFilter(at) ORDER BY at""", "short", 24, 4),
            Panel("bars", "Open cycles by stage", "Cycles that have not ended; a stage that piles up is the slow one.", """
                  SELECT stage, count(*)::float8 AS "open" FROM decision_cycles WHERE stage <> 'done'
                  GROUP BY 1 ORDER BY 2 DESC""", "short", 8),
            Panel("stat", "Unsent messages", "Messages in the outbox, and the age of the oldest in seconds.", """
                  SELECT count(*)::float8 AS "unsent",
                    coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldest s"
                  FROM outbox WHERE sent_at IS NULL""", "short", 8, decimals=0),
            Panel("stat", "Clock skew to the exchange", "Seconds our clock is off.", """
                  SELECT clock_skew_s::float8 AS "skew" FROM bot_state""", "s", 8, decimals=3),
            Panel("timeseries", "Cycle time", "From opened to ended, half and 95 % of cycles within.", """
                  SELECT date_trunc('hour', created_at) AS time,
                    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at))::float8 AS "p50",
                    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at))::float8 AS "p95"
                  FROM decision_cycles WHERE finished_at IS NOT NULL AND $__timeFilter(slot)
                  GROUP BY 1 ORDER BY 1""", "s", 12),
            Panel("timeseries", "Failed work per hour", "Cycles that failed and periodic jobs that failed.", """
                  SELECT time, sum(cycles)::float8 AS "cycles", sum(jobs)::float8 AS "jobs" FROM (
                    SELECT date_trunc('hour', slot) AS time, count(*) FILTER (WHERE outcome = 'failed') AS cycles, 0 AS jobs
                    FROM decision_cycles WHERE $__timeFilter(slot) GROUP BY 1
                    UNION ALL SELECT date_trunc('hour', slot), 0, count(*) FILTER (WHERE status = 'failed')
                    FROM job_runs WHERE $__timeFilter(slot) GROUP BY 1) AS both_kinds GROUP BY 1 ORDER BY 1""", "short", 12),
            Panel("table", "Newest candles", "The last stored candle of each chosen instrument and bar.", """
                  SELECT i AS "instrument", b AS "bar", c.ts AS "newest"
                  FROM unnest(ARRAY[$instrument]) AS i CROSS JOIN unnest(ARRAY['5m', '15m', '1H', '4H']) AS b
                  CROSS JOIN LATERAL (SELECT ts FROM candles WHERE inst_id = i AND bar = b ORDER BY ts DESC LIMIT 1) c
                  ORDER BY 1, 2""", "short", 10),
            Panel("table", "Largest tables", "Estimated rows and bytes, indexes included.", """
                  SELECT relname AS "table", greatest(reltuples, 0)::float8 AS "rows",
                    pg_total_relation_size(oid)::float8 AS "bytes"
                  FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                  ORDER BY 3 DESC LIMIT 12""", "short", 8),
            Panel("stat", "Database size", "Of this bot's database.", """
                  SELECT pg_database_size(current_database())::float8 AS "size" """, "bytes", 6),
        ),
    )  # fmt: skip
