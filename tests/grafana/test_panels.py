"""The committed dashboards: what the generator makes, and statements that a real PostgreSQL answers."""

import json
from datetime import datetime
from typing import Any

import psycopg2
import pytest
import yaml

from grafana.generate import FOLDER, boards, rendered
from grafana.limits import default_limits
from tests.grafana.conftest import expand

BOARDS = {p.stem: json.loads(p.read_text()) for p in sorted(FOLDER.glob("*.json"))}


def panels() -> list[tuple[str, dict[str, Any]]]:
    return [(uid, panel) for uid, board in BOARDS.items() for panel in board["panels"]]


def value(reader: Any, uid: str, title: str) -> Any:
    (panel,) = [p for p in BOARDS[uid]["panels"] if p["title"] == title]
    reader.execute(expand(panel["targets"][0]["rawSql"]))
    return reader.fetchall()


def test_committed_json_is_what_the_generator_makes() -> None:
    made = rendered(default_limits())
    assert len(made) == 7
    assert {f"{uid}.json": (FOLDER / f"{uid}.json").read_text() for uid in BOARDS} == made


def test_every_panel_answers_as_the_reader_with_what_its_type_needs(reader: Any) -> None:
    wrong = []
    assert len(panels()) == sum(len(board.panels) for board in boards(default_limits())) > 50
    for uid, panel in panels():
        name = f"{uid} / {panel['title']}"
        try:
            reader.execute(expand(panel["targets"][0]["rawSql"]))
        except psycopg2.Error as error:
            wrong.append(f"{name}: {error}")
            continue
        rows, columns = reader.fetchall(), [c.name for c in reader.description]
        if not rows:
            wrong.append(f"{name}: no rows")
        elif panel["type"] != "table":
            if panel["targets"][0]["format"] == "time_series":
                times = [row[columns.index("time")] for row in rows]
                if not all(isinstance(t, datetime) and t.tzinfo for t in times) or times != sorted(times):
                    wrong.append(f"{name}: time is not a sorted column of aware times")
            for n, column in enumerate(columns):
                if all(row[n] is None for row in rows):
                    wrong.append(f"{name}: {column} is NULL only")
            if panel["type"] != "state-timeline" and not any(isinstance(v, float) for v in rows[0]):
                wrong.append(f"{name}: no number")
    assert not wrong, "\n".join(wrong)


def test_every_panel_has_a_description_a_unit_and_a_place() -> None:
    for uid, panel in panels():
        assert len(panel["description"]) > 5, (uid, panel["title"])
        assert panel["fieldConfig"]["defaults"]["unit"], (uid, panel["title"])
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, (uid, panel["title"])
    for uid, board in BOARDS.items():
        cells = [(x, y) for g in (p["gridPos"] for p in board["panels"])
                 for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]  # fmt: skip
        assert len(cells) == len(set(cells)), f"{uid}: panels overlap"


def test_limits_are_drawn_where_the_settings_put_them() -> None:
    limits = default_limits()
    for uid, title, limit in (
        ("okxbot-risk", "Daily loss", limits.daily_loss_pct),
        ("okxbot-risk", "Drawdown", limits.drawdown_pct),
        ("okxbot-risk", "Margin in use", limits.total_margin_pct),
        ("okxbot-opus", "Latency of decisions", limits.opus_budget_s),
    ):
        (panel,) = [p for p in BOARDS[uid]["panels"] if p["title"] == title]
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == limit


def test_provisioning_names_the_data_source_and_the_role_of_the_migration() -> None:
    (source,) = yaml.safe_load((FOLDER.parent / "provisioning/datasources/postgres.yaml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for _, panel in panels()} == {source["uid"]}
    assert {panel["datasource"]["type"] for _, panel in panels()} == {source["type"]}
    assert source["user"] == "okxbot_reader"


def test_drill_downs_lead_to_dashboards_that_exist() -> None:
    targets = [p["value"][0]["url"].split("/d/")[1].split("?")[0] for _, panel in panels()
               for o in panel["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "links"]  # fmt: skip
    assert targets
    assert set(targets) <= set(BOARDS)


def test_money_and_rates_equal_an_independent_sum(reader: Any) -> None:
    nets = [-10 if n % 3 == 0 else 8 for n in range(1, 61)]
    wins, losses = sum(v for v in nets if v > 0), -sum(v for v in nets if v < 0)
    assert value(reader, "okxbot-portfolio", "Net after model cost")[0][0] == pytest.approx(sum(nets) - 200 * 0.25)
    assert value(reader, "okxbot-portfolio", "Win rate")[0][0] == pytest.approx(40 / 60)
    assert value(reader, "okxbot-portfolio", "Profit factor")[0][0] == pytest.approx(wins / losses)
    assert value(reader, "okxbot-opus", "Cache share")[0][0] == pytest.approx(0.75)
    assert value(reader, "okxbot-risk", "Daily loss")[0][0] == pytest.approx(1.0)
    assert value(reader, "okxbot-risk", "Drawdown")[0][0] == pytest.approx(10.0)
    assert value(reader, "okxbot-risk", "Margin in use")[0][0] == pytest.approx(5.0)


@pytest.mark.parametrize("statement", [
    "SELECT request FROM llm_calls", "SELECT snapshot FROM decision_cycles", "SELECT * FROM telegram_updates",
    "DELETE FROM trades", "UPDATE bot_state SET halted = false",
])  # fmt: skip
def test_the_reader_may_do_no_more_than_read_what_is_shown(reader: Any, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        reader.execute(statement)
