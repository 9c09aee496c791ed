"""Active Positions: each with its plan, its stop, and how long it was without one."""

from grafana.boards.shared import MARKET_TIME
from grafana.limits import Limits
from grafana.panel import Board, Panel
from grafana.sql import HOURLY

OPEN = "contracts <> 0 AND inst_id IN ($instrument)"


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-positions`."""
    return Board(
        "okxbot-positions",
        "Active Positions",
        "What is held now, as the exchange last said. Market time.",
        (
            Panel("table", "Open positions", "Room to stop and target in percent of the mark price and in R, the distance of "
                  "entry and original stop; negative when the price is already beyond. An empty stop means there is none on "
                  "the exchange.", """
                  SELECT p.inst_id AS "instrument", p.contracts::float8 AS "contracts", p.avg_px::float8 AS "entry",
                    p.mark_px::float8 AS "mark", p.upl::float8 AS "unrealised",
                    ((p.mark_px - p.avg_px) * r.way / r.risk)::float8 AS "R now",
                    p.stop_px::float8 AS "stop",
                    ((p.mark_px - p.stop_px) * r.way / p.mark_px * 100)::float8 AS "to stop %",
                    ((p.mark_px - p.stop_px) * r.way / r.risk)::float8 AS "to stop R",
                    p.target_px::float8 AS "target",
                    ((p.target_px - p.mark_px) * r.way / p.mark_px * 100)::float8 AS "to target %",
                    ((p.target_px - p.mark_px) * r.way / r.risk)::float8 AS "to target R",
                    extract(epoch FROM p.updated_market_at - p.opened_market_at)::float8 / 3600 AS "age h",
                    p.naked_seconds::float8 AS "naked s", t.cycle_id AS "cycle",
                    concat_ws('; ', p.plan->>'strategy', 'out if ' || (p.plan#>>'{invalidation,timeframe}') || ' '
                      || (p.plan#>>'{invalidation,indicator}') || ' ' || (p.plan#>>'{invalidation,comparison}') || ' '
                      || (p.plan#>>'{invalidation,level}')) AS "plan"
                  FROM positions p
                  CROSS JOIN LATERAL (SELECT sign(p.contracts) AS way, nullif(abs(p.avg_px
                    - coalesce((p.plan->>'stop_loss')::numeric, p.stop_px)), 0) AS risk) AS r
                  LEFT JOIN trades t
                    ON t.account_id = p.account_id AND t.inst_id = p.inst_id AND t.closed_market_at IS NULL
                  WHERE p.contracts <> 0 AND p.inst_id IN ($instrument) ORDER BY 1""", "short", 24, 8,
                  drill=("cycle", "okxbot-opus", "cycle"), decimals=2),
            Panel("stat", "Positions without a stop", "Open positions that no stop on the exchange covers. Must be 0.",
                  f"""SELECT count(*)::float8 AS "uncovered" FROM positions
                  WHERE {OPEN} AND (stop_px IS NULL OR uncovered_since IS NOT NULL)""", "short", 4, 6, limit=1),
            Panel("bars", "Naked seconds", "Wall seconds each instrument's present position was without a stop; the mark is "
                  "the grace.", f"""SELECT inst_id AS "instrument", naked_seconds::float8 AS "naked"
                  FROM positions WHERE {OPEN} ORDER BY 1""", "s", 6, 6, limit=limits.naked_grace_s),
            Panel("timeseries", "Unrealised profit", "Of all positions, each hour of market time.", f"""
                  SELECT slot AS time, upl::float8 AS "unrealised" FROM performance_snapshots
                  WHERE {HOURLY} ORDER BY 1""", "currencyUSD", 6, 6, money=True),
            MARKET_TIME,
            Panel("candles", "Candles, entries and exits", "Hourly candles of the first chosen instrument, with the average price "
                  "of what was bought and sold in each hour.", """
                  WITH one AS (SELECT min(i) AS inst_id FROM unnest(ARRAY[$instrument]) AS i),
                  f AS (SELECT date_trunc('hour', market_at) AS ts, side, sum(px * sz_contracts) / sum(sz_contracts) AS px
                        FROM fills WHERE $__timeFilter(market_at) AND inst_id = (SELECT inst_id FROM one) GROUP BY 1, 2)
                  SELECT c.ts AS time, open::float8, high::float8, low::float8, close::float8, vol_quote::float8 AS volume,
                    bought.px::float8 AS "bought", sold.px::float8 AS "sold"
                  FROM candles c LEFT JOIN f AS bought ON bought.ts = c.ts AND bought.side = 'buy'
                  LEFT JOIN f AS sold ON sold.ts = c.ts AND sold.side = 'sell'
                  WHERE bar = '1H' AND $__timeFilter(c.ts) AND inst_id = (SELECT inst_id FROM one) ORDER BY c.ts""",
                  "short", 14, 10, marks=("bought", "sold")),
            Panel("table", "Fills", "In view, newest first.", """
                  SELECT market_at AS "time", inst_id AS "instrument", side, sz_contracts::float8 AS "contracts",
                         px::float8 AS "price", fee::float8 AS "fee", pnl::float8 AS "profit"
                  FROM fills WHERE $__timeFilter(market_at) AND inst_id IN ($instrument)
                  ORDER BY market_at DESC LIMIT 100""", "short", 10, 10),
        ),
    )  # fmt: skip
