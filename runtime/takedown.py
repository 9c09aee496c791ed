"""Stopping a bot, in order: first what opens decision cycles, then the workers, feeds, exchange, servers.

Contract: `take_down(home, say)` returns when no service of the home runs any more, whatever state it was found in:
an orderly stop through the supervisor where there is one, and by hand where it was killed. Every line it says is true
when it says it. Times are wall seconds.
"""

import time
from collections.abc import Callable, Iterable

from runtime.drain import wait_for_open_cycles
from runtime.home import Home
from runtime.leftovers import find_leftovers, stop_leftovers
from runtime.services import OPENS_CYCLES, Service
from runtime.supervision import SupervisorClient, SupervisorGone

Say = Callable[[str], None]

_STOPPED = ("STOPPED", "EXITED", "FATAL", "BACKOFF")
_PHASES = {
    1: "no new decision cycles",
    2: "workers have finished their stages",
    3: "account feed stopped",
    4: "views stopped",
    5: "exchange stopped",
    6: "PostgreSQL and Redis stopped",
}


def take_down(home: Home, services: Iterable[Service], say: Say, dsn: str | None = None) -> None:
    """`dsn`, of the bot's database as libpq reads it, lets open decision cycles finish first."""
    table = list(services)
    if home.supervisor_lock.is_held():
        try:
            _orderly(home, table, say, dsn)
        except SupervisorGone:
            say("the supervisor stopped answering")
        _wait_for_supervisor(home)
    stop_leftovers(home, table, say)
    home.socket.unlink(missing_ok=True)


def _orderly(home: Home, table: list[Service], say: Say, dsn: str | None) -> None:
    client = SupervisorClient(home)
    running = {name for name, state in client.states().items() if state.state not in ("STOPPED", "EXITED", "FATAL")}
    for phase in sorted({service.stop_phase for service in table}):
        members = [each for each in table if each.stop_phase == phase and each.name in running]
        if not members:
            continue
        client.stop(service.name for service in members)
        deadline = time.monotonic() + max(service.stop_timeout for service in members) + 5
        while True:
            states = client.states()
            left = [each.name for each in members if states[each.name].state not in _STOPPED]
            if not left:
                say(_PHASES[phase])
                if phase == OPENS_CYCLES and dsn is not None:
                    _drain(dsn, say)
                break
            if time.monotonic() > deadline:
                say(f"still stopping: {', '.join(left)}")
                break
            time.sleep(0.05)
    client.shutdown()


def _drain(dsn: str, say: Say) -> None:
    left = wait_for_open_cycles(dsn)
    if left:
        say(f"{left} decision cycles are still open; they resume or expire at the next start")
    elif left == 0:
        say("open decision cycles have ended")


def _wait_for_supervisor(home: Home) -> None:
    deadline = time.monotonic() + 90
    while home.supervisor_lock.is_held() and time.monotonic() < deadline:
        time.sleep(0.05)
    if home.supervisor_lock.is_held():
        # It neither answers nor ends: it is killed, and its services are found one by one.
        for leftover in find_leftovers(home):
            if leftover.service == "supervisor":
                leftover.process.kill()
                leftover.process.wait(5)
