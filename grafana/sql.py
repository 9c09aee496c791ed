"""Pieces of SQL several panels share.

Two kinds of time never meet in one panel: a board is in market time (trades, snapshots, fills, candles) or in wall time
(model calls, queues, alerts), and its panels filter by that kind alone. The variables and macros are Grafana's.
"""

# Closed trades in view, market time.
CLOSED = "closed_market_at IS NOT NULL AND $__timeFilter(closed_market_at) AND inst_id IN ($instrument)"
# The hourly snapshots in view, market time.
HOURLY = "period = 'hourly' AND $__timeFilter(slot)"
# What the models cost in view, by the snapshots, so that it is counted in the time of the trades beside it.
MODEL_COST = (
    "(SELECT coalesce(max(llm_cost_usd) - coalesce((SELECT llm_cost_usd FROM performance_snapshots WHERE period = 'hourly' "
    f"AND slot < $__timeFrom() ORDER BY slot DESC LIMIT 1), 0), 0) FROM performance_snapshots WHERE {HOURLY})"
)
_ORIGIN = "TIMESTAMPTZ '2000-01-01Z'"
# The hour, or as many hours as one point of the graph spans, of `activity_hours`; wall time.
HOURS = f"date_bin(greatest('$__interval'::interval, interval '1 hour'), hour, {_ORIGIN})"
PER_HOUR = "(extract(epoch FROM greatest('$__interval'::interval, interval '1 hour')) / 3600)"
# The same for the samples of each minute.
MINUTES = f"date_bin(greatest('$__interval'::interval, interval '1 minute'), at, {_ORIGIN})"
# And for closed trades.
CLOSES = f"date_bin(greatest('$__interval'::interval, interval '1 hour'), closed_market_at, {_ORIGIN})"


def activity(measure: str, value: str = f"sum(value) / {PER_HOUR}", where: str = "") -> str:
    """A series for each label of a measure of `activity_hours`, by default per hour."""
    return (
        f"SELECT {HOURS} AS time, label AS metric, ({value})::float8 AS value FROM activity_hours\n"
        f"WHERE measure = '{measure}' AND $__timeFilter(hour){where} GROUP BY 1, 2 ORDER BY 1"
    )


def sampled(metric: str, label: str = "label", value: str = "max(value)") -> str:
    """A series for each label of a metric of `health_samples`, by default the highest of each point."""
    return (
        f"SELECT {MINUTES} AS time, {label} AS metric, ({value})::float8 AS value FROM health_samples\n"
        f"WHERE metric = '{metric}' AND $__timeFilter(at) GROUP BY 1, 2 ORDER BY 1"
    )
