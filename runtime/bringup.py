"""Starting a bot, in order: servers, schema, exchange, account, feeds and workers, then what makes the clock tick.

Contract: `bring_up(plan, client, services, say)` returns when every service runs and the feeds have their history.
What cannot work (a bad candle file, another account's database) raises `OperatorError` with the service's own last
line; a worker that merely struggles is reported and left to the supervisor. Times are wall seconds.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from runtime.environment import Plan
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.incidents import IncidentLog
from runtime.migrate import upgrade_to_head
from runtime.ports import is_free
from runtime.roles import BOT, let_log_in
from runtime.services import CHECKOUT, CLOCKWORK, EXCHANGE, SERVERS, WORK, Service
from runtime.supervision import SupervisorClient

Say = Callable[[str], None]

# Binds the database to mode and account and verifies the account, or refuses with one line on stderr.
ACCOUNT_CHECK = (sys.executable, "-m", "execution.startup")
EXCHANGE_WITHIN = 60
HISTORY_WITHIN = 180
WORKERS_WITHIN = 60
# They listen on ports of their own, but start long after the ports were chosen.
LISTEN_LATE = ("flower", "metrics")
# A service that fails this often before it was ever ready will not get ready by itself.
_FAILURES_TOLERATED = 3


def last_words(home: Home, service: str) -> str:
    """The last line a service logged, readable, for an error message."""
    path = home.logs / f"{service}.log"
    if not path.exists():
        return "it said nothing"
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 20_000))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    return _readable(lines[-1].strip()).removeprefix(f"{service}: ")


def _readable(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    details = [str(entry[key]) for key in ("error", "reason", "problem", "exception") if entry.get(key)]
    return ": ".join([str(entry.get("event", line)), *(detail.splitlines()[-1] for detail in details)])


class PortLost(OperatorError):
    """Another program took a port between our choice of it and the start of its server."""


class BringUp:
    def __init__(
        self,
        plan: Plan,
        client: SupervisorClient,
        services: Iterable[Service],
        environment: Mapping[str, str],
        account_check: tuple[str, ...],
        say: Say,
    ) -> None:
        self._plan, self._client, self._say = plan, client, say
        self._services = list(services)
        self._environment = dict(environment)
        self._account_check = account_check

    def run(self) -> None:
        try:
            self._start_what_listens()
        except OperatorError as trouble:
            self._blame_a_lost_port(self._names(EXCHANGE) + self._names(SERVERS), trouble)
            raise
        self._bind_account()
        self._start(WORK)
        self._wait_for_feeds()
        self._say("feeds have their history")
        self._start(CLOCKWORK)
        self._wait_for_the_rest()

    def _start_what_listens(self) -> None:
        if self._plan.embedded:
            self._start(SERVERS)
            self._plan.cluster.wait_until_ready(give_up=lambda: self._refuse_if_down("postgres"))
            self._plan.redis_server.wait_until_ready(give_up=lambda: self._refuse_if_down("redis"))
            self._plan.cluster.ensure_database()
            self._say("PostgreSQL and Redis run")
        before, after = upgrade_to_head(self._plan.owner_url)
        if self._plan.embedded:
            let_log_in(self._plan.owner_url, BOT, self._plan.secrets.bot_database_password)
        if before != after:
            self._say(f"database migrated from schema {before or 'empty'} to {after}")
        if self._names(EXCHANGE):
            self._start(EXCHANGE)
            self._wait_for_exchange()
            self._say(f"paper exchange runs at {self._plan.okx_rest_url}")

    def _blame_a_lost_port(self, names: list[str], trouble: OperatorError | None = None) -> None:
        """Raise `PortLost` if, with these services stopped, somebody else listens where one of them should have."""
        self._client.stop(names)
        deadline = time.monotonic() + 60
        while any(self._client.states()[name].pid for name in names) and time.monotonic() < deadline:
            time.sleep(0.05)
        lost = [f"{self._plan.ports[name]} ({name})" for name in names if not is_free(self._plan.ports[name])]
        if lost:
            raise PortLost(f"port {', '.join(lost)} was taken by another program just now") from trouble

    def _names(self, phase: int) -> list[str]:
        return [service.name for service in self._services if service.phase == phase]

    def _start(self, phase: int) -> None:
        self._client.start(self._names(phase))

    def _refuse_if_failed(self, name: str, failures: int) -> None:
        if failures >= _FAILURES_TOLERATED:
            raise OperatorError(
                f"{name} does not start: {last_words(self._plan.home, name)} (log: {self._plan.home.logs / name}.log)"
            )

    def _refuse_if_down(self, name: str) -> None:
        """Servers and exchange refuse what no second try would change: a malformed file, a taken port."""
        if IncidentLog(self._plan.home.run / "incidents.jsonl").died(name):
            self._client.stop([name])
            self._refuse_if_failed(name, _FAILURES_TOLERATED)

    def _wait_for_exchange(self) -> None:
        deadline = time.monotonic() + EXCHANGE_WITHIN
        while True:
            try:
                with urllib.request.urlopen(f"{self._plan.okx_rest_url}/api/v5/public/time", timeout=5) as answer:
                    if json.load(answer).get("code") == "0":
                        return
            except (urllib.error.URLError, OSError, ValueError):
                pass  # not listening yet; the deadline and the process's own state decide
            self._refuse_if_down("exchange")
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"the paper exchange did not answer within {EXCHANGE_WITHIN} s: "
                    f"{last_words(self._plan.home, 'exchange')}"
                )
            time.sleep(0.1)

    def _bind_account(self) -> None:
        """Bind the database to mode and account, or refuse; in a process of its own, which leaves no memory behind."""
        answer = subprocess.run(
            self._account_check, cwd=CHECKOUT, env=self._environment, capture_output=True, text=True, timeout=120
        )
        if answer.returncode != 0:
            said = [line for line in (answer.stderr or answer.stdout).splitlines() if line.strip()]
            reason = _readable(said[-1]).removeprefix("okxbot: ") if said else f"status {answer.returncode}"
            log = Path(self._plan.home.logs / "startup.log")
            log.write_text(answer.stdout + answer.stderr)
            raise OperatorError(f"the account check failed: {reason} (log: {log})")
        self._say("account bound and verified")

    def _wait_for_feeds(self) -> None:
        waiting = {each.name for each in self._services if each.phase == WORK and each.announces_ready}
        failures = dict.fromkeys(waiting, 0)
        last_state = dict.fromkeys(waiting, "")
        deadline = time.monotonic() + HISTORY_WITHIN
        while waiting:
            states = self._client.states()
            for name in sorted(waiting):
                state = states[name]
                if state.state == "BACKOFF" and last_state[name] != "BACKOFF":
                    failures[name] += 1
                    self._refuse_if_failed(name, failures[name])
                last_state[name] = state.state
                if state.ready:
                    waiting.discard(name)
            if waiting and time.monotonic() > deadline:
                name = sorted(waiting)[0]
                raise OperatorError(
                    f"{name} is not ready after {HISTORY_WITHIN} s: {last_words(self._plan.home, name)}"
                )
            time.sleep(0.1)

    def _wait_for_the_rest(self) -> None:
        """Wait until all others are up; name those that are not, and leave them to the supervisor."""
        announcing = {each.name for each in self._services if each.announces_ready}
        deadline = time.monotonic() + WORKERS_WITHIN
        while True:
            states = self._client.states()
            down = [
                each.name
                for each in states.values()
                if each.state != "RUNNING" or (each.name in announcing and not each.ready)
            ]
            if not down:
                self._say(f"{len(states)} services run")
                return
            struggling = [name for name in down if states[name].state in ("BACKOFF", "FATAL")]
            if time.monotonic() > deadline or (struggling and set(struggling) == set(down)):
                if late := [name for name in LISTEN_LATE if name in struggling]:
                    self._blame_a_lost_port(late)
                    self._client.start(late)
                for name in down:
                    self._say(f"{name} is not up, the supervisor keeps trying: {last_words(self._plan.home, name)}")
                return
            time.sleep(0.1)
