"""Every alert rule rings for what it is about and is silent otherwise, asked as the role Grafana uses."""

import json
from typing import Any

import pytest
import yaml

from grafana.alarms import FOLDER as GRAFANA_FOLDER
from grafana.alarms import alarms
from grafana.generate import RULES
from grafana.limits import default_limits
from grafana.query import DATASOURCE_UID

CALM = """
RESET ROLE;
UPDATE bot_state SET halted = false, halt_kind = NULL, equity = 10000, day_baseline = 10000, peak_equity = 10000,
  equity_at = now(), reconciled_at = now(), protection_seen_at = now(), clock_skew_s = 0.01;
UPDATE positions SET uncovered_since = NULL;
UPDATE breaks SET resolved_at = now();
SET ROLE okxbot_reader
"""
MISFORTUNES = {
    "okxbot-halted": "UPDATE bot_state SET halted = true, halt_kind = 'manual'",
    "okxbot-naked": "UPDATE positions SET uncovered_since = now() - interval '6 s'",
    "okxbot-daily-loss": "UPDATE bot_state SET equity = 9755",
    "okxbot-drawdown": "UPDATE bot_state SET peak_equity = 10900",
    "okxbot-unknown-order": "INSERT INTO orders (account_id, leg, cl_ord_id, inst_id, side, ord_type, td_mode, "
    "sz_contracts, reduce_only, state) "
    "VALUES (1, 'entry', 'x', 'BTC-USDT-SWAP', 'buy', 'fok', 'isolated', 1, false, 'unknown')",
    "okxbot-breach": "UPDATE breaks SET resolved_at = NULL",
    "okxbot-account-silent": "UPDATE bot_state SET equity_at = now() - interval '4 min'",
    "okxbot-reconcile-silent": "UPDATE bot_state SET reconciled_at = now() - interval '4 min'",
    "okxbot-protection-silent": "UPDATE bot_state SET protection_seen_at = now() - interval '2 min'",
    "okxbot-clock": "UPDATE bot_state SET clock_skew_s = -1.5",
    "okxbot-queue": "INSERT INTO health_samples VALUES (now(), 'queue_oldest_s', 'opus', 90)",
    "okxbot-budget": "UPDATE llm_calls SET created_at = now() WHERE cost_usd IS NOT NULL",
}


def ringing(reader: Any) -> set[str]:
    found = set()
    for alarm in alarms(default_limits()):
        reader.execute(alarm.sql)
        ((value,),) = reader.fetchall()
        if value > alarm.limit:
            found.add(alarm.uid)
    return found


def test_each_alarm_rings_for_its_misfortune_alone(reader: Any) -> None:
    reader.execute(CALM)
    assert ringing(reader) == set()
    assert set(MISFORTUNES) == {alarm.uid for alarm in alarms(default_limits())}
    for uid, misfortune in MISFORTUNES.items():
        reader.execute(f"RESET ROLE; BEGIN; {misfortune}; SET ROLE okxbot_reader")
        assert ringing(reader) == {uid}
        reader.execute("ROLLBACK")
        reader.execute("SET ROLE okxbot_reader")


def test_a_stopped_bot_is_not_a_silent_one(reader: Any) -> None:
    reader.execute(CALM)
    reader.execute("RESET ROLE; UPDATE bot_state SET state = 'stopped', equity_at = now() - interval '1 day', "
                   "reconciled_at = NULL, protection_seen_at = NULL; SET ROLE okxbot_reader")  # fmt: skip
    assert ringing(reader) == set()


def test_the_provisioning_files_fit_together() -> None:
    (group,) = json.loads(RULES.read_text())["groups"]
    assert group["folder"] == GRAFANA_FOLDER
    uids = [rule["uid"] for rule in group["rules"]]
    assert len(uids) == len(set(uids)) == len(MISFORTUNES)
    for rule in group["rules"]:
        query, threshold = rule["data"]
        assert (query["datasourceUid"], threshold["datasourceUid"]) == (DATASOURCE_UID, "__expr__")
        assert (rule["condition"], threshold["model"]["expression"]) == (threshold["refId"], query["refId"])
        assert "$" not in query["model"]["rawSql"], "Grafana would take it for a variable of the environment"
        assert rule["annotations"]["description"]
    told = yaml.safe_load((RULES.parent / "telegram.yaml").read_text())
    (point,) = told["contactPoints"]
    assert told["policies"][0]["receiver"] == point["name"]
    assert point["receivers"][0]["settings"] == {
        "bottoken": "$GRAFANA_TELEGRAM_TOKEN", "chatid": "$GRAFANA_TELEGRAM_CHAT",
    }  # fmt: skip


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_both_severities_are_in_use(severity: str) -> None:
    assert any(alarm.severity == severity for alarm in alarms(default_limits()))
