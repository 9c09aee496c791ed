"""Memory and restarts of every service, from the supervisor of this home. Without one (compose) nothing is said."""

from collections.abc import Iterable
from contextlib import suppress

import psutil

from metrics.families import Family, counters, gauges
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.supervision import SupervisorClient


def of_the_services(home: Home) -> Iterable[Family]:
    """Resident bytes, children included (pages they share counted in each), and restarts since `up`."""
    if not home.socket.exists():
        return
    try:
        states = SupervisorClient(home).states()
    except OperatorError:
        return
    memory: dict[tuple[str, ...], float] = {}
    for name, state in states.items():
        with suppress(psutil.Error):
            if state.pid is not None:
                process = psutil.Process(state.pid)
                memory[(name,)] = sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    yield from gauges("okxbot_resident_bytes", "Resident memory of a service.", ("service",), memory)
    yield from counters("okxbot_service_restarts", "Restarts since the bot was brought up.", ("service",),
                        {(name,): float(state.restarts) for name, state in states.items()})  # fmt: skip
