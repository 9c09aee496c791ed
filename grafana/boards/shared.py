"""Panels several boards show."""

from grafana.panel import Panel

MARKET_TIME = Panel("table", "Time of this dashboard", "Market time: the exchange's, in paper mode perhaps another year and faster "
                    "than the clock on the wall. A click on a span shows it.", """
                    SELECT span AS "show", to_char(greatest(since, first), 'YYYY-MM-DD HH24:MI') AS "from",
                      to_char(last, 'YYYY-MM-DD HH24:MI') AS "to",
                      (extract(epoch FROM greatest(since, first)) * 1000)::bigint::text AS "from_ms",
                      (extract(epoch FROM last) * 1000)::bigint::text AS "to_ms"
                    FROM (SELECT min(slot) AS first, max(slot) AS last FROM performance_snapshots) AS s,
                      LATERAL (VALUES ('last day', last - interval '1 day'), ('last week', last - interval '7 days'),
                        ('last 30 days', last - interval '30 days'), ('everything', first)) AS v (span, since)
                    WHERE last IS NOT NULL""", "short", 8, 6,
                    link=("show", "/d/${__dashboard.uid}?from=${__data.fields.from_ms}&to=${__data.fields.to_ms}"),
                    hidden=("from_ms", "to_ms"))  # fmt: skip
