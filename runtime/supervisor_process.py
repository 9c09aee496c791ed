"""The supervisor's own process: supervisord, holding the home's lock as long as it lives.

usage: python -m runtime.supervisor_process CONFIG LOCKFILE INCIDENTS

Contract: exits with status 3 at once if the lock is held: a bot runs on this home already. The lock is a kernel lock,
so it goes with the process, however that ends; services do not inherit it. Every death and restart of a service is
written to INCIDENTS.
"""

import os
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from runtime import forked, supervisor_logs
from runtime.home import Lock
from runtime.incidents import Incident, IncidentLog, Kind
from trading.clock import wall_now

ALREADY_HELD = 3


class ForkingOptions(ServerOptions):  # type: ignore[misc]
    """supervisord's calls of the system; services in Python are forked, not started anew."""

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        program = forked.program(argv)
        if program is not None:
            forked.become(program, env["OKXBOT_SERVICE"], env)
        super().execve(filename, argv, env)


class ReportingSupervisor(Supervisor):  # type: ignore[misc]
    """supervisord that writes down which service died and when it came back."""

    def __init__(self, options: ServerOptions, incidents: IncidentLog) -> None:
        super().__init__(options)
        self._incidents = incidents
        self._down: Counter[str] = Counter()

    def runforever(self) -> None:
        # Here and not earlier: run() forgets all subscriptions first.
        events.subscribe(events.ProcessStateExitedEvent, self._exited)
        events.subscribe(events.ProcessStateBackoffEvent, self._exited)
        events.subscribe(events.ProcessStateRunningEvent, self._running)
        events.subscribe(events.ProcessStateFatalEvent, self._fatal)
        super().runforever()

    def _write(self, name: str, kind: Kind, detail: str) -> None:
        # On a full disk the supervisor goes on unreported rather than end: `okxbot status` shows the services.
        with suppress(OSError):
            self._incidents.add(Incident(wall_now().isoformat(timespec="milliseconds"), name, kind, detail))

    def _exited(self, event: events.ProcessStateEvent) -> None:
        process = event.process
        name = process.config.name
        self._down[name] += 1
        # One line per outage and then rarely: a service that keeps dying says the same each time.
        if self._down[name] in (1, 10, 100, 1000):
            status = process.exitstatus
            if status is None:
                detail = "exited right after its start"
            else:
                detail = "killed by a signal" if status == -1 else f"exit status {status}"
            self._write(name, "died", detail)

    def _running(self, event: events.ProcessStateEvent) -> None:
        name = event.process.config.name
        failures = self._down.pop(name, 0)
        if failures:
            self._write(name, "restarted", f"process {event.process.pid}, at attempt {failures}")

    def _fatal(self, event: events.ProcessStateEvent) -> None:
        self._write(event.process.config.name, "given_up", event.process.spawnerr or "exits at once")


def main() -> int:
    configuration, lock_file, incidents = sys.argv[1:4]
    lock = Lock(Path(lock_file))
    if not lock.take():
        return ALREADY_HELD
    os.umask(0o077)
    supervisor_logs.install()
    forked.name_process("supervisor")
    forked.preload()
    options = ForkingOptions()
    options.realize(["--nodaemon", "--configuration", configuration])
    options.first = True
    options.test = False
    try:
        ReportingSupervisor(options, IncidentLog(Path(incidents))).main()
    except asyncore.ExitNow:
        pass
    options.close_httpservers()
    options.close_logger()
    return 0


if __name__ == "__main__":
    sys.exit(main())
