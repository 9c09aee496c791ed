"""supervisord's log files on a disk that may be full.

supervisord answers a log line it cannot write with a traceback on its standard error; that file lies on the same disk,
and the second failure ends the supervisor, the whole bot with it. Contract: while nothing can be written, lines are
dropped; when there is space again they are written as before. Any other trouble is handled as supervisord does.
"""

import sys
from contextlib import suppress

from supervisor import loggers


class PatientFileHandler(loggers.RotatingFileHandler):  # type: ignore[misc]
    def emit(self, record: loggers.LogRecord) -> None:
        # Rotating closes one file and opens another outside of supervisord's own handling of errors.
        with suppress(OSError):
            if self.stream.closed:
                self.reopen()
            super().emit(record)

    def handleError(self) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError()


def install() -> None:
    """From now on every log file supervisord opens is a patient one. It has no setting for it."""
    loggers.RotatingFileHandler = PatientFileHandler
