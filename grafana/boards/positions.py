"""Active Positions: each with its plan, its stop, and how long it was without one."""

from grafana.limits import Limits
from grafana.panel import Board, Panel

OPEN = "contracts <> 0 AND inst_id IN ($instrument)"


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-positions`."""
    return Board(
        "okxbot-positions",
        "Active Positions",
        "What is held now, as the exchange last said.",
        (
            Panel("table", "Open positions", "Distance to stop and target in percent of the mark price and in R, the risk "
                  "of the trade at its entry. An empty stop means there is none on the exchange.", """
                  SELECT p.inst_id AS "instrument", p.contracts::float8 AS "contracts", p.avg_px::float8 AS "entry",
                    p.mark_px::float8 AS "mark", p.upl::float8 AS "unrealised", p.stop_px::float8 AS "stop",
                    (abs(p.mark_px - p.stop_px) / p.mark_px * 100)::float8 AS "to stop %",
                    (abs(p.mark_px - p.stop_px) / nullif(abs(p.avg_px - p.stop_px), 0))::float8 AS "to stop R",
                    p.target_px::float8 AS "target",
                    (abs(p.target_px - p.mark_px) / p.mark_px * 100)::float8 AS "to target %",
                    (abs(p.target_px - p.mark_px) / nullif(abs(p.avg_px - p.stop_px), 0))::float8 AS "to target R",
                    extract(epoch FROM p.updated_market_at - p.opened_market_at)::float8 / 3600 AS "age h",
                    p.naked_seconds::float8 AS "naked s", t.cycle_id AS "cycle", p.plan::text AS "plan"
                  FROM positions p LEFT JOIN trades t
                    ON t.account_id = p.account_id AND t.inst_id = p.inst_id AND t.closed_market_at IS NULL
                  WHERE p.contracts <> 0 AND p.inst_id IN ($instrument) ORDER BY 1""", "short", 24, 8, drill=("cycle", "okxbot-opus", "cycle")),
            Panel("stat", "Positions without a stop", "Open positions that no stop on the exchange covers. Must be 0.",
                  f"""SELECT count(*)::float8 AS "uncovered" FROM positions
                  WHERE {OPEN} AND (stop_px IS NULL OR uncovered_since IS NOT NULL)""", "short", 6, 5, limit=1),
            Panel("bars", "Naked seconds", "Wall seconds each instrument's present position was without a stop; the mark is "
                  "the grace.", """SELECT inst_id AS "instrument", naked_seconds::float8 AS "naked"
                  FROM positions WHERE inst_id IN ($instrument) ORDER BY 1""", "s", 6, 5, limit=limits.naked_grace_s),
            Panel("timeseries", "Unrealised profit", "Of all positions, each hour of market time.", """
                  SELECT slot AS time, upl::float8 AS "unrealised" FROM performance_snapshots
                  WHERE period = 'hourly' AND $__timeFilter(slot) ORDER BY 1""", "currencyUSD", 12, 5, money=True),
            Panel("candles", "Candles", "Hourly candles of the first chosen instrument.", """
                  SELECT ts AS time, open::float8, high::float8, low::float8, close::float8, vol_quote::float8 AS volume
                  FROM candles WHERE bar = '1H' AND $__timeFilter(ts)
                    AND inst_id = (SELECT min(i) FROM unnest(ARRAY[$instrument]) AS i) ORDER BY ts""",
                  "short", 14, 10),
            Panel("table", "Entries and exits", "Fills in view, newest first.", """
                  SELECT market_at AS "time", inst_id AS "instrument", side, sz_contracts::float8 AS "contracts",
                         px::float8 AS "price", fee::float8 AS "fee", pnl::float8 AS "profit"
                  FROM fills WHERE $__timeFilter(market_at) AND inst_id IN ($instrument)
                  ORDER BY market_at DESC LIMIT 100""", "short", 10, 10),
        ),
    )  # fmt: skip
