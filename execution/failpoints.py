"""Named points at which a test may kill the process, to prove what a crash there leaves behind.

Inert unless the environment names one: OKXBOT_TEST_FAILPOINT=after_claim.
"""

import os
import signal
import threading

POINTS = (
    "before_claim",
    "after_claim",
    "after_request_written",
    "after_reply",
    "before_commit",
    "after_commit",
)
WRITTEN_AFTER_S = 0.3  # by then a request is on the wire; the test has the exchange hold its reply back for longer


def reached(point: str) -> None:
    """Die here, as if the power had gone, if this point was named."""
    if _named(point):
        _die()


def calling() -> None:
    """The request is about to be written; `after_request_written` kills while its reply is awaited."""
    if _named("after_request_written"):
        timer = threading.Timer(WRITTEN_AFTER_S, _die)
        timer.daemon = True
        timer.start()


def _named(point: str) -> bool:
    return os.environ.get("OKXBOT_TEST_FAILPOINT") == point


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
