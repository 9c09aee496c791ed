"""`okxbot up` with the real servers, supervisor and signals, but small services in place of the bot's own.

usage: python small_bot.py up [--detach] [--for SECONDS] [--lose SERVICE] | down      (OKXBOT_HOME names the home)

`--lose` takes the port of a service after it was chosen and before its server starts.
"""

import socket
import sys
from dataclasses import replace
from pathlib import Path

from runtime.environment import Plan
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.services import CLOCKWORK, EXCHANGE, WORK, Service, services_for
from runtime.session import last_plan, run_session
from runtime.takedown import take_down
from settings import AnySettings, load_settings

SMALL_SERVICE = Path(__file__).with_name("small_service.py")


thief = socket.socket()
thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def steal(plan: Plan) -> None:
    if "--lose" in sys.argv and thief.getsockname()[1] == 0:
        thief.bind(("127.0.0.1", plan.ports[sys.argv[sys.argv.index("--lose") + 1]]))
        thief.listen()


def table(plan: Plan) -> list[Service]:
    steal(plan)
    servers = [service for service in services_for(plan) if service.name in ("postgres", "redis")]
    small = (sys.executable, str(SMALL_SERVICE))
    services = [
        *servers,
        Service("exchange", (*small, "--port", str(plan.ports["exchange"])), EXCHANGE, 5),
        # Forked from the supervisor, as everything of the bot's own is.
        Service("market-feed", (sys.executable, "-m", "tests.runtime.small_service"), WORK, 1, announces_ready=True),
        Service("trade", (*small, "--drain", "0.3"), WORK, 2),
        Service("beat", small, CLOCKWORK, 1),
        Service("flower", (*small, "--port", str(plan.ports["flower"])), CLOCKWORK, 4, announces_ready=True),
    ]
    return [replace(service, started_after=1) for service in services]


def view(_settings: AnySettings) -> None:
    import signal

    print("the status is shown", flush=True)
    while True:
        signal.pause()


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    command, *options = sys.argv[1:]
    settings = load_settings(dotenv=False)
    home = Home(settings.okxbot_home)
    try:
        if command == "down":
            plan = last_plan(settings, home)
            take_down(home, table(plan) if plan else [], say)
            return 0
        seconds = float(options[options.index("--for") + 1]) if "--for" in options else None
        run_session(
            settings, detach="--detach" in options, seconds=seconds, say=say, view=view, quiet=lambda: None,
            table=table, account_check=(sys.executable, "-c", ""),
        )  # fmt: skip
    except OperatorError as trouble:
        print(f"okxbot: {trouble}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
