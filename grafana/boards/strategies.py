"""Strategy Performance: where the money is made and lost."""

from grafana.boards.shared import MARKET_TIME
from grafana.limits import Limits
from grafana.panel import Board, Panel
from grafana.sql import CLOSED as CLOSED_TRADES
from grafana.sql import CLOSES

CLOSED = f"{CLOSED_TRADES} AND coalesce(playbook_version, 0)::text IN ($playbook, '0')"


def _by(title: str, description: str, key: str, width: int = 12) -> Panel:
    return Panel(
        "table",
        title,
        description + " The interval is 95 %, normal; with few trades it is wide.",
        f"""
        SELECT {key} AS "group", count(*)::float8 AS "trades", avg((net_pnl > 0)::int)::float8 AS "win rate",
               sum(net_pnl)::float8 AS "net", avg(r_multiple)::float8 AS "expectancy R",
               (avg(r_multiple) - 1.96 * stddev_samp(r_multiple) / sqrt(count(r_multiple)))::float8 AS "low",
               (avg(r_multiple) + 1.96 * stddev_samp(r_multiple) / sqrt(count(r_multiple)))::float8 AS "high"
        FROM trades WHERE {CLOSED} GROUP BY 1 ORDER BY "net" DESC""",
        "short",
        width,
        7,
        decimals=2,
    )


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-strategies`."""
    session = ("CASE WHEN extract(hour FROM opened_market_at AT TIME ZONE 'UTC') < 8 THEN 'Asia' "
               "WHEN extract(hour FROM opened_market_at AT TIME ZONE 'UTC') < 13 THEN 'Europe' ELSE 'America' END")  # fmt: skip
    holding = ("CASE WHEN closed_market_at - opened_market_at < interval '1 hour' THEN 'under 1 h' "
               "WHEN closed_market_at - opened_market_at < interval '4 hours' THEN '1 to 4 h' "
               "WHEN closed_market_at - opened_market_at < interval '1 day' THEN '4 to 24 h' ELSE 'over a day' END")  # fmt: skip
    return Board(
        "okxbot-strategies",
        "Strategy Performance",
        "Closed trades by strategy, regime, session and holding time. Market time.",
        (
            _by("By strategy", "Expectancy per trade in R.", "coalesce(strategy, 'none')"),
            _by("By regime", "Market regime at the decision.", "coalesce(regime, 'unknown')"),
            _by("By session", "Entry before 08:00, before 13:00 and after, UTC.", session),
            _by("By holding time", "From entry to exit in market time.", holding),
            Panel("timeseries", "Cumulative R", "Running sum of R multiples of closed trades.", f"""
                  SELECT time, sum(r) OVER (ORDER BY time)::float8 AS "R" FROM (SELECT {CLOSES} AS time, sum(r_multiple) AS r
                    FROM trades WHERE {CLOSED} AND r_multiple IS NOT NULL GROUP BY 1) AS t ORDER BY 1""", "short", 16, 8),
            MARKET_TIME,
            Panel("table", "Furthest for and against", "Best and worst excursion of the last fifty trades in percent of the "
                  "entry, from five-minute candles; a stop set too tight shows as much in favour and a loss.", f"""
                  SELECT t.id AS "trade", t.inst_id AS "instrument", t.side, t.r_multiple::float8 AS "R",
                    (CASE t.side WHEN 'long' THEN c.high - t.entry_px ELSE t.entry_px - c.low END / t.entry_px * 100)::float8 AS "MFE %",
                    (CASE t.side WHEN 'long' THEN c.low - t.entry_px ELSE t.entry_px - c.high END / t.entry_px * 100)::float8 AS "MAE %",
                    t.cycle_id AS "cycle"
                  FROM (SELECT id, inst_id, side, r_multiple, entry_px, cycle_id, opened_market_at, closed_market_at FROM trades WHERE {CLOSED} ORDER BY closed_market_at DESC LIMIT 50) t
                  CROSS JOIN LATERAL (SELECT max(high) AS high, min(low) AS low FROM candles
                    WHERE inst_id = t.inst_id AND bar = '5m' AND ts >= t.opened_market_at AND ts <= t.closed_market_at) c
                  ORDER BY t.closed_market_at DESC""", "short", 24, 9, drill=("cycle", "okxbot-opus", "cycle"), decimals=2),
        ),
    )  # fmt: skip
