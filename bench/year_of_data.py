"""How long each panel of the dashboards takes on a year of data, and whether one takes too long.

A year at full scale: a million cycles, 1.1 million model calls, a hundred thousand trades, fifty million candles of 330
instruments, 1.2 million samples; about 15 GB and ten minutes to make. Everything is made by PostgreSQL itself from
`generate_series`. Panels are asked as the role Grafana uses, once to warm up and three times for the median, with a
week and with the whole year in view.

`okxbot bench grafana-year` says how slow the slowest is, `python -m bench.year_of_data` how slow each.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2

from bench.registry import Measured, figure
from grafana.expand import View
from grafana.generate import boards
from grafana.limits import default_limits
from metrics.hours import sum_up
from models.session import build_engine, build_sessions
from runtime.migrate import upgrade_to_head
from runtime.postgres import EmbeddedPostgres

TRADED = [f"{coin}-USDT-SWAP" for coin in ("ADA", "AVAX", "BNB", "BTC", "DOGE", "DOT", "ETH", "LINK", "SOL", "XRP")]
SHOWN = ["BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"]
END = datetime(2026, 11, 1, tzinfo=UTC)
LIMIT_MS = 300.0
TIMES = 3
CANDLE_INSTRUMENTS = 330
# :days, :candles (instruments with candles) and :end are filled in. Rows lie in the order a bot would have written them.
_SEED: tuple[tuple[str, str], ...] = (
    ("account", """
INSERT INTO accounts (id, mode, uid, order_prefix) VALUES (1, 'paper', '1', 'a');
INSERT INTO bot_state (account_id, state, equity, day_baseline, peak_equity, consecutive_losses, clock_skew_s)
  VALUES (1, 'running', 10400, 10500, 11000, 1, 0.02)"""),
    ("cycles", """
INSERT INTO decision_cycles (account_id, inst_id, slot, opened_by, stage, deadline, analyst, playbook_version, snapshot,
    decision, outcome, reason, stage_log, created_at, finished_at)
  SELECT 1, i, t, 'feed', 'done', t + interval '1 min', 'claude', 1 + extract(doy FROM t)::int / 4,
    jsonb_build_object('market', repeat('0123456789', 60)),
    jsonb_build_object('action', (ARRAY['HOLD', 'OPEN_LONG', 'OPEN_SHORT', 'CLOSE'])[CASE WHEN n % 11 = 0 THEN 2 + n % 3 ELSE 1 END],
      'confidence', '0.' || (50 + n % 40), 'strategy', 'breakout', 'reasoning', repeat('because ', 40)),
    CASE WHEN n % 11 = 0 THEN 'opened' ELSE 'hold' END, 'a reason of some length, as reasons are',
    jsonb_build_array(jsonb_build_object('stage', 'collect', 'started', t, 'ended', t + interval '20 ms', 'next', 'analyze'),
      jsonb_build_object('stage', 'analyze', 'started', t, 'ended', t + interval '3 s', 'next', 'gate')),
    t + interval '50 ms', t + interval '50 ms' + (n % 97) * interval '60 ms'
  FROM generate_series(:end - :days * interval '1 day', :end, interval '5 min') WITH ORDINALITY AS s (t, k),
    unnest(:traded) WITH ORDINALITY AS u (i, m), LATERAL (SELECT (k * 10 + m)::int AS n) AS x"""),
    ("model calls", """
INSERT INTO llm_calls (account_id, cycle_id, purpose, provider, model, prompt_version, request_sha256, request, outcome,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reserved_usd, cost_usd, latency_ms, created_at, finished_at)
  SELECT 1, c.id, p, 'anthropic', CASE p WHEN 'screen' THEN 'haiku' ELSE 'opus' END, '1', md5(c.id::text || p),
    jsonb_build_object('messages', repeat('market ', 30)), CASE WHEN c.id % 503 = 0 THEN 'timeout' ELSE 'ok' END, 900, 300,
    2500, 100, 0.02, CASE p WHEN 'screen' THEN 0.0004 ELSE 0.011 END, 800 + c.id % 3000, c.created_at, c.created_at
  FROM decision_cycles c, unnest(CASE WHEN c.id % 11 = 0 THEN ARRAY['screen', 'decide'] ELSE ARRAY['screen'] END) AS p ORDER BY c.id"""),
    ("screenings", """
INSERT INTO screener_logs (account_id, cycle_id, screener, passed, reason, later_action, created_at)
  SELECT 1, id, 'haiku', id % 11 = 0, 'a reason', CASE WHEN id % 22 = 0 THEN 'OPEN_LONG' ELSE 'HOLD' END, created_at
  FROM decision_cycles ORDER BY id"""),
    ("verdicts", """
INSERT INTO risk_verdicts (cycle_id, approved, effect, refused_by, reason, contracts, checks, given, created_at)
  SELECT id, id % 3 > 0, (ARRAY['reject', 'pass', 'cut'])[1 + id % 3],
    CASE WHEN id % 3 = 0 THEN ARRAY[(ARRAY['reward_risk', 'correlation', 'margin', 'freshness'])[1 + (id / 3) % 4]] ELSE '{}' END,
    'r', 1, '[]', '{}', created_at FROM decision_cycles WHERE id % 11 = 0 ORDER BY id"""),
    ("trades", """
INSERT INTO trades (account_id, inst_id, side, cycle_id, opened_market_at, closed_market_at, contracts, max_contracts, entry_px,
    exit_px, pnl, fees, funding, net_pnl, risk, r_multiple, exit_reason, strategy, regime, confidence, analyst, playbook_version)
  SELECT 1, c.inst_id, CASE WHEN c.id % 2 = 0 THEN 'long' ELSE 'short' END, c.id, c.slot, c.slot + (5 + c.id % 600) * interval '1 min',
    0, 2, 100, 100 + (c.id % 7 - 3), (c.id % 7 - 3), -0.1, -0.01, (c.id % 7 - 3) - 0.11, 3, ((c.id % 7 - 3) - 0.11) / 3,
    (ARRAY['stop', 'target', 'decision'])[1 + c.id % 3], (ARRAY['breakout', 'pullback', 'reversion'])[1 + (c.id / 11) % 3],
    (ARRAY['trending', 'ranging', 'volatile'])[1 + (c.id / 33) % 3], 0.5 + (c.id % 40) / 100.0, 'claude', c.playbook_version
  FROM decision_cycles c WHERE c.id % 11 = 0 ORDER BY c.id LIMIT 100000"""),
    ("fills", """
INSERT INTO fills (account_id, inst_id, trade_id, ord_id, cl_ord_id, bill_id, side, sz_contracts, px, fee, fee_ccy, pnl, exec_type,
    market_at, journalled)
  SELECT 1, inst_id, id || s, id || s, 'a' || id || s, id || s, s, 1, 100, -0.05, 'USDT', 0, 'T',
    CASE s WHEN 'buy' THEN opened_market_at ELSE closed_market_at END, true FROM trades, unnest(ARRAY['buy', 'sell']) AS s ORDER BY id"""),
    ("snapshots", """
INSERT INTO performance_snapshots (account_id, period, slot, equity, cash, upl, drawdown_pct, open_positions, trades_closed,
    net_pnl_total, fees_total, funding_total, llm_cost_usd, created_at)
  SELECT 1, 'hourly', t, 10000 + 500 * sin(n / 400.0) + n / 20.0, 10000, n % 5, abs(3 * sin(n / 90.0)), 1, n * 11, n, -n / 5.0, -n / 50.0,
    n / 8.0, t FROM generate_series(:end - :days * interval '1 day', :end, interval '1 hour') WITH ORDINALITY AS s (t, n)"""),
    ("playbook", """
INSERT INTO playbook_versions (account_id, version, active, content, diff, author, reason, evidence_trade_ids, created_at)
  SELECT 1, v, v = 92, jsonb_build_object('lessons', (SELECT jsonb_agg(jsonb_build_object('text', 'lesson ' || l || repeat(' and so on', 9),
      'trade_ids', '[1, 2, 3]'::jsonb)) FROM generate_series(1, 12) l)), '[{"path": "lessons", "change": "added"}]', 'reflection',
    'twenty trades closed', '[1, 2, 3]', :end - (92 - v) * :days * interval '1 day' / 92 FROM generate_series(1, 92) v;
INSERT INTO reflections (account_id, kind, "window", trade_id, statistics, text, outcome, reason, created_at)
  SELECT 1, 'trade', 'trade:' || id, id, '{}', 'what came of it', 'no_change', 'trade closed', closed_market_at FROM trades ORDER BY id"""),
    ("alerts", """
INSERT INTO alerts (account_id, kind, severity, inst_id, message, created_at, delivered_at)
  SELECT 1, k, CASE k WHEN 'risk_rejected' THEN 'WARN' ELSE 'INFO' END, inst_id, 'something happened to a trade', opened_market_at,
    opened_market_at FROM trades, unnest(ARRAY['trade_opened', 'trade_closed', 'risk_rejected']) AS k ORDER BY id;
INSERT INTO audit_log (account_id, actor, channel, action, at) SELECT 1, 'owner', 'cli', 'halt', t
  FROM generate_series(:end - :days * interval '1 day', :end, interval '1 day') t;
INSERT INTO breaks (account_id, source, name, inst_id, detail, first_seen_at, confirmed_at, resolved_at, resolution)
  SELECT 1, 'reconcile', 'size_break', 'BTC-USDT-SWAP', 'd', t, t, t, 'gone' FROM generate_series(:end - :days * interval '1 day', :end, interval '9 hours') t;
INSERT INTO instrument_locks (account_id, inst_id, reason, detail) VALUES (1, 'BTC-USDT-SWAP', 'size_break', '2 held, not 1')"""),
    ("positions", """
INSERT INTO positions (account_id, inst_id, mgn_mode, pos_side, pos_id, contracts, avg_px, mark_px, upl, margin, opened_market_at,
    updated_market_at, stop_px, target_px, naked_seconds, plan)
  SELECT 1, i, 'isolated', 'net', m, CASE m WHEN 2 THEN -3 ELSE 2 END, 100, CASE m WHEN 2 THEN 98.5 ELSE 101.2 END, 2.4, 480,
    :end - interval '7 hours', :end, CASE m WHEN 2 THEN 102 ELSE 98 END, CASE m WHEN 2 THEN 92 ELSE 107 END, 0.4,
    '{"strategy": "breakout", "stop_loss": "98", "invalidation": {"indicator": "close", "timeframe": "1H", "comparison": "below", "level": "97"}}'
  FROM unnest(:shown) WITH ORDINALITY AS u (i, m)"""),
    ("samples", """
INSERT INTO health_samples SELECT t, m, l, CASE m WHEN 'resident_bytes' THEN 8e7 + 1e7 * sin(extract(epoch FROM t) / 9000)
      WHEN 'postgres_bytes' THEN 1e10 WHEN 'redis_bytes' THEN 3e6 WHEN 'task_failures' THEN (extract(epoch FROM t)::int % 7200 = 0)::int
      ELSE abs(sin(extract(epoch FROM t) / 5000 + length(l))) END
  FROM generate_series(:end - least(:days, 14) * interval '1 day', :end, interval '1 min') AS t,
    (SELECT m, l FROM unnest(ARRAY['queue_depth', 'queue_oldest_s', 'task_p95_s', 'task_failures']) m,
      unnest(ARRAY['cycle', 'haiku', 'opus', 'reflection', 'perplexity', 'trade', 'protect', 'account']) l
    UNION ALL SELECT 'resident_bytes', l FROM unnest(ARRAY['orchestrator', 'haiku', 'opus', 'trade', 'protect', 'account',
      'market-feed', 'account-feed', 'beat', 'flower', 'postgres', 'redis', 'telegram']) l
    UNION ALL SELECT 'feed_lag_s', l FROM unnest(ARRAY['ticker', 'candle', 'book', 'funding', 'open_interest', 'mark']) l
    UNION ALL SELECT 'guard_age_s', l FROM unnest(ARRAY['reconcile', 'protection', 'invariants', 'account']) l
    UNION ALL SELECT 'up', l FROM unnest(ARRAY['postgres', 'redis', 'broker', 'services']) l
    UNION ALL VALUES ('state', 'running'), ('clock_skew_s', ''), ('redis_bytes', ''), ('postgres_bytes', ''),
      ('reconnects', 'account-feed'), ('reconnects', 'market-feed')) AS s (m, l)"""),
    ("candles", """
ALTER TABLE candles DROP CONSTRAINT pk_candles;
INSERT INTO candles SELECT i, b, t, 100 + p, 101 + p, 99 + p, 100.5 + p, 12345, 123.45, 12345.6
  FROM (SELECT unnest(:shown) AS i UNION ALL SELECT 'C' || n || '-USDT-SWAP' FROM generate_series(4, :candles) n) AS u,
    (VALUES ('5m', interval '5 min'), ('15m', interval '15 min'), ('1H', interval '1 hour'), ('4H', interval '4 hours')) AS v (b, step),
    LATERAL generate_series(:end - :days * interval '1 day', :end - step, step) AS t,
    LATERAL (SELECT round((8 * sin(extract(epoch FROM t) / 40000))::numeric, 2) AS p) AS x ORDER BY i, b, t;
ALTER TABLE candles ADD CONSTRAINT pk_candles PRIMARY KEY (inst_id, bar, ts)"""),
)  # fmt: skip


def seed(url: str, *, days: int = 365, candle_instruments: int = CANDLE_INSTRUMENTS) -> Iterator[tuple[str, float]]:
    """Fill a migrated, empty database; yields what was made and the seconds it took."""
    filled = {":traded": _array(TRADED), ":shown": _array(SHOWN), ":days": str(days), ":candles": str(candle_instruments),
              ":end": f"'{END.isoformat()}'::timestamptz"}  # fmt: skip
    with contextlib.closing(_connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '64MB'")
        for what, statements in _SEED:
            began = time.monotonic()
            for name, value in filled.items():
                statements = statements.replace(name, value)
            cursor.execute(statements)
            yield what, time.monotonic() - began
        began = time.monotonic()
        engine = build_engine(url)
        sum_up(build_sessions(engine), END)
        engine.dispose()
        yield "sums of each hour", time.monotonic() - began
        began = time.monotonic()
        cursor.execute("VACUUM ANALYZE")
        yield "statistics", time.monotonic() - began


def measure(url: str, *, days: int = 365, times: int = TIMES) -> Iterable[tuple[str, str, str, float]]:
    """(view, dashboard, panel, median ms) of every panel, as the role that Grafana uses."""
    versions = [str(v) for v in range(1, 93)]
    with contextlib.closing(_connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE okxbot_reader")
        cursor.execute("SELECT cycle_id FROM trades ORDER BY id DESC LIMIT 1")
        cycle = str(cursor.fetchone()[0])
        views = {
            "week": View(END - timedelta(days=7), END, SHOWN, versions, cycle, "10m"),
            "year": View(END - timedelta(days=days), END, SHOWN, versions, cycle, "12h"),
        }
        for name, view in views.items():
            for board in boards(default_limits()):
                for panel in board.panels:
                    yield name, board.title, panel.title, _median_ms(cursor, view.expand(panel.statement), times)


def _median_ms(cursor: Any, sql: str, times: int) -> float:
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        cursor.execute(sql)
        cursor.fetchall()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[1:])


def _connect(url: str) -> Any:
    connection = psycopg2.connect(url.replace("postgresql+psycopg2", "postgresql"))
    connection.autocommit = True
    return connection


def _array(values: list[str]) -> str:
    return "ARRAY[" + ", ".join(f"'{value}'" for value in values) + "]"


@contextlib.contextmanager
def _year() -> Iterator[str]:
    """A database with a year in it; says on stderr what it makes."""
    with tempfile.TemporaryDirectory(prefix="okxbot-bench-") as place:
        Path(place).chmod(0o755)
        with EmbeddedPostgres(Path(place) / "postgres") as server:
            upgrade_to_head(server.url)
            for what, seconds in seed(server.url):
                sys.stderr.write(f"  made {what} in {seconds:.0f} s\n")
            yield server.url


@figure("grafana-year", on_request=True)
def grafana_year() -> Iterable[Measured]:
    """The slowest panel with a week and with a year in view, of a year of data."""
    by_view: dict[str, list[float]] = {}
    with _year() as url:
        for view, board, panel, ms in measure(url):
            by_view.setdefault(view, []).append(ms)
            if ms > LIMIT_MS:
                sys.stderr.write(f"  over {LIMIT_MS:g} ms: {board} / {panel}, a {view} in view: {ms:.0f} ms\n")
    for view, each in by_view.items():
        cuts = statistics.quantiles(each, n=100, method="inclusive")
        yield Measured(f"slowest panel, a {view} in view", round(max(each), 1), "ms", len(each), round(cuts[49], 2),
                       round(cuts[98], 1))  # fmt: skip


def main() -> int:
    """Print every panel's time."""
    with _year() as url:
        for view, board, panel, ms in measure(url):
            print(f"{ms:8.1f} ms  {view}  {board} / {panel}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
