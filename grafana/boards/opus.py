"""Opus Activity: what the models decided, how fast, for how much."""

from grafana.limits import Limits
from grafana.panel import Board, Panel

CYCLES = "$__timeFilter(c.slot) AND c.inst_id IN ($instrument)"
CALLS = "$__timeFilter(created_at)"


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-opus`."""
    return Board(
        "okxbot-opus",
        "Opus Activity",
        "Decisions and model calls. Calls are in wall time, decisions in market time.",
        (
            Panel("timeseries", "Decisions per hour", "By action; HOLD is most of them by design.", f"""
                  SELECT date_trunc('hour', c.slot) AS time, c.decision->>'action' AS metric, count(*)::float8 AS value
                  FROM decision_cycles c WHERE {CYCLES} AND c.decision IS NOT NULL GROUP BY 1, 2 ORDER BY 1""", "short", 12),
            Panel("timeseries", "Latency of decisions", "Half, 95 % and 99 % of calls answered within; the line is the "
                  "budget after which the cycle holds.", f"""
                  SELECT date_trunc('hour', created_at) AS time,
                    (percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) / 1000)::float8 AS "p50",
                    (percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) / 1000)::float8 AS "p95",
                    (percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_ms) / 1000)::float8 AS "p99"
                  FROM llm_calls WHERE purpose = 'decide' AND {CALLS} AND latency_ms IS NOT NULL
                  GROUP BY 1 ORDER BY 1""", "s", 12, limit=limits.opus_budget_s),
            Panel("timeseries", "Cost per day", "US dollars per UTC day and purpose; the line is the day's budget for all.",
                  f"""SELECT date_trunc('day', created_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS time,
                         purpose AS metric, sum(coalesce(cost_usd, reserved_usd))::float8 AS value
                  FROM llm_calls WHERE {CALLS} GROUP BY 1, 2 ORDER BY 1""", "currencyUSD", 8, limit=limits.llm_budget_usd),
            Panel("stat", "Cost per closed trade", "Model cost in view over trades closed in view.", """
                  SELECT ((SELECT sum(cost_usd) FROM llm_calls WHERE $__timeFilter(created_at))
                    / nullif((SELECT count(*) FROM trades WHERE $__timeFilter(closed_market_at)), 0))::float8 AS "cost" """,
                  "currencyUSD", 4, decimals=3),
            Panel("stat", "Cache share", "Input tokens read from the cache, of all input tokens.", f"""
                  SELECT (sum(cache_read_tokens)::numeric / nullif(sum(coalesce(input_tokens, 0)
                    + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)), 0))::float8 AS "share"
                  FROM llm_calls WHERE {CALLS}""", "percentunit", 4),
            Panel("timeseries", "Tokens per hour", "Input outside the cache, read from it, and output.", f"""
                  SELECT date_trunc('hour', created_at) AS time, coalesce(sum(input_tokens), 0)::float8 AS "input",
                    coalesce(sum(cache_read_tokens), 0)::float8 AS "cached", coalesce(sum(output_tokens), 0)::float8 AS "output"
                  FROM llm_calls WHERE {CALLS} GROUP BY 1 ORDER BY 1""", "short", 8),
            Panel("table", "Screener", "How many signals passed; of those that passed, how many led to an action "
                  "(precision); of those held back, how many would have (misses).", f"""
                  SELECT screener, count(*)::float8 AS "screened", avg(passed::int)::float8 AS "pass rate",
                    avg((later_action <> 'HOLD')::int) FILTER (WHERE passed)::float8 AS "precision",
                    (count(*) FILTER (WHERE NOT passed AND later_action <> 'HOLD'))::float8 AS "misses",
                    (count(*) FILTER (WHERE fail_open))::float8 AS "passed on failure"
                  FROM screener_logs WHERE {CALLS} GROUP BY 1 ORDER BY 1""", "short", 12, 6, decimals=2),
            Panel("table", "Calls by purpose", "Outcome of every call; anything but ok ended in HOLD or a pass.", f"""
                  SELECT purpose, model, outcome, count(*)::float8 AS "calls", sum(cost_usd)::float8 AS "cost"
                  FROM llm_calls WHERE {CALLS} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""", "short", 12, 6, decimals=2),
            Panel("table", "Decisions", "The last hundred. A click shows the cycle below.", f"""
                  SELECT c.slot, c.id AS "cycle", c.inst_id AS "instrument", c.decision->>'action' AS "action",
                    (c.decision->>'confidence')::float8 AS "confidence", c.outcome, c.reason
                  FROM decision_cycles c WHERE {CYCLES} ORDER BY c.slot DESC LIMIT 100""",
                  "short", 12, 10, drill=("cycle", "okxbot-opus", "cycle")),
            Panel("table", "Model calls of the cycle", "Of the cycle id above; `okxbot show` replays by these ids.", """
                  SELECT id AS "call", purpose, model, outcome, latency_ms::float8 AS "ms", cost_usd::float8 AS "cost",
                    request_sha256 AS "replay id"
                  FROM llm_calls WHERE cycle_id = nullif('$cycle', '')::bigint ORDER BY id""", "short", 12, 10),
        ),
    )  # fmt: skip
