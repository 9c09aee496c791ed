"""What happened in each hour of wall time, summed up in `activity_hours` so that a year is as quick to show as a day.

Each look sums the hours since three before the newest one anew (a call is settled, a screening judged, after its hour
has begun); the first look sums everything there is, a day at a time. Summing an hour twice gives the same rows.
Percentiles are of the hour. Costs are USD, reservations included until they are settled.
"""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.session import SessionFactory

HOUR = timedelta(hours=1)
AGAIN = 3 * HOUR
AT_A_TIME = timedelta(days=1)

# Each gives (hour, measure, inst_id, label, value) of the hours from :since to :until.
_CYCLES = """
    WITH c AS (SELECT date_trunc('hour', created_at) AS hour, inst_id, outcome, decision->>'action' AS action,
                 extract(epoch FROM finished_at - created_at)::float8 AS took
               FROM decision_cycles WHERE created_at >= :since AND created_at < :until AND finished_at IS NOT NULL)
    SELECT hour, 'decisions', inst_id, action, count(*) FROM c WHERE action IS NOT NULL GROUP BY 1, 3, 4
    UNION ALL SELECT hour, 'outcomes', inst_id, outcome, count(*) FROM c GROUP BY 1, 3, 4
    UNION ALL SELECT hour, m.name, '', '', percentile_cont(m.part) WITHIN GROUP (ORDER BY took)
      FROM c, (VALUES ('cycle_p50_s', 0.5), ('cycle_p95_s', 0.95)) AS m (name, part) GROUP BY 1, m.name, m.part"""
_CALLS = """
    WITH c AS (SELECT date_trunc('hour', created_at) AS hour, purpose,
                 purpose || ' ' || model || ' ' || outcome AS label, latency_ms,
                 coalesce(cost_usd, reserved_usd) AS cost, input_tokens, cache_read_tokens,
                 cache_write_tokens, output_tokens
               FROM llm_calls WHERE account_id = (SELECT id FROM accounts)
                 AND created_at >= :since AND created_at < :until)
    SELECT hour, 'calls', '', label, count(*) FROM c GROUP BY 1, 4
    UNION ALL SELECT hour, 'cost_usd', '', purpose, sum(cost) FROM c GROUP BY 1, 4
    UNION ALL SELECT hour, 'tokens', '', t.label, sum(t.n) FROM c, LATERAL (VALUES ('input', input_tokens),
        ('cached', cache_read_tokens), ('written', cache_write_tokens), ('output', output_tokens)) AS t (label, n)
      WHERE t.n IS NOT NULL GROUP BY 1, 4
    UNION ALL SELECT hour, m.name, '', '', percentile_cont(m.part) WITHIN GROUP (ORDER BY latency_ms) / 1000
      FROM c, (VALUES ('decide_p50_s', 0.5), ('decide_p95_s', 0.95), ('decide_p99_s', 0.99)) AS m (name, part)
      WHERE purpose = 'decide' AND latency_ms IS NOT NULL GROUP BY 1, m.name, m.part"""
_VERDICTS = """
    WITH v AS (SELECT date_trunc('hour', created_at) AS hour, effect, refused_by FROM risk_verdicts
               WHERE created_at >= :since AND created_at < :until)
    SELECT hour, 'verdicts', '', effect, count(*) FROM v GROUP BY 1, 4
    UNION ALL SELECT hour, 'refusals', '', rule, count(*) FROM v, unnest(refused_by) AS rule GROUP BY 1, 4"""
_SCREENINGS = """
    WITH s AS (SELECT date_trunc('hour', created_at) AS hour, screener, passed, fail_open,
                 coalesce(later_action, 'HOLD') <> 'HOLD' AS acted
               FROM screener_logs WHERE account_id = (SELECT id FROM accounts)
                 AND created_at >= :since AND created_at < :until)
    SELECT hour, m.name, '', screener, count(*) FROM s, LATERAL (VALUES ('screened', true), ('passed', passed),
        ('passed_and_acted', passed AND acted), ('missed', NOT passed AND acted), ('failed_open', fail_open))
        AS m (name, counts) WHERE m.counts GROUP BY 1, m.name, screener"""
_JOBS = """
    SELECT date_trunc('hour', started_at), 'failed_jobs', '', job, count(*) FROM job_runs
    WHERE status = 'failed' AND started_at >= :since AND started_at < :until GROUP BY 1, 4"""
SUMS = (_CYCLES, _CALLS, _VERDICTS, _SCREENINGS, _JOBS)
_BEGINNING = "SELECT created_at FROM decision_cycles ORDER BY id LIMIT 1"


def sum_up(sessions: SessionFactory, now: datetime) -> int:
    """Bring `activity_hours` up to `now`; returns how many spans of at most a day were summed."""
    with sessions() as session:
        newest = session.scalar(text("SELECT max(hour) FROM activity_hours"))
        since = newest - AGAIN if newest is not None else session.scalar(text(_BEGINNING))
    if since is None:
        return 0
    since = since.replace(minute=0, second=0, microsecond=0)
    spans = 0
    while since <= now:
        until = since + AT_A_TIME
        with sessions.begin() as session:
            _sum(session, since, until)
        since, spans = until, spans + 1
    return spans


def _sum(session: Session, since: datetime, until: datetime) -> None:
    # Another process that does the same waits; a reader sees the hours before or after.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('activity_hours'))"))
    span = {"since": since, "until": until}
    session.execute(text("DELETE FROM activity_hours WHERE hour >= :since AND hour < :until"), span)
    for statement in SUMS:
        session.execute(text(f"INSERT INTO activity_hours (hour, measure, inst_id, label, value) {statement}"), span)
