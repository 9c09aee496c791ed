"""System Health: queues, tasks, feeds, servers, memory, by a sample a minute; what waits; how full it is."""

from celeryconfig import queue_policies, workers
from grafana.limits import Limits
from grafana.panel import Board, Panel
from grafana.sql import HOURS, activity, sampled
from models.cycles import OUTCOMES

QUEUES = tuple(queue_policies)
CHANNELS = ("ticker", "candle", "book", "funding", "open_interest", "mark")
SERVICES = (*workers, "market-feed", "account-feed", "postgres", "redis", "beat", "flower", "metrics", "telegram")


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-health`."""
    return Board(
        "okxbot-health",
        "System Health",
        "Is it running, is it behind, is it full. Wall time.",
        (
            Panel("state", "State", "The bot's state each minute; a gap means that nobody looked.", """
                  SELECT at AS time, max(label) AS "state" FROM health_samples
                  WHERE metric = 'state' AND $__timeFilter(at) GROUP BY 1 ORDER BY 1""", "short", 16, 5),
            Panel("table", "What people did", "Halts, resumes and everything else in the audit log, newest first.", """
                  SELECT at AS "time", actor, channel, action FROM audit_log WHERE $__timeFilter(at)
                  ORDER BY at DESC LIMIT 50""", "short", 8, 5),
            Panel("timeseries", "Queue depth", "Messages that wait on each queue.", sampled("queue_depth"), "short", 8, series=QUEUES),
            Panel("timeseries", "Age of the oldest message", "How long the oldest message of each queue has waited.",
                  sampled("queue_oldest_s"), "s", 8, series=QUEUES),
            Panel("timeseries", "Task latency", "Within this time 95 % of a minute's tasks of each queue ended.",
                  sampled("task_p95_s"), "s", 8, series=QUEUES),
            Panel("timeseries", "Failed tasks", "Tasks that raised, by queue and minute.",
                  sampled("task_failures", value="sum(value)"), "short", 8, series=QUEUES),
            Panel("timeseries", "Feed lag", "Since each channel last spoke, of the stalest instrument.",
                  sampled("feed_lag_s"), "s", 8, series=CHANNELS),
            Panel("timeseries", "Reconnects", "Sockets that had to be opened again.",
                  sampled("reconnects", value="sum(value)"), "short", 8, series=("market-feed", "account-feed")),
            Panel("timeseries", "What answers", "1 while PostgreSQL, Redis, the broker and the supervisor answer.",
                  sampled("up", value="min(value)"), "short", 8, limit=1, bad="below",
                  series=("postgres", "redis", "broker", "services")),
            Panel("timeseries", "Since the guards last looked", "Reconciliation, protection, invariants, account.",
                  sampled("guard_age_s"), "s", 8, series=("reconcile", "protection", "invariants", "account")),
            Panel("timeseries", "Clock skew to the exchange", "Seconds our clock is off; a second refuses entries.",
                  sampled("clock_skew_s", "'skew'", "max(abs(value))"), "s", 8, limit=1),
            Panel("timeseries", "Memory by service", "Resident bytes, children included.",
                  sampled("resident_bytes"), "bytes", 12, 8, series=SERVICES),
            Panel("timeseries", "Memory and disk of the servers", "Redis in memory, PostgreSQL on disk.", """
                  SELECT time, metric, value FROM (""" + sampled("redis_bytes", "'Redis'").replace(" ORDER BY 1", "") + """
                  UNION ALL """ + sampled("postgres_bytes", "'PostgreSQL'").replace(" ORDER BY 1", "") + """
                  ) AS both_servers ORDER BY 1""", "bytes", 12, 8, series=("PostgreSQL", "Redis")),
            Panel("timeseries", "Cycle time", "From opened to ended, half and 95 % of an hour's cycles within.", f"""
                  SELECT {HOURS} AS time, replace(replace(measure, 'cycle_', ''), '_s', '') AS metric,
                    max(value)::float8 AS value FROM activity_hours
                  WHERE measure IN ('cycle_p50_s', 'cycle_p95_s') AND $__timeFilter(hour) GROUP BY 1, 2 ORDER BY 1""", "s", 12, series=("p50", "p95")),
            Panel("timeseries", "How cycles end, per hour", "By outcome; failed, unknown and expired are worth a look.",
                  activity("outcomes"), "short", 12, series=OUTCOMES),
            Panel("bars", "Open cycles by stage", "Cycles that have not ended; a stage that piles up is the slow one.", """
                  SELECT stage, count(*)::float8 AS "open" FROM decision_cycles WHERE stage <> 'done'
                  GROUP BY 1 ORDER BY 2 DESC""", "short", 6),
            Panel("stat", "Unsent messages", "Messages in the outbox, and the age of the oldest in seconds.", """
                  SELECT count(*)::float8 AS "unsent",
                    coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldest s"
                  FROM outbox WHERE sent_at IS NULL""", "short", 6, decimals=0),
            Panel("table", "Newest candles", "The last stored candle of each chosen instrument and bar, market time.", """
                  SELECT i AS "instrument", b AS "bar", c.ts AS "newest"
                  FROM unnest(ARRAY[$instrument]) AS i CROSS JOIN unnest(ARRAY['5m', '15m', '1H', '4H']) AS b
                  CROSS JOIN LATERAL (SELECT ts FROM candles WHERE inst_id = i AND bar = b ORDER BY ts DESC LIMIT 1) c
                  ORDER BY 1, 2""", "short", 6),
            Panel("table", "Largest tables", "Estimated rows and bytes, indexes included.", """
                  SELECT relname AS "table", greatest(reltuples, 0)::float8 AS "rows",
                    pg_total_relation_size(oid)::float8 AS "bytes"
                  FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                  ORDER BY 3 DESC LIMIT 12""", "short", 6, bytes_of=("bytes",)),
        ),
    )  # fmt: skip
