"""Opus Activity: what the models decided, how fast, for how much."""

from grafana.limits import Limits
from grafana.panel import Board, Panel
from grafana.sql import HOURS, activity

CHOSEN = " AND inst_id IN ($instrument)"
IN_VIEW = "$__timeFilter(hour)"


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-opus`."""
    return Board(
        "okxbot-opus",
        "Opus Activity",
        "Decisions and model calls. Wall time.",
        (
            Panel("timeseries", "Decisions per hour", "By action; HOLD is most of them by design.",
                  activity("decisions", where=CHOSEN), "short", 12,
                  series=("HOLD", "OPEN_LONG", "OPEN_SHORT", "CLOSE", "ADD", "REDUCE")),
            Panel("timeseries", "Latency of decisions", "Half, 95 % and 99 % of an hour's calls answered within; of several "
                  "hours the slowest. The line is the budget after which the cycle holds.", f"""
                  SELECT {HOURS} AS time, replace(replace(measure, 'decide_', ''), '_s', '') AS metric,
                    max(value)::float8 AS value FROM activity_hours
                  WHERE measure IN ('decide_p50_s', 'decide_p95_s', 'decide_p99_s') AND {IN_VIEW}
                  GROUP BY 1, 2 ORDER BY 1""", "s", 12, limit=limits.opus_budget_s, series=("p50", "p95", "p99")),
            Panel("timeseries", "Cost per day", "US dollars per UTC day and purpose; the line is the day's budget for all.",
                  f"""SELECT date_trunc('day', hour AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS time,
                         label AS metric, sum(value)::float8 AS value
                  FROM activity_hours WHERE measure = 'cost_usd' AND {IN_VIEW} GROUP BY 1, 2 ORDER BY 1""",
                  "currencyUSD", 8, limit=limits.llm_budget_usd,
                  series=("decide", "screen", "research", "review", "reflect")),
            Panel("stat", "Cost per closed trade", "Model cost over trades closed, by the hourly snapshots taken in view.", """
                  SELECT ((max(llm_cost_usd) - min(llm_cost_usd)) / nullif(max(trades_closed) - min(trades_closed), 0))::float8
                    AS "cost" FROM performance_snapshots WHERE period = 'hourly' AND $__timeFilter(created_at)""",
                  "currencyUSD", 4, decimals=3),
            Panel("stat", "Cache share", "Input tokens read from the cache, of all input tokens.", f"""
                  SELECT (sum(value) FILTER (WHERE label = 'cached') / nullif(sum(value), 0))::float8 AS "share"
                  FROM activity_hours WHERE measure = 'tokens' AND label <> 'output' AND {IN_VIEW}""", "percentunit", 4),
            Panel("timeseries", "Tokens per hour", "Input outside the cache, read from it, written to it, and output.",
                  activity("tokens"), "short", 8, series=("input", "cached", "written", "output")),
            Panel("table", "Screener", "How many signals passed; of those that passed, how many led to an action "
                  "(precision); of those held back, how many would have (misses).", f"""
                  WITH s AS (SELECT label, measure, sum(value) AS n FROM activity_hours WHERE {IN_VIEW} AND measure IN
                    ('screened', 'passed', 'passed_and_acted', 'missed', 'failed_open') GROUP BY 1, 2),
                  t AS (SELECT label, coalesce(sum(n) FILTER (WHERE measure = 'screened'), 0) AS screened,
                      coalesce(sum(n) FILTER (WHERE measure = 'passed'), 0) AS passed,
                      coalesce(sum(n) FILTER (WHERE measure = 'passed_and_acted'), 0) AS acted,
                      coalesce(sum(n) FILTER (WHERE measure = 'missed'), 0) AS missed,
                      coalesce(sum(n) FILTER (WHERE measure = 'failed_open'), 0) AS failed FROM s GROUP BY 1)
                  SELECT label AS "screener", screened AS "screened", passed / nullif(screened, 0) AS "pass rate",
                    acted / nullif(passed, 0) AS "precision", missed AS "misses", failed AS "passed on failure"
                  FROM t ORDER BY 1""", "short", 12, 6, decimals=2),
            Panel("table", "Calls by purpose", "Outcome of every call, research among them; anything but ok ended in HOLD or a "
                  "pass.", f"""
                  SELECT split_part(label, ' ', 1) AS "purpose", split_part(label, ' ', 2) AS "model",
                    split_part(label, ' ', 3) AS "outcome", sum(value)::float8 AS "calls"
                  FROM activity_hours WHERE measure = 'calls' AND {IN_VIEW} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
                  "short", 12, 6),
            Panel("table", "Decisions", "The last hundred in view. A click shows the cycle's model calls.", """
                  SELECT c.created_at AS "time", c.slot AS "market time", c.id AS "cycle", c.inst_id AS "instrument",
                    c.decision->>'action' AS "action", (c.decision->>'confidence')::float8 AS "confidence", c.outcome, c.reason
                  FROM decision_cycles c WHERE $__timeFilter(c.created_at) AND c.inst_id IN ($instrument)
                  ORDER BY c.id DESC LIMIT 100""",
                  "short", 12, 10, drill=("cycle", "okxbot-opus", "cycle")),
            Panel("table", "Model calls of the cycle", "Of the cycle id chosen above; a stored call replays byte for byte.", """
                  SELECT id AS "call", purpose, model, outcome, latency_ms::float8 AS "ms", cost_usd::float8 AS "cost",
                    request_sha256 AS "replay id"
                  FROM llm_calls WHERE cycle_id = nullif('$cycle', '')::bigint ORDER BY id""", "short", 12, 10),
        ),
    )  # fmt: skip
