"""Named points at which a test may kill or stop the process, to prove what a crash there leaves behind.

Inert unless the environment names one: OKXBOT_TEST_FAILPOINT=after_claim kills whoever gets there, each time. Named
a folder instead (an absolute path), a file in it arms the point of its name, for the first process that gets there:
its text says what happens, `kill` (this process), `kill_worker` (its parent as well) or `stop` (until continued). The
file is then renamed to POINT.fired and holds the process id.
"""

import os
import signal
import threading
from pathlib import Path

POINTS = (
    "before_claim",
    "after_claim",
    "after_request_written",
    "after_reply",
    "before_commit",
    "after_commit",
)
KILL, KILL_WORKER, STOP = "kill", "kill_worker", "stop"
WRITTEN_AFTER_S = 0.3  # by then a request is on the wire; the test has the exchange hold its reply back for longer


def reached(point: str) -> None:
    """Die here, as if the power had gone, or stand still, if this point was named."""
    action = _armed(point)
    if action is not None:
        _act(action)


def calling() -> None:
    """The request is about to be written; `after_request_written` strikes while its reply is awaited."""
    action = _armed("after_request_written")
    if action is not None:
        timer = threading.Timer(WRITTEN_AFTER_S, _act, [action])
        timer.daemon = True
        timer.start()


def _armed(point: str) -> str | None:
    named = os.environ.get("OKXBOT_TEST_FAILPOINT")
    if named is None:
        return None
    if not named.startswith("/"):
        return KILL if named == point else None
    file, fired = Path(named) / point, Path(named) / f"{point}.fired"
    try:
        action = file.read_text()
        file.rename(fired)  # of two that get here at once, one
    except FileNotFoundError:
        return None
    fired.write_text(str(os.getpid()))
    return action


def _act(action: str) -> None:
    if action == STOP:
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    if action == KILL_WORKER:
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
