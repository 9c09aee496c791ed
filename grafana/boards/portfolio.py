"""Portfolio Overview: what the account made, everything it cost included."""

from grafana.boards.shared import MARKET_TIME
from grafana.limits import Limits
from grafana.panel import Board, Panel
from grafana.sql import CLOSED, HOURLY, MODEL_COST


def board(limits: Limits) -> Board:
    """The dashboard `okxbot-portfolio`."""
    return Board(
        "okxbot-portfolio",
        "Portfolio Overview",
        "Equity, profit and loss, and every cost. Market time.",
        (
            Panel("stat", "Net after model cost", "Net profit of the closed trades of the chosen instruments in view, less what "
                  "all models cost in the same view: the fully loaded truth.", f"""
                  SELECT ((SELECT coalesce(sum(net_pnl), 0) FROM trades WHERE {CLOSED}) - {MODEL_COST})::float8
                         AS "net" """, "currencyUSD", 6, 4, money=True, decimals=2),
            Panel("stat", "Win rate", "Share of closed trades with a net profit.", f"""
                  SELECT avg((net_pnl > 0)::int)::float8 AS "win rate" FROM trades WHERE {CLOSED}""",
                  "percentunit", 6, 4, decimals=1),
            Panel("stat", "Profit factor", "Net profit of the winners over net loss of the losers; below 1 money is lost.",
                  f"""SELECT (sum(net_pnl) FILTER (WHERE net_pnl > 0)
                      / nullif(-sum(net_pnl) FILTER (WHERE net_pnl < 0), 0))::float8 AS "profit factor"
                  FROM trades WHERE {CLOSED}""", "short", 6, 4, limit=1, bad="below", decimals=2),
            Panel("stat", "Sharpe, annualised", "Mean over standard deviation of hourly returns of equity, times the root "
                  "of 8760; empty under a day of hours.", f"""
                  WITH r AS (SELECT equity / lag(equity) OVER (ORDER BY slot) - 1 AS r FROM performance_snapshots
                             WHERE {HOURLY})
                  SELECT (CASE WHEN count(r) >= 24 THEN avg(r) / nullif(stddev_samp(r), 0) * sqrt(8760) END)::float8
                         AS "sharpe" FROM r""", "short", 6, 4, decimals=2),
            Panel("timeseries", "Equity against buy-and-hold", "Account equity each hour of market time, and what the "
                  "first equity in view would be worth held in equal parts of the chosen instruments.", f"""
                  WITH s AS (SELECT slot, equity FROM performance_snapshots WHERE {HOURLY}),
                  held AS (SELECT ts + interval '1 hour' AS slot, inst_id, close FROM candles
                           WHERE bar = '1H' AND inst_id IN ($instrument) AND ts >= (SELECT min(slot) FROM s)
                             - interval '1 hour' AND ts <= (SELECT max(slot) FROM s)),
                  base AS (SELECT DISTINCT ON (inst_id) inst_id, close FROM held ORDER BY inst_id, slot)
                  SELECT s.slot AS time, s.equity::float8 AS "equity",
                         ((SELECT equity FROM s ORDER BY slot LIMIT 1) * avg(h.close / b.close))::float8 AS "buy and hold"
                  FROM s LEFT JOIN held h ON h.slot = s.slot LEFT JOIN base b ON b.inst_id = h.inst_id
                  GROUP BY s.slot, s.equity ORDER BY 1""", "currencyUSD", 24, 9, series=("equity", "buy and hold")),
            Panel("barchart", "Net profit by day", "Sum of the net profit of trades closed on each UTC day.", f"""
                  SELECT to_char(closed_market_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, sum(net_pnl)::float8 AS "net"
                  FROM trades WHERE {CLOSED} GROUP BY 1 ORDER BY 1""", "currencyUSD", 12, money=True),
            Panel("timeseries", "Drawdown", "How far equity lies under its peak; the line is where the bot halts.", f"""
                  SELECT slot AS time, drawdown_pct::float8 AS "drawdown" FROM performance_snapshots
                  WHERE {HOURLY} ORDER BY 1""", "percent", 12, limit=limits.drawdown_pct),
            Panel("timeseries", "Fees, funding and model cost", "Running totals since the first start, as booked; fees and "
                  "funding are negative when paid, model cost counts up.", f"""
                  SELECT slot AS time, fees_total::float8 AS "fees", funding_total::float8 AS "funding",
                         llm_cost_usd::float8 AS "models"
                  FROM performance_snapshots WHERE {HOURLY} ORDER BY 1""", "currencyUSD", 16, 8, series=("fees", "funding", "models")),
            MARKET_TIME,
            Panel("table", "Closed trades", "The last fifty in view. A click on the cycle shows why it was opened.", f"""
                  SELECT closed_market_at AS "closed", inst_id AS "instrument", side, strategy, exit_reason AS "exit",
                         net_pnl::float8 AS "net", r_multiple::float8 AS "R", cycle_id AS "cycle"
                  FROM trades WHERE {CLOSED} ORDER BY closed_market_at DESC LIMIT 50""",
                  "short", 24, 9, drill=("cycle", "okxbot-opus", "cycle"), decimals=2),
        ),
    )  # fmt: skip
