"""Services whose supervisor was killed: found by what they carry in their environment, and stopped.

Contract: a process belongs to a home if its `OKXBOT_HOME` is that folder and `OKXBOT_SERVICE` names a service; the
servers, which overwrite their environment, are known by their working folder. No process file is trusted, so a
reused process number is never hit. Only processes of services are found, never `okxbot` commands.
"""

import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from runtime.home import Home
from runtime.services import Service

SUPERVISOR = "supervisor"
_SERVERS = {"postgres": "postgres", "valkey-server": "redis", "redis-server": "redis"}


@dataclass(frozen=True)
class Leftover:
    service: str
    process: psutil.Process


def _service_of(process: psutil.Process, home: Home, folders: dict[Path, str]) -> str | None:
    try:
        environment = process.environ()
        if environment.get("OKXBOT_HOME") == str(home.folder) and environment.get("OKXBOT_SERVICE"):
            # Forked from the supervisor it shows the supervisor's environment, and a name of its own.
            return str(process.name() if environment["OKXBOT_SERVICE"] == SUPERVISOR else environment["OKXBOT_SERVICE"])
        if process.name() in _SERVERS:
            return folders.get(Path(process.cwd()))
    except (psutil.Error, OSError):
        # It ended meanwhile, or is another user's: not ours either way.
        return None
    return None


def find_leftovers(home: Home) -> list[Leftover]:
    folders = {home.redis.resolve(): "redis", (home.postgres.resolve() / "data"): "postgres"}
    own = psutil.Process().pid
    found = []
    for process in psutil.process_iter():
        if process.pid == own:
            continue
        service = _service_of(process, home, folders)
        if service is not None and _lives(process):
            found.append(Leftover(service, process))
    return found


def stop_leftovers(home: Home, services: Iterable[Service], say: Callable[[str], None]) -> int:
    """Stop them in the usual order, killing what does not end in its time; returns how many services there were."""
    found = find_leftovers(home)
    if not found:
        return 0
    table = {service.name: service for service in services}
    names = {leftover.service for leftover in found}
    say(f"stopping {len(names)} services whose supervisor is gone: {', '.join(sorted(names))}")
    unknown_last = 99
    phases = sorted({table[name].stop_phase if name in table else unknown_last for name in names})
    for phase in phases:
        members = [
            each
            for each in found
            if (table[each.service].stop_phase if each.service in table else unknown_last) == phase
        ]
        _stop(members, table)
    return len(names)


def _stop(members: list[Leftover], table: dict[str, Service]) -> None:
    pids = {each.process.pid for each in members}
    patience = 5.0
    for each in members:
        service = table.get(each.service)
        patience = max(patience, service.stop_timeout if service else 0)
        try:
            # A worker's child is ended by its parent, after the task in hand.
            if each.process.ppid() not in pids:
                each.process.send_signal(getattr(signal, f"SIG{service.stop_signal}" if service else "SIGTERM"))
        except psutil.NoSuchProcess:
            continue
    processes = [each.process for each in members]
    deadline = time.monotonic() + patience
    while any(map(_lives, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in filter(_lives, processes):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _lives(process: psutil.Process) -> bool:
    """Orphans are reaped by the machine's first process, in a container perhaps never: a zombie is dead."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
