"""What `okxbot up` promises, seen from outside: real servers, supervisor and signals, small services."""

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from cli.connection import in_force
from cli.doctor import check_bot
from runtime.errors import OperatorError
from runtime.home import Home, RunningBot
from runtime.leftovers import find_leftovers
from runtime.supervision import SupervisorClient
from runtime.unsupervised import unsupervised
from settings import load_settings

SMALL_BOT = [sys.executable, str(Path(__file__).with_name("small_bot.py"))]


class SmallBot:
    """One home and the commands run on it."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.environment = {**os.environ, "OKXBOT_HOME": str(self.home.folder), "PYTHONUNBUFFERED": "1"}
        self.running: list[subprocess.Popen[str]] = []

    def up(self, *options: str, **settings: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*SMALL_BOT, "up", *options], env=self.environment | settings, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.running.append(process)
        return process

    def command(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*SMALL_BOT, *arguments], env=self.environment | settings, text=True, capture_output=True, timeout=60
        )

    def clean_up(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        self.command("down")

    def remove_database(self) -> None:
        place = self.home.postgres.resolve()
        if self.home.postgres.is_symlink() and place.name.startswith("database-"):
            subprocess.run(["rm", "-rf", str(place)], check=True)


def wait_for(what: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def read_until(process: subprocess.Popen[str], text: str, seconds: float = 60) -> list[str]:
    """Lines up to the one that holds `text`; fails with all of them if it does not come in time."""
    assert process.stdout is not None
    lines: list[str] = []
    # A process that says nothing more would be waited for without end: then its output is closed from here.
    silent = threading.Timer(seconds, process.kill)
    silent.start()
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            if text in line:
                return lines
    finally:
        silent.cancel()
    raise AssertionError(f"{text!r} was never said:\n" + "\n".join(lines))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for all, so that its database is made once."""
    folder = tmp_path_factory.mktemp("session") / "home"
    yield folder
    SmallBot(folder).remove_database()


@pytest.fixture
def bot(home: Path) -> Iterator[SmallBot]:
    each = SmallBot(home)
    yield each
    each.clean_up()


def test_sigterm_ends_everything_in_order_and_exits_zero(bot: SmallBot) -> None:
    process = bot.up()
    read_until(process, "the status is shown")
    assert len(SupervisorClient(bot.home).states()) == 7
    process.send_signal(signal.SIGTERM)
    said = read_until(process, "everything stopped")
    assert [line for line in said if line.startswith(("no new", "workers", "exchange", "PostgreSQL"))] == [
        "no new decision cycles",
        "workers have finished their stages",
        "exchange stopped",
        "PostgreSQL and Redis stopped",
    ]
    assert process.wait(10) == 0
    assert find_leftovers(bot.home) == []
    # The worker was given the time to finish its stage.
    assert "shutdown_complete" in (bot.home.logs / "trade.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="services are started anew elsewhere")
def test_services_in_python_are_forked_under_their_own_names(bot: SmallBot) -> None:
    process = bot.up()
    read_until(process, "the status is shown")
    client = SupervisorClient(bot.home)
    states = client.states()
    forked = psutil.Process(states["market-feed"].pid)
    assert forked.name() == "market-feed"
    assert forked.cmdline() == psutil.Process(client.pid()).cmdline()
    assert forked.exe() == psutil.Process(states["trade"].pid).exe()
    # Its streams, its folder and its end are those of a command started anew.
    assert f"ready {forked.pid}" in (bot.home.logs / "market-feed.log").read_text()
    process.send_signal(signal.SIGTERM)
    read_until(process, "everything stopped")
    assert (bot.home.logs / "market-feed.log").read_text().splitlines()[-1] == "shutdown_complete"


def test_seconds_to_run_count_from_where_everything_is_up(bot: SmallBot) -> None:
    # Less than the start takes: counted from the command it would end before anything was shown.
    process = bot.up("--for", "1")
    read_until(process, "services run")
    read_until(process, "the status is shown")
    read_until(process, "everything stopped")
    assert process.wait(10) == 0


def test_every_file_of_a_running_bot_is_its_owners_alone(bot: SmallBot) -> None:
    process = bot.up()
    read_until(process, "the status is shown")
    everything = [bot.home.folder, *bot.home.folder.rglob("*")]
    open_to_others = [path for path in everything if not path.is_symlink() and path.lstat().st_mode & 0o077]
    assert open_to_others == []
    assert bot.home.logs / "supervisor.out" in everything


def assert_no_password_is_visible(home: Home) -> None:
    secrets = home.secrets()
    words = tuple(asdict(secrets).values())
    for each in find_leftovers(home):
        assert not any(word in " ".join(each.process.cmdline()) for word in words)
    assert not any(word in (home.run / "supervisord.conf").read_text() for word in words)
    assert home.folder.stat().st_mode & 0o077 == 0


def test_second_up_says_who_runs_the_bot_and_no_password_shows(bot: SmallBot) -> None:
    process = bot.up()
    read_until(process, "the status is shown")
    assert_no_password_is_visible(bot.home)
    second = bot.command("up")
    assert second.returncode == 2
    assert len(second.stderr.splitlines()) == 1
    assert f"process {process.pid}" in second.stderr
    assert "http://127.0.0.1:" in second.stderr


def test_what_the_bot_was_given_is_known_to_the_commands_of_another_shell_without_its_secrets(bot: SmallBot) -> None:
    process = bot.up(MAX_OPEN_POSITIONS="9", ANTHROPIC_API_KEY="sk-ant-of-the-first", PAPER_SPEED="1")
    read_until(process, "the status is shown")
    assert "sk-ant-of-the-first" not in (bot.home.run / "bot.json").read_text()
    other = load_settings({"OKXBOT_HOME": str(bot.home.folder), "MAX_OPEN_POSITIONS": "2"}, dotenv=False)
    running = in_force(other)
    assert (running.max_open_positions, running.analyst_in_use) == (9, "claude")
    process.send_signal(signal.SIGTERM)
    read_until(process, "everything stopped")
    process.wait(10)
    assert in_force(other) is other


def test_a_number_that_is_another_process_s_now_is_not_the_bot(bot: SmallBot) -> None:
    bot.home.prepare()
    ours = RunningBot(os.getpid(), psutil.Process().create_time(), "", False, {}, {})
    bot.home.write_running_bot(ours)
    assert bot.home.running_bot() == ours
    bot.home.write_running_bot(replace(ours, born=ours.born - 3600))
    assert bot.home.running_bot() is None


def test_an_interrupt_while_the_supervisor_starts_ends_at_once(bot: SmallBot) -> None:
    process = bot.up()
    wait_for(lambda: bool(psutil.Process(process.pid).children()))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert process.stdout is not None
    assert "stopped answering" not in process.stdout.read()
    assert find_leftovers(bot.home) == []


def test_service_that_dies_is_restarted_and_reported(bot: SmallBot) -> None:
    process = bot.up()
    read_until(process, "the status is shown")
    client = SupervisorClient(bot.home)
    before = client.states()["trade"].pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    read_until(process, "trade died (killed by a signal)")
    read_until(process, "trade runs again")
    after = client.states()["trade"]
    assert after.pid not in (None, before)
    assert after.restarts == 1


def test_killed_terminal_is_cleaned_up_by_the_next_up(bot: SmallBot) -> None:
    first = bot.up()
    read_until(first, "the status is shown")
    first.kill()
    first.wait()
    assert find_leftovers(bot.home), "the services outlive their terminal"
    second = bot.up()
    read_until(second, "was killed; stopping what it left running")
    read_until(second, "the status is shown")
    assert len({each.service for each in find_leftovers(bot.home)}) == 8  # seven services and one supervisor


def test_killed_supervisor_is_replaced_with_its_services(bot: SmallBot) -> None:
    process = bot.up("--for", "300")
    read_until(process, "the status is shown")
    os.kill(SupervisorClient(bot.home).pid(), signal.SIGKILL)
    read_until(process, "the supervisor was killed")
    read_until(process, "the status is shown")
    services = [each.service for each in find_leftovers(bot.home)]
    assert services.count("trade") == 1
    assert services.count("supervisor") == 1
    process.send_signal(signal.SIGINT)
    read_until(process, "everything stopped")
    assert process.wait(10) == 0


def test_detached_bot_refuses_a_second_and_down_cleans_up_even_after_a_killed_supervisor(bot: SmallBot) -> None:
    assert bot.command("up", "--detach").returncode == 0
    second = bot.command("up")
    assert second.returncode == 2
    assert "already runs" in second.stderr
    assert all(state.state == "RUNNING" for state in SupervisorClient(bot.home).states().values())
    os.kill(SupervisorClient(bot.home).pid(), signal.SIGKILL)
    wait_for(lambda: not bot.home.supervisor_lock.is_held())
    assert {each.service for each in find_leftovers(bot.home)} >= {"postgres", "redis", "trade"}
    assert bot.command("down").returncode == 0
    assert find_leftovers(bot.home) == []


def test_taken_port_is_avoided_and_a_demanded_one_is_named(bot: SmallBot) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        refused = bot.command("up", REDIS_PORT=str(taken))
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
        assert f"port {taken} (REDIS_PORT)" in refused.stderr
        bot.home.remember_ports({"redis": taken})
        process = bot.up()
        read_until(process, "the status is shown")
    assert bot.home.remembered_ports()["redis"] != taken


@pytest.mark.parametrize("service", ["redis", "exchange", "flower"])
def test_port_lost_between_choice_and_start_is_replaced(bot: SmallBot, service: str) -> None:
    process = bot.up("--lose", service)
    said = read_until(process, "the status is shown")
    assert any(f"({service}) was taken by another program just now; choosing another" in line for line in said), said


def test_two_homes_run_side_by_side(bot: SmallBot, tmp_path: Path) -> None:
    other = SmallBot(tmp_path / "other home, with a space and 100%")
    try:
        first, second = bot.up("--for", "300"), other.up()
        read_until(first, "the status is shown")
        read_until(second, "the status is shown")
        assert not set(bot.home.remembered_ports().values()) & set(other.home.remembered_ports().values())
        first.send_signal(signal.SIGTERM)
        read_until(first, "everything stopped")
        assert all(state.state == "RUNNING" for state in SupervisorClient(other.home).states().values())
    finally:
        other.clean_up()
        other.remove_database()


def test_ctrl_c_in_a_terminal_reaches_the_command_only(bot: SmallBot) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"OKXBOT_HOME": str(bot.home.folder)}
        os.execv(sys.executable, [*SMALL_BOT, "up"])
    shown = b""
    while b"the status is shown" not in shown:
        shown += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:
        pass  # the terminal is closed when its last process ends
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"everything stopped" in shown
    assert b"Traceback" not in shown
    assert "shutdown_complete" in (bot.home.logs / "trade.log").read_text()


def test_services_whose_supervisor_was_killed_are_named_until_up_takes_them_over(bot: SmallBot) -> None:
    read_until(bot.up("--detach"), "services run")
    wait_for(lambda: not bot.home.up_lock.is_held())
    assert unsupervised(bot.home) == []
    os.kill(SupervisorClient(bot.home).pid(), signal.SIGKILL)
    wait_for(lambda: not bot.home.supervisor_lock.is_held())
    left = unsupervised(bot.home)
    assert {"trade", "market-feed", "beat"} <= set(left)
    with pytest.raises(OperatorError, match=r"no supervisor answers though services live .*`okxbot up`"):
        check_bot(bot.home)
    backup = subprocess.run(
        [sys.executable, "-m", "cli.main", "backup"], env=bot.environment, text=True, capture_output=True, timeout=60
    )
    assert (backup.returncode, len(backup.stderr.splitlines())) == (2, 1)
    assert "`okxbot down` stops them in order" in backup.stderr
    bot.command("down")
    assert (unsupervised(bot.home), check_bot(bot.home)) == ([], "not running")
