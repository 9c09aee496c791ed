"""The committed dashboards: what the generator makes, and statements that a real PostgreSQL answers."""

import json
import re
from datetime import datetime
from typing import Any

import psycopg2
import pytest
import yaml

from grafana.generate import FOLDER, boards, main, rendered
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
    assert main(["--check"]) == 0


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


def test_a_limit_is_inside_the_graph_it_is_drawn_in() -> None:
    """Grafana's axis reaches as far as the values and the soft maximum; a threshold does not widen it."""
    drawn = [(p["title"], p["fieldConfig"]["defaults"]) for _, p in panels() if p["type"] == "timeseries"
             and "thresholdsStyle" in p["fieldConfig"]["defaults"].get("custom", {})]  # fmt: skip
    assert {"Drawdown", "Cost per day", "Latency of decisions"} <= {title for title, _ in drawn}
    for title, defaults in drawn:
        assert defaults["custom"]["axisSoftMax"] == defaults["thresholds"]["steps"][-1]["value"], title


def test_no_number_of_a_table_lies_beyond_its_panel(reader: Any) -> None:
    """24 columns are 1570 px of a common screen; a column is 150 px wide or what its least width says."""
    numbers = [p for _, p in panels() if p["type"] == "table" and "decimals" in p["fieldConfig"]["defaults"]]
    assert {"Open positions", "By strategy"} <= {p["title"] for p in numbers}
    for panel in numbers:
        reader.execute(expand(panel["targets"][0]["rawSql"]))
        config = panel["fieldConfig"]
        own = {o["matcher"]["options"]: p["value"] for o in config["overrides"] for p in o["properties"]
               if p["id"] == "custom.minWidth"}  # fmt: skip
        least = config["defaults"].get("custom", {}).get("minWidth", 150)
        needed = sum(own.get(column.name, least) for column in reader.description)
        assert needed <= panel["gridPos"]["w"] / 24 * 1570, panel["title"]


def test_provisioning_names_the_data_source_and_the_role_of_the_migration() -> None:
    (source,) = yaml.safe_load((FOLDER.parent / "provisioning/datasources/postgres.yaml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for _, panel in panels()} == {source["uid"]}
    assert {panel["datasource"]["type"] for _, panel in panels()} == {source["type"]}
    assert source["user"] == "okxbot_reader"


def test_drill_downs_lead_to_dashboards_that_exist() -> None:
    targets = [p["value"][0]["url"].split("/d/")[1].split("?")[0] for _, panel in panels()
               for o in panel["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "links"]  # fmt: skip
    assert set(targets) == {"okxbot-opus", "${__dashboard.uid}"}


def test_market_time_and_wall_time_never_meet_in_a_dashboard() -> None:
    market = {"slot", "closed_market_at", "market_at", "ts", "c.ts"}
    wall = {"created_at", "c.created_at", "hour", "at", "first_seen_at"}
    for uid, board in BOARDS.items():
        of_the_market = board["description"].endswith("Market time.")
        for panel in board["panels"]:
            filtered = set(re.findall(r"timeFilter\(([^)]+)\)", panel["targets"][0]["rawSql"]))
            assert filtered <= (market if of_the_market else wall), (uid, panel["title"])


def test_green_and_red_are_for_money_alone() -> None:
    for uid, panel in panels():
        text = json.dumps(panel["fieldConfig"])
        money = panel["title"] in ("Net after model cost", "Net profit by day", "Unrealised profit")
        assert money == ('"green"' in text), (uid, panel["title"])
        if not money:
            assert not re.search(r'"(green|red)"|palette-classic', text), (uid, panel["title"])


def test_room_to_stop_and_target_is_in_percent_and_r_with_its_sign(reader: Any) -> None:
    """A short from 100, its original stop at 104, now at 98 with the stop moved to 101 and the target at 92."""
    (row,) = value(reader, "okxbot-positions", "Open positions")
    shown = dict(zip([c.name for c in reader.description], row, strict=True))
    assert shown["R now"] == pytest.approx(0.5)
    assert (shown["to stop %"], shown["to stop R"]) == (pytest.approx(3 / 98 * 100), pytest.approx(0.75))
    assert (shown["to target %"], shown["to target R"]) == (pytest.approx(6 / 98 * 100), pytest.approx(1.5))
    assert shown["plan"] == "breakout; out if 1H close above 105"
    reader.execute("RESET ROLE; UPDATE positions SET mark_px = 103; SET ROLE okxbot_reader")
    (row,) = value(reader, "okxbot-positions", "Open positions")
    shown = dict(zip([c.name for c in reader.description], row, strict=True))
    assert shown["to stop R"] == pytest.approx(-0.5), "beyond the stop"


def test_naked_seconds_are_of_what_is_held(reader: Any) -> None:
    """A row stays when its position has been closed, with the seconds it had."""
    assert value(reader, "okxbot-positions", "Naked seconds") == [("BTC-USDT-SWAP", 3.0)]
    reader.execute("RESET ROLE; UPDATE positions SET contracts = 0; SET ROLE okxbot_reader")
    assert value(reader, "okxbot-positions", "Naked seconds") == []


def test_candles_carry_what_was_bought_and_sold(reader: Any) -> None:
    rows = {row[0].isoformat(): row[-2:] for row in value(reader, "okxbot-positions", "Candles, entries and exits")}
    assert rows["2026-01-02T00:00:00+00:00"] == (pytest.approx(103), None)
    assert rows["2026-01-02T05:00:00+00:00"] == (None, pytest.approx(105))


def test_money_and_rates_equal_an_independent_sum(reader: Any) -> None:
    nets = [-10 if n % 3 == 0 else 8 for n in range(1, 61)]
    wins, losses = sum(v for v in nets if v > 0), -sum(v for v in nets if v < 0)
    assert value(reader, "okxbot-portfolio", "Net after model cost")[0][0] == pytest.approx(sum(nets) - 239)
    assert value(reader, "okxbot-portfolio", "Win rate")[0][0] == pytest.approx(40 / 60)
    assert value(reader, "okxbot-portfolio", "Profit factor")[0][0] == pytest.approx(wins / losses)
    assert value(reader, "okxbot-opus", "Cache share")[0][0] == pytest.approx(0.75)
    assert value(reader, "okxbot-opus", "Cost per closed trade")[0][0] == pytest.approx(1.0)
    assert sum(row[2] for row in value(reader, "okxbot-opus", "Decisions per hour")) == 240
    assert sum(row[2] for row in value(reader, "okxbot-opus", "Cost per day")) == pytest.approx(200 * 0.25)
    assert value(reader, "okxbot-opus", "Screener") == [("haiku", 200, 0.25, 0.5, 0, 0)]
    assert value(reader, "okxbot-risk", "Refusals by rule") == [("reward_risk", 50)]
    assert value(reader, "okxbot-risk", "Daily loss")[0][0] == pytest.approx(1.0)
    assert value(reader, "okxbot-risk", "Drawdown")[0][0] == pytest.approx(10.0)
    assert value(reader, "okxbot-risk", "Margin in use")[0][0] == pytest.approx(5.0)


@pytest.mark.parametrize("statement", [
    "SELECT request FROM llm_calls", "SELECT snapshot FROM decision_cycles", "SELECT * FROM telegram_updates",
    "DELETE FROM trades", "UPDATE bot_state SET halted = false", "SELECT lo_create(0)",
    "SELECT pg_advisory_lock(1)", "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
])  # fmt: skip
def test_the_reader_may_do_no_more_than_read_what_is_shown(reader: Any, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        reader.execute(statement)
