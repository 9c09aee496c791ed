"""The database of a stopped bot, for the length of one command: its owner may look, halt and resume at any time.

Contract: inside `database_alone(plan)` the embedded database of this home runs by itself, on a free port, and no
`okxbot up` or `down` works beside it; the plan it gives has that port. Nothing else of the bot is started. Raises
`OperatorError` where there is no database yet, where another command holds the home, or with what the server said.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from runtime.environment import Plan
from runtime.errors import OperatorError
from runtime.ports import free_port


@contextmanager
def database_alone(plan: Plan) -> Iterator[Plan]:
    home = plan.home
    if not plan.cluster.exists:
        raise OperatorError(f"no bot has run in {home.folder} yet; start one with `okxbot up`")
    with home.up_lock as lock:
        if not lock.take():
            raise OperatorError(f"the bot of {home.folder} is just being started or stopped; try again when it is done")
        alone = replace(plan, ports=plan.ports | {"postgres": free_port()})
        server = alone.cluster.server_process(home.logs / "postgres.log")
        server.start(alone.cluster.argv(), within=60)
        try:
            yield alone
        finally:
            server.stop()
