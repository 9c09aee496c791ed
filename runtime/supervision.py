"""supervisord, configured from the table of services and spoken to over its Unix socket.

Contract: `Supervision(plan, services)` starts the daemon in a session of its own (a Ctrl-C in the terminal reaches no
service), each service in a process group of its own, restarted with growing pauses when it dies. Passwords are in the
daemon's environment, not in its configuration. Nothing starts by itself: the caller says what and when.
Failure: `OperatorError`; a daemon that is gone is `SupervisorGone`. Times are wall seconds.
"""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import OperatorError, file_trouble
from runtime.home import Home
from runtime.incidents import IncidentLog
from runtime.services import Service

_ANSWER_WITHIN = 15
_LOG_SIZE, _LOG_BACKUPS = "10MB", 3
ALIVE = ("STARTING", "RUNNING")
# Characters its configuration file gives a meaning of its own.
_UNWRITABLE = "\"'\\;#\n\r"


class SupervisorGone(OperatorError):
    """The supervisor does not answer."""


@dataclass(frozen=True)
class ServiceState:
    name: str
    state: str  # supervisord's: STOPPED STARTING RUNNING BACKOFF STOPPING EXITED FATAL UNKNOWN
    pid: int | None
    uptime_s: int
    ready: bool  # has touched its readiness file in this life
    restarts: int


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER_WITHIN)
        self.sock.connect(str(self._path))


class UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket; a connection per call, so that any thread may use it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = host, connection  # what close() closes
        return connection

    def single_request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        try:
            return super().single_request(host, handler, request_body, verbose)
        finally:
            self.close()


class SupervisorClient:
    """What we ask of a running supervisor."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._server = xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(home.socket))

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._server.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException) as trouble:
            raise SupervisorGone(
                f"the supervisor of {self._home.folder} does not answer ({trouble}); see {self._home.logs}"
            ) from None

    def answers(self) -> bool:
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except SupervisorGone:
            return False

    def pid(self) -> int:
        return int(self._call("getPID"))

    def start(self, names: Iterable[str]) -> None:
        for name in names:
            self._ignoring(("ALREADY_STARTED",), "startProcess", name, False)

    def stop(self, names: Iterable[str]) -> None:
        for name in names:
            self._ignoring(("NOT_RUNNING", "BAD_NAME"), "stopProcess", name, False)

    def restart(self, name: str) -> None:
        self._ignoring(("NOT_RUNNING",), "stopProcess", name, True)
        self.start([name])

    def shutdown(self) -> None:
        self._call("shutdown")

    def _ignoring(self, faults: tuple[str, ...], method: str, *arguments: Any) -> None:
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if not fault.faultString.startswith(faults):
                raise OperatorError(f"the supervisor refused to {method} {arguments[0]}: {fault.faultString}") from None

    def states(self) -> dict[str, ServiceState]:
        restarts = IncidentLog(self._home.run / "incidents.jsonl").restarts()
        found = {}
        for each in self._call("getAllProcessInfo"):
            name, alive = each["name"], each["statename"] in ALIVE
            found[name] = ServiceState(
                name,
                each["statename"],
                each["pid"] or None,
                max(0, each["now"] - each["start"]) if alive else 0,
                alive and self._home.ready_file(name).exists(),
                restarts[name],
            )
        return found


def configuration(home: Home, services: Iterable[Service]) -> str:
    """supervisord's configuration file. No secret in it."""
    parts = [
        "[unix_http_server]",
        f"file={_escape(home.socket)}",
        "chmod=0700",
        "[supervisord]",
        f"logfile={_escape(home.logs / 'supervisor.log')}",
        "logfile_maxbytes=5MB",
        "logfile_backups=1",
        f"pidfile={_escape(home.run / 'supervisor.pid')}",
        f"childlogdir={_escape(home.logs)}",
        # Not to standard output as well.
        "silent=true",
        *(["user=root"] if os.getuid() == 0 else []),
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for service in services:
        environment = {
            "OKXBOT_SERVICE": service.name,
            "OKXBOT_READY_FILE": str(home.ready_file(service.name)),
            **service.environment,
        }
        variables = ",".join(f'{name}="{_escape(value)}"' for name, value in environment.items())
        parts += [
            f"[program:{service.name}]",
            f"command={_command(service.argv)}",
            f"directory={_escape(service.directory)}",
            f"environment={variables}",
            "autostart=false",
            "autorestart=true",
            f"startsecs={service.started_after}",
            "startretries=1000000",
            f"stopsignal={service.stop_signal}",
            f"stopwaitsecs={service.stop_timeout}",
            "killasgroup=true",
            # A termination from outside (the machine going down) stops them in the same order as `okxbot down`.
            f"priority={1000 - service.stop_phase * 100}",
            "redirect_stderr=true",
            # supervisord expands this one twice.
            f"stdout_logfile={_escape(_escape(home.logs / f'{service.name}.log'))}",
            f"stdout_logfile_maxbytes={_LOG_SIZE}",
            f"stdout_logfile_backups={_LOG_BACKUPS}",
            *([f"user={service.user}"] if service.user else []),
        ]
    return "\n".join(parts) + "\n"


def _command(argv: Iterable[str]) -> str:
    # shlex quotes an argument with a blank in single quotes, which _escape would refuse.
    return " ".join(f'"{_escape(part)}"' for part in argv)


def _escape(text: object) -> str:
    value = str(text)
    if any(character in value for character in _UNWRITABLE):
        raise OperatorError(
            f"the supervisor cannot be given {value!r}: the paths of the checkout and of OKXBOT_HOME must not contain "
            "quotes, backslashes, semicolons, # or line breaks"
        )
    return value.replace("%", "%%")


def start_supervisor(
    home: Home, services: Iterable[Service], environment: Mapping[str, str], timeout: float = 30
) -> SupervisorClient:
    """Start the daemon; return once it answers."""
    path = home.run / "supervisord.conf"
    home.write_private(path, configuration(home, services))
    for stale in home.run.glob("*.ready"):
        stale.unlink(missing_ok=True)
    shutil.rmtree(home.counters, ignore_errors=True)
    home.counters.mkdir(mode=0o700)
    incidents = home.run / "incidents.jsonl"
    IncidentLog(incidents).clear()
    home.socket.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "runtime.supervisor_process", path, home.supervisor_lock.path, incidents]
    output = home.logs / "supervisor.out"
    with file_trouble("write", output), output.open("wb") as file:
        process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=Path(__file__).resolve().parent.parent,
            env={**environment, "OKXBOT_SERVICE": "supervisor"},
            start_new_session=True,
        )
    client = SupervisorClient(home)
    deadline = time.monotonic() + timeout
    try:
        while not client.answers():
            status = process.poll()
            if status is not None or time.monotonic() > deadline:
                said = [line for line in output.read_text(errors="replace").splitlines() if line.strip()]
                reason = said[-1].strip() if said else f"status {status}"
                raise OperatorError(f"the supervisor did not start: {reason}; see {output}")
            time.sleep(0.05)
    except BaseException:
        # Interrupted or in vain: it runs nothing yet, and nobody could ask it to end.
        process.kill()
        process.wait()
        raise
    return client
