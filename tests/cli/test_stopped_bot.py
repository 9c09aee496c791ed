"""A stopped bot: its owner may look and halt, in clear lines and with a telling status; nothing is left running."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest

from models import (
    Account,
    BotState,
    BreakRow,
    DecisionCycle,
    InstrumentLock,
    Order,
    OrderEvent,
    RiskVerdict,
)
from models.session import build_engine, build_sessions
from runtime.database_alone import database_alone
from runtime.environment import Plan, needed_ports
from runtime.home import Home
from runtime.leftovers import find_leftovers
from runtime.migrate import upgrade_to_head
from runtime.orphans import note_of
from runtime.ports import free_port
from runtime.roles import BOT, let_log_in
from settings import load_settings
from trading.clock import wall_now


def okxbot(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], capture_output=True, text=True, timeout=60,
        env={**os.environ, "OKXBOT_HOME": str(home.folder)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home as a stopped bot leaves it: a database with an account, and nothing that runs."""
    settings = load_settings({}, dotenv=False)
    home = Home(tmp_path_factory.mktemp("stopped") / "home")
    home.prepare()
    home.remember_ports({name: free_port() for name in needed_ports(settings)})
    plan = Plan(settings, home, home.remembered_ports(), home.secrets())
    plan.cluster.prepare()
    with database_alone(plan) as alone:
        alone.cluster.ensure_database()
        upgrade_to_head(alone.owner_url)
        let_log_in(alone.owner_url, BOT, plan.secrets.bot_database_password)
        engine = build_engine(alone.database_url)
        with build_sessions(engine).begin() as session:
            account = Account(mode="paper", uid="1", order_prefix="t")
            session.add(account)
            session.flush()
            session.add(BotState(account_id=account.id, state="running", equity=Decimal("9876.5")))
            for number, state in enumerate(("live", "filled", "canceled")):
                session.add(
                    Order(
                        account_id=account.id, leg="entry", cl_ord_id=f"t{state}", inst_id=f"C{number}-USDT-SWAP",
                        side="buy", ord_type="fok", td_mode="isolated", sz_contracts=1, reduce_only=False, state=state,
                    )
                )  # fmt: skip
            cycle = DecisionCycle(
                account_id=account.id, inst_id="C1-USDT-SWAP", slot=wall_now(), opened_by="feed", stage="done",
                outcome="rejected", reason="expected move too small", deadline=wall_now(), analyst="rules",
                decision={"action": "OPEN_LONG", "stop_loss": "99.5", "reasoning": "it rises"},
                stage_log=[{"stage": "gate", "started": "2026-01-05T10:00:00.123456+00:00",
                            "ended": "2026-01-05T10:00:00.234567+00:00", "next": "done"}],
            )  # fmt: skip
            session.add(cycle)
            session.flush()
            check = {"name": "min_move", "effect": "reject", "value": "0.1 %", "limit": "0.3 %", "reason": "small"}
            session.add(
                RiskVerdict(
                    cycle_id=cycle.id, approved=False, effect="reject", refused_by=["min_move"], reason="small",
                    contracts=0, checks=[check], given={},
                )
            )  # fmt: skip
            order = Order(
                account_id=account.id, leg="close", cl_ord_id="tcycle", inst_id="C1-USDT-SWAP", side="sell",
                ord_type="market", td_mode="isolated", sz_contracts=1, reduce_only=True, state="rejected",
                cycle_id=cycle.id, last_code="51000", last_message="Parameter error",
            )  # fmt: skip
            session.add(order)
            session.flush()
            session.add(OrderEvent(order_id=order.id, to_state="rejected", source="submit", detail={"code": "51000"}))
            for inst_id in ("C1-USDT-SWAP", "C2-USDT-SWAP"):
                session.add(
                    InstrumentLock(account_id=account.id, inst_id=inst_id, reason="size_break", detail="2 held, not 1")
                )
            session.add(
                BreakRow(
                    account_id=account.id, source="invariants", name="clock_agrees", detail="1.5 s apart",
                    confirmed_at=wall_now(),
                )
            )  # fmt: skip
        engine.dispose()
    yield home
    place = home.postgres.resolve()
    subprocess.run(["rm", "-rf", str(place), str(note_of(place))], check=True)


def test_status_says_stopped_shows_what_was_left_and_exits_3(home: Home) -> None:
    answer = okxbot(home, "status", "--json")
    assert answer.returncode == 3, answer.stderr
    found = json.loads(answer.stdout)
    assert (found["state"], found["equity"], found["services"], found["now"]) == ("stopped", 9876.5, {}, None)
    plain = okxbot(home, "status").stdout
    assert plain.startswith("STOPPED   paper trading")
    assert "equity 9,876.50 USDT   today unknown" in plain
    assert "not reconciled yet   without a stop 0.0 s in all   clock skew unknown" in plain
    assert "None" not in plain
    assert find_leftovers(home) == []


def test_halt_on_a_stopped_bot_is_kept_for_its_next_start(home: Home) -> None:
    answer = okxbot(home, "halt", "market", "looks", "odd")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == [
        "halted (manual): market looks odd",
        "the bot is stopped; it will be halted when `okxbot up` starts it",
    ]
    assert json.loads(okxbot(home, "status", "--json").stdout)["halt_reason"] == "manual: market looks odd"
    assert okxbot(home, "halt", "again").stdout.splitlines()[0] == (
        "was halted already (manual): market looks odd; what was said now is in the audit log only"
    )
    assert "the bot is stopped and will trade when" in okxbot(home, "resume").stdout
    assert find_leftovers(home) == []


def test_what_needs_the_running_bot_says_so_in_one_line(home: Home) -> None:
    for command, said in (
        ("env", "no bot runs in"),
        ("flatten", "the paper exchange is stopped together with the bot"),
    ):
        answer = okxbot(home, command)
        assert answer.returncode == 2
        assert len(answer.stderr.splitlines()) == 1
        assert said in answer.stderr
        assert "okxbot up" in answer.stderr


def test_orders_are_listed_by_what_needs_a_person_first(home: Home) -> None:
    answer = okxbot(home, "orders")
    assert answer.returncode == 0, answer.stderr
    *orders, first, second = answer.stdout.splitlines()
    assert [line.split()[2] for line in orders] == ["live", "rejected", "canceled", "filled"]
    assert "locked: C1-USDT-SWAP (size_break)" in first
    assert "2 held, not 1" in second
    assert [row["cl_ord_id"] for row in json.loads(okxbot(home, "orders", "--json", "-n", "1").stdout)] == ["tlive"]


def test_status_shows_what_is_broken(home: Home) -> None:
    assert "no entries: clock_agrees: 1.5 s apart" in okxbot(home, "status").stdout
    (found,) = json.loads(okxbot(home, "status", "--json").stdout)["breaks"]
    assert (found["name"], found["found_by"], found["instrument"]) == ("clock_agrees", "invariants", None)


def test_a_lock_is_lifted_only_with_a_reason_and_a_yes(home: Home) -> None:
    for arguments, said in (
        (("unlock", "C2-USDT-SWAP"), "'--reason'"),
        (("unlock", "C2-USDT-SWAP", "--reason", "mended"), "say --yes"),
        (("unlock", "BTC-USDT-SWAP", "--reason", "mended", "--yes"), "is not locked"),
        (("unlock", "BTC-USDT-SWAP", "--reason", "mended"), "is not locked"),
    ):
        answer = okxbot(home, *arguments)
        assert answer.returncode == 2
        assert len(answer.stderr.splitlines()) == 1
        assert said in answer.stderr
    answer = okxbot(home, "unlock", "C2-USDT-SWAP", "--reason", "mended", "--yes")
    assert answer.stdout.splitlines()[-1] == "unlocked C2-USDT-SWAP: size_break"
    assert "C2-USDT-SWAP (size_break)" not in okxbot(home, "orders").stdout


def test_what_needs_the_exchange_says_that_it_is_stopped(home: Home) -> None:
    for arguments in (
        ("order", "settle", "tlive", "--absent", "--reason", "x", "--yes"),
        ("stop", "move", "BTC-USDT-SWAP", "--break-even"),
    ):
        answer = okxbot(home, *arguments)
        assert (answer.returncode, "exchange is stopped" in answer.stderr) == (2, True)


def test_command_beside_one_that_starts_the_bot_waits_for_it_to_be_done(home: Home) -> None:
    with home.up_lock as lock:
        assert lock.take()
        answer = okxbot(home, "halt")
    assert answer.returncode == 2
    assert "is just being started or stopped" in answer.stderr


def test_cycle_is_shown_for_a_person_and_raw(home: Home) -> None:
    answer = okxbot(home, "cycle", "show", "1")
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[0].startswith("cycle 1  C1-USDT-SWAP  ")
    assert lines[0].endswith("UTC  rejected")
    assert lines[1:9] == [
        "  expected move too small",
        "  opened by feed, analyst rules",
        "stages",
        "  10:00:00.123 to 10:00:00.234  gate      then done",
        "decision",
        "  action OPEN_LONG, stop loss 99.5",
        "  it rises",
        "gate: reject: small",
    ]
    assert lines[9].split() == ["reject", "min_move", "0.1", "%", "(limit", "0.3", "%)", "small"]
    assert lines[10:12] == [
        "order tcycle: close sell 1 market, rejected",
        "  the exchange said 51000 Parameter error",
    ]
    assert lines[12].endswith("rejected   by submit  code 51000")
    raw = json.loads(okxbot(home, "cycle", "show", "1", "--json").stdout)
    assert raw["orders"][0]["events"][0]["detail"] == {"code": "51000"}


def test_limits_as_json_say_what_was_tightened(home: Home) -> None:
    found = json.loads(okxbot(home, "limits", "--json").stdout)
    assert found["max_leverage"] == {"value": "3", "tightened": False}
