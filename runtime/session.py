"""One run of a bot under `okxbot up`, from the first check to the last stopped process.

Contract: `run_session` holds the home's lock while it works; SIGINT, SIGTERM and SIGHUP, at whatever point, end
everything in order; a supervisor that is killed is replaced, with all its services. Services that die are restarted by
the supervisor and reported here. Raises `OperatorError`. Times are wall seconds.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import psutil

from runtime.bringup import ACCOUNT_CHECK, BringUp, PortLost
from runtime.environment import PREFERRED_PORTS, Plan, plan_ports, service_environment
from runtime.errors import OperatorError
from runtime.home import LEAST_FREE_MB, Home, RunningBot
from runtime.incidents import IncidentLog
from runtime.leftovers import find_leftovers, stop_leftovers
from runtime.services import Service, services_for
from runtime.supervision import configuration, start_supervisor
from runtime.takedown import take_down
from settings import AnySettings
from trading.clock import wall_now

Say = Callable[[str], None]
View = Callable[[AnySettings], None]
Table = Callable[[Plan], list[Service]]

# After the first, when the supervisor was killed or a port was lost.
_MORE_STARTS = 3
_TOLD_EACH = 6


class StopRequested(KeyboardInterrupt):
    """The operator, the machine or `--for` asks this run to end."""


class SupervisorDied(BaseException):
    """The supervisor's process is gone although nobody asked it to stop.

    Raised by a signal at any point of the main thread, so no `except Exception` on its way may take it.
    """


def refuse_if_running(home: Home) -> None:
    """Raise `OperatorError` naming who runs the bot of this home."""
    bot = home.running_bot()
    if bot is None:
        raise OperatorError(f"another okxbot command works on {home.folder} just now; try again when it is done")
    urls = "".join(f", {name} {url}" for name, url in bot.urls.items() if url.startswith("http"))
    raise OperatorError(
        f"a bot already runs on {home.folder}: process {bot.pid}, since {bot.since}{urls}; "
        "see `okxbot status`, stop it with `okxbot down`, or choose another OKXBOT_HOME"
    )


def _sign(home: Home, settings: AnySettings, pid: int, *, detached: bool, urls: dict[str, str]) -> None:
    """Say in the home who runs its bot."""
    born, since = psutil.Process(pid).create_time(), wall_now().isoformat(timespec="seconds")
    home.write_running_bot(RunningBot(pid, born, since, detached, urls, settings.given))


@contextmanager
def _stop_signals() -> Iterator[None]:
    """SIGINT, SIGTERM, SIGHUP and the alarm of `--for` raise `StopRequested` in the main thread."""

    def request(number: int, _frame: FrameType | None) -> None:
        raise StopRequested(signal.Signals(number).name)

    def died(_number: int, _frame: FrameType | None) -> None:
        raise SupervisorDied

    wanted = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM), request)
    before = {number: signal.signal(number, handler) for number, handler in (wanted | {signal.SIGUSR1: died}).items()}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _undisturbed(say: Say) -> Iterator[None]:
    """While stopping, further signals only say so: an interrupted shutdown would leave processes behind."""

    def already(_number: int, _frame: FrameType | None) -> None:
        say("already stopping; please wait")

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, already) for number in numbers}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Watcher(threading.Thread):
    """Reports incidents as they come, and the death of the supervisor to the main thread."""

    def __init__(self, home: Home, say: Say) -> None:
        super().__init__(daemon=True, name="watcher")
        self._home, self._say = home, say
        self._incidents = IncidentLog(home.run / "incidents.jsonl")
        self._seen: Counter[str] = Counter()
        self._ended = threading.Event()
        self._disk_is_full = False
        self._main = threading.main_thread().ident

    def run(self) -> None:
        while not self._ended.wait(0.5):
            self._report_the_disk()
            for incident in self._incidents.news():
                self._seen[incident.service] += 1
                # A service that keeps dying is reported at first and then now and then; its log has it all.
                if self._seen[incident.service] <= _TOLD_EACH or self._seen[incident.service] % 50 == 0:
                    self._say(incident.line)
            if not self._home.supervisor_lock.is_held():
                if not self._ended.is_set() and self._main is not None:
                    signal.pthread_kill(self._main, signal.SIGUSR1)
                return

    def _report_the_disk(self) -> None:
        """Once when it gets full, once when there is space again."""
        free = self._home.free_mb()
        if free < LEAST_FREE_MB and not self._disk_is_full:
            self._disk_is_full = True
            self._say(
                f"only {free} MB are free on the disk of {self._home.folder}: free some space; "
                "until then services may fail, and carry on when there is some"
            )
        elif free >= LEAST_FREE_MB and self._disk_is_full:
            self._disk_is_full = False
            self._say(f"{free} MB are free again on the disk of {self._home.folder}")

    def end(self) -> None:
        self._ended.set()
        self.join(5)


def clear_the_way(home: Home, say: Say, plan: Plan | None, table: Table) -> None:
    """Stop what a killed terminal or supervisor left behind; `plan` is that of its start."""
    if home.supervisor_lock.is_held():
        say("the command that ran this bot was killed; stopping what it left running")
        take_down(home, table(plan) if plan else [], say, plan.dsn if plan else None)
    elif find_leftovers(home):
        stop_leftovers(home, table(plan) if plan else [], say)


def last_plan(settings: AnySettings, home: Home) -> Plan | None:
    """The plan as of the last start; None before the first."""
    ports = home.remembered_ports()
    if not ports:
        return None
    return Plan(settings, home, dict.fromkeys(PREFERRED_PORTS, 0) | ports, home.secrets())


def prepare(settings: AnySettings, home: Home, say: Say, table: Table = services_for) -> Plan:
    """Home, ports, database cluster and Redis configuration, before anything runs."""
    secrets = home.secrets()
    clear_the_way(home, say, last_plan(settings, home), table)
    plan = Plan(settings, home, plan_ports(settings, home), secrets)
    if plan.embedded:
        if plan.cluster.prepare():
            say(f"created the database in {home.postgres}")
        plan.redis_server.prepare()
    return plan


def run_session(
    settings: AnySettings,
    *,
    detach: bool,
    seconds: float | None,
    say: Say,
    view: View,
    quiet: Callable[[], None],
    table: Table = services_for,
    account_check: tuple[str, ...] = ACCOUNT_CHECK,
) -> None:
    """Run until asked to stop or, detached, until everything is up. `seconds` count from the moment everything is up;
    `quiet()` ends any progress display.
    """
    if settings.infrastructure == "compose":
        raise OperatorError("the services of this bot are containers: start them with `docker compose up -d`")
    # Every file this process and its children make is their owner's alone.
    os.umask(0o077)
    home = Home(settings.okxbot_home)
    # Refuses a path the supervisor cannot be given before anything is made there.
    configuration(home, ())
    home.prepare()
    with home.up_lock as lock:
        if not lock.take():
            refuse_if_running(home)
        # Before anything below may take it down: a detached bot is left alone.
        bot = home.running_bot()
        if home.supervisor_lock.is_held() and bot is not None and bot.detached:
            refuse_if_running(home)
        with _stop_signals(), suppress(StopRequested), ExitStack() as ending:
            # From here on it answers to signals, so `okxbot down` may ask it to stop.
            _sign(home, settings, os.getpid(), detached=False, urls={})
            starts, by_operator = 0, True
            plan: Plan | None = None
            # However this run ends, by a defect too, its processes end with it.
            ending.callback(lambda: _end(home, plan, table, say))
            ending.callback(quiet)
            while True:
                starts += 1
                try:
                    plan = prepare(settings, home, say, table)
                    run = _Run(plan, table(plan), account_check, say, view, quiet, seconds)
                    run.start(detach=detach, by_operator=by_operator)
                    if detach:
                        ending.pop_all()
                    return
                except PortLost as lost:
                    if starts > _MORE_STARTS or plan is None:
                        raise
                    say(f"{lost}; choosing another")
                    take_down(home, table(plan), lambda _line: None)
                except SupervisorDied:
                    by_operator = False
                    if starts > _MORE_STARTS:
                        raise OperatorError("the supervisor keeps being killed; see the machine's log") from None
                    say("the supervisor was killed; stopping its services and starting them again")


@dataclass(frozen=True)
class _Run:
    """One life of the supervisor."""

    plan: Plan
    services: list[Service]
    account_check: tuple[str, ...]
    say: Say
    view: View
    quiet: Callable[[], None]
    seconds: float | None

    def start(self, *, detach: bool, by_operator: bool) -> None:
        """Bring everything up and show the view until a signal ends it; detached, return when all is up."""
        plan, home = self.plan, self.plan.home
        # The account check tells an operator's start, which may clear automatic halts, from a replacement.
        environment = service_environment(plan) | {"BOT_STARTED_BY": "operator" if by_operator else "supervisor"}
        client = start_supervisor(home, self.services, environment)
        pid = client.pid() if detach else os.getpid()
        _sign(home, plan.settings, pid, detached=detach, urls=plan.urls)
        watcher = _Watcher(home, self.say)
        watcher.start()
        try:
            BringUp(plan, client, self.services, environment, self.account_check, self.say).run()
            self.quiet()
            if self.seconds is not None and signal.getitimer(signal.ITIMER_REAL)[0] == 0:
                # From here, where everything is up; a replaced supervisor does not start it anew.
                signal.setitimer(signal.ITIMER_REAL, self.seconds)
            if not detach:
                self.view(plan.settings)
        finally:
            watcher.end()


def _end(home: Home, plan: Plan | None, table: Table, say: Say) -> None:
    with _undisturbed(say):
        began = time.monotonic()
        if home.supervisor_lock.is_held() or find_leftovers(home):
            say("stopping")
            take_down(home, table(plan) if plan else [], say, plan.dsn if plan else None)
            say(f"everything stopped in {time.monotonic() - began:.1f} s")
        (home.run / "bot.json").unlink(missing_ok=True)
