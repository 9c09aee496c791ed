"""A database with ten days of a bot's life, and what Grafana does to a statement before it sends it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from grafana.expand import View
from metrics.hours import sum_up
from models.session import build_engine, build_sessions

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 11, tzinfo=UTC)
SEED = """
INSERT INTO accounts (id, mode, uid, order_prefix) VALUES (1, 'paper', '1', 'a');
INSERT INTO bot_state (account_id, state, equity, day_baseline, peak_equity, consecutive_losses, clock_skew_s)
  VALUES (1, 'running', 9900, 10000, 11000, 2, 0.01);
INSERT INTO candles SELECT 'BTC-USDT-SWAP', b, t, 100, 103, 98, 100 + extract(epoch FROM t - '2026-01-01Z') / 86400, 1, 1, 1
  FROM unnest(ARRAY['5m', '1H']) b,
  generate_series('2026-01-01Z'::timestamptz, '2026-01-10 23:00Z', CASE b WHEN '5m' THEN interval '5 min' ELSE interval '1 h' END) t;
INSERT INTO performance_snapshots (account_id, period, slot, equity, cash, upl, drawdown_pct, open_positions, trades_closed,
  net_pnl_total, fees_total, funding_total, llm_cost_usd, created_at)
  SELECT 1, 'hourly', '2026-01-01Z'::timestamptz + n * interval '1 h', 10000 + (n % 7) * 10, 10000, n % 5, n % 3, 1, n, n, -n, n, n, '2026-01-01Z'::timestamptz + n * interval '1 h'
  FROM generate_series(1, 239) n;
INSERT INTO playbook_versions (account_id, version, active, content, diff, author, reason, evidence_trade_ids, created_at)
  SELECT 1, v, v = 2, '{"lessons": [{"text": "cut", "trade_ids": [1, 2]}]}', '[]', 'default', 'r', '[1]', '2026-01-01Z'::timestamptz + v * interval '1 h' FROM generate_series(1, 2) v;
INSERT INTO decision_cycles (account_id, inst_id, slot, opened_by, stage, deadline, decision, outcome, created_at, finished_at)
  SELECT 1, 'BTC-USDT-SWAP', t, 'feed', 'done', t, '{"action": "HOLD", "confidence": "0.4"}', 'hold', t, t + interval '3 s'
  FROM generate_series('2026-01-01Z'::timestamptz, '2026-01-10 23:00Z', interval '1 h') t;
INSERT INTO decision_cycles (account_id, inst_id, slot, opened_by, stage, deadline, created_at)
  VALUES (1, 'BTC-USDT-SWAP', '2026-01-10 23:30Z', 'feed', 'analyze', now(), '2026-01-10 23:30Z');
INSERT INTO trades (account_id, inst_id, side, cycle_id, opened_market_at, closed_market_at, contracts, max_contracts, entry_px,
  exit_px, net_pnl, risk, r_multiple, exit_reason, strategy, regime, confidence, playbook_version)
  SELECT 1, 'BTC-USDT-SWAP', 'long', n, '2026-01-01Z'::timestamptz + n * interval '2 h',
    '2026-01-01Z'::timestamptz + n * interval '3 h', 0, 1, 100, 101, CASE WHEN n % 3 = 0 THEN -10 ELSE 8 END, 10,
    CASE WHEN n % 3 = 0 THEN -1 ELSE 0.8 END, 'target', 'trend', 'ranging', 0.6, 1 + n % 2 FROM generate_series(1, 60) n;
INSERT INTO llm_calls (account_id, cycle_id, purpose, provider, model, prompt_version, request_sha256, request, outcome,
  input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reserved_usd, cost_usd, latency_ms, created_at)
  SELECT 1, n, 'decide', 'anthropic', 'opus', '1', 'x', '{}', 'ok', 100, 50, 300, 0, 0.5, 0.25, n * 10,
    '2026-01-01Z'::timestamptz + n * interval '1 h' FROM generate_series(1, 200) n;
INSERT INTO screener_logs (account_id, cycle_id, screener, passed, reason, later_action, created_at)
  SELECT 1, n, 'haiku', n % 4 = 0, 'r', CASE WHEN n % 8 = 0 THEN 'OPEN_LONG' ELSE 'HOLD' END,
    '2026-01-01Z'::timestamptz + n * interval '1 h' FROM generate_series(1, 200) n;
INSERT INTO risk_verdicts (cycle_id, approved, effect, refused_by, reason, contracts, checks, given, created_at)
  SELECT n, false, 'reject', ARRAY['reward_risk'], 'r', 0, '[]', '{}', '2026-01-01Z'::timestamptz + n * interval '1 h'
  FROM generate_series(1, 50) n;
INSERT INTO alerts (account_id, kind, severity, message, created_at) VALUES (1, 'k', 'WARN', 'm', '2026-01-02Z');
INSERT INTO audit_log (account_id, actor, channel, action, at) VALUES (1, 'o', 'cli', 'halt', '2026-01-02Z');
INSERT INTO reflections (account_id, kind, "window", statistics, text, outcome, reason, created_at)
  VALUES (1, 'deep', 'w', '{}', 't', 'refused', 'r', '2026-01-02Z');
INSERT INTO instrument_locks (account_id, inst_id, reason, detail) VALUES (1, 'BTC-USDT-SWAP', 'unknown', 'd');
INSERT INTO fills (account_id, inst_id, trade_id, ord_id, cl_ord_id, bill_id, side, sz_contracts, px, fee, fee_ccy, pnl,
  exec_type, market_at) VALUES (1, 'BTC-USDT-SWAP', '1', '1', 'a', '1', 'buy', 1, 100, -1, 'USDT', 0, 'T', '2026-01-02Z'),
  (1, 'BTC-USDT-SWAP', '2', '2', 'a', '2', 'buy', 3, 104, -1, 'USDT', 0, 'T', '2026-01-02 00:10Z'),
  (1, 'BTC-USDT-SWAP', '3', '3', 'a', '3', 'sell', 4, 105, -1, 'USDT', 0, 'T', '2026-01-02 05:10Z');
INSERT INTO positions (account_id, inst_id, mgn_mode, pos_side, pos_id, contracts, avg_px, mark_px, upl, margin,
  opened_market_at, updated_market_at, stop_px, target_px, naked_seconds, plan)
  VALUES (1, 'BTC-USDT-SWAP', 'isolated', 'net', '1', -1, 100, 98, 2, 495, '2026-01-02Z', '2026-01-02 02:00Z', 101, 92, 3,
    '{"strategy": "breakout", "stop_loss": "104", "invalidation": {"indicator": "close", "timeframe": "1H", "comparison": "above", "level": "105"}}');
INSERT INTO trades (account_id, inst_id, side, cycle_id, opened_market_at, contracts, max_contracts, entry_px)
  VALUES (1, 'BTC-USDT-SWAP', 'short', 7, '2026-01-02Z', 1, 1, 100);
INSERT INTO breaks (account_id, source, name, inst_id, detail, confirmed_at, first_seen_at)
  VALUES (1, 'reconcile', 'size_break', 'BTC-USDT-SWAP', '2 held, not 1', '2026-01-02Z', '2026-01-02Z');
INSERT INTO health_samples SELECT t, m, l, 1 FROM generate_series('2026-01-02Z'::timestamptz, '2026-01-02 02:00Z', interval '1 min') t,
  (VALUES ('state', 'running'), ('up', 'redis'), ('queue_depth', 'opus'), ('queue_oldest_s', 'opus'), ('task_p95_s', 'opus'),
    ('task_failures', 'opus'), ('feed_lag_s', 'ticker'), ('reconnects', 'account-feed'), ('guard_age_s', 'reconcile'),
    ('clock_skew_s', ''), ('resident_bytes', 'opus'), ('redis_bytes', ''), ('postgres_bytes', '')) AS v (m, l);
"""


def expand(sql: str, cycle: str = "7") -> str:
    """`sql` with everything chosen and the ten days in view."""
    return View(START, END, ["BTC-USDT-SWAP"], ["1", "2"], cycle).expand(sql)


@pytest.fixture
def reader(database_url: str) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor on the seeded database with nothing but the read-only role's rights."""
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(SEED)
        engine = build_engine(database_url, "tests")
        assert sum_up(build_sessions(engine), END) > 0
        engine.dispose()
        cursor.execute("SET ROLE okxbot_reader")
        yield cursor
    connection.close()
