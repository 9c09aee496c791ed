"""Grafana's alert rules, as data and as the provisioning file Grafana reads.

They are a second pair of eyes: the bot tells its owner itself (`telegram_ui.alerts`); these speak when it cannot. Each
rule is one number in PostgreSQL against one limit. No data and an unreadable database are alarms, too.
"""

from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

from grafana.limits import Limits
from grafana.query import DATASOURCE_UID

FOLDER, GROUP, EVERY = "OKX Opus", "okxbot", "1m"
# Ages are null, not large, while the bot is stopped on purpose: then nothing is missing.
_RUNNING = "FROM bot_state WHERE state = 'running'"


@dataclass(frozen=True)
class Alarm:
    """`sql` answers one row with one number; above `limit` for `lasting` it rings. Times are wall time."""

    uid: str
    title: str
    sql: str
    limit: float
    lasting: str
    severity: str
    what_to_do: str


def alarms(limits: Limits) -> tuple[Alarm, ...]:
    """Every rule."""
    return (
        Alarm("okxbot-halted", "The bot is halted", "SELECT halted::int::float8 AS value FROM bot_state", 0, "0s",
              "critical", "okxbot status says why; okxbot resume lifts it."),
        Alarm("okxbot-naked", "A position has no stop", """
              SELECT coalesce(max(extract(epoch FROM now() - uncovered_since)), 0)::float8 AS value FROM positions
              WHERE contracts <> 0""", limits.naked_grace_s, "0s", "critical",
              "okxbot status; protection places a stop or closes; okxbot flatten ends it."),
        Alarm("okxbot-daily-loss", "Daily loss is near its limit", """
              SELECT coalesce(greatest(day_baseline - equity, 0) / nullif(day_baseline, 0) * 100, 0)::float8 AS value
              FROM bot_state""", 0.8 * limits.daily_loss_pct, "0s", "warning", "At the limit the bot halts by itself."),
        Alarm("okxbot-drawdown", "Drawdown is near its limit", """
              SELECT coalesce(greatest(peak_equity - equity, 0) / nullif(peak_equity, 0) * 100, 0)::float8 AS value
              FROM bot_state""", 0.8 * limits.drawdown_pct, "0s", "warning", "At the limit the bot halts by itself."),
        Alarm("okxbot-unknown-order", "An order's outcome is unknown", """
              SELECT count(*)::float8 AS value FROM orders WHERE state = 'unknown'""", 0, "2m", "critical",
              "okxbot orders; okxbot order settle ends it by your word."),
        Alarm("okxbot-breach", "A difference or a broken invariant lasts", """
              SELECT count(*)::float8 AS value FROM breaks WHERE resolved_at IS NULL AND confirmed_at IS NOT NULL""",
              0, "1m", "critical", "okxbot status names it; docs/architecture.md says what each does."),
        Alarm("okxbot-account-silent", "Nothing was heard of the account", f"""
              SELECT coalesce(max(extract(epoch FROM now() - equity_at)), 0)::float8 AS value {_RUNNING}""",
              180, "0s", "critical", "okxbot logs account-feed account --level warning"),
        Alarm("okxbot-reconcile-silent", "No reconciliation succeeds", f"""
              SELECT coalesce(max(extract(epoch FROM now() - reconciled_at)), 0)::float8 AS value {_RUNNING}""",
              180, "0s", "critical", "okxbot logs account --level warning; entries are refused meanwhile."),
        Alarm("okxbot-protection-silent", "Nobody watches the stops", f"""
              SELECT coalesce(max(extract(epoch FROM now() - protection_seen_at)), 0)::float8 AS value {_RUNNING}""",
              60, "0s", "critical", "okxbot logs protect beat --level warning; stops on the exchange stay in force."),
        Alarm("okxbot-clock", "Our clock and the exchange's differ", """
              SELECT coalesce(abs(clock_skew_s), 0)::float8 AS value FROM bot_state""", 1, "1m", "warning",
              "Set this machine's clock by NTP; entries are refused meanwhile."),
        Alarm("okxbot-queue", "Messages wait too long", """
              SELECT coalesce(max(value), 0)::float8 AS value FROM health_samples
              WHERE metric = 'queue_oldest_s' AND at > now() - interval '3 minutes'""", 60, "3m", "warning",
              "System Health shows which queue; okxbot status which service."),
        Alarm("okxbot-budget", "The day's model budget is spent", """
              SELECT coalesce(sum(coalesce(cost_usd, reserved_usd)), 0)::float8 AS value FROM llm_calls
              WHERE account_id = (SELECT id FROM accounts) AND created_at >= date_trunc('day', now(), 'UTC')""",
              0.95 * limits.llm_budget_usd, "0s", "warning", "Spent means HOLD until 00:00 UTC; LLM_DAILY_BUDGET_USD."),
    )  # fmt: skip


def rules_json(limits: Limits) -> dict[str, Any]:
    """The provisioning file."""
    group = {"orgId": 1, "name": GROUP, "folder": FOLDER, "interval": EVERY,
             "rules": [_rule(alarm) for alarm in alarms(limits)]}  # fmt: skip
    return {"apiVersion": 1, "groups": [group]}


def _rule(alarm: Alarm) -> dict[str, Any]:
    query = {
        "refId": "A",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": DATASOURCE_UID,
        "model": {
            "refId": "A",
            "format": "table",
            "rawQuery": True,
            "editorMode": "code",
            "rawSql": cleandoc(alarm.sql),
        },
    }
    threshold = {
        "refId": "B",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": {"refId": "B", "type": "threshold", "expression": "A",
                  "conditions": [{"evaluator": {"type": "gt", "params": [alarm.limit]}}]},
    }  # fmt: skip
    return {
        "uid": alarm.uid,
        "title": alarm.title,
        "condition": "B",
        "data": [query, threshold],
        "for": alarm.lasting,
        "noDataState": "Alerting",
        "execErrState": "Alerting",
        "labels": {"severity": alarm.severity, "bot": "okxbot"},
        "annotations": {"summary": alarm.title, "description": alarm.what_to_do},
    }
