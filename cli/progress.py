"""Progress lines of `up` and `down`: with a spinner on a terminal, plain everywhere else.

Contract: a terminal that went away (the window was closed) never stops what is being done.
"""

import time

from rich.console import Console
from rich.status import Status


class Progress:
    def __init__(self, doing: str) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._status: Status | None = None
        if self._console.is_terminal:
            self._status = self._console.status(doing)
            self._status.start()

    def say(self, line: str) -> None:
        """One line, with the seconds since the start."""
        try:
            self._console.print(f"{time.monotonic() - self._began:6.1f} s  {line}", markup=False)
        except OSError:
            self.quiet()

    def quiet(self) -> None:
        """End the spinner; lines may still be said."""
        status, self._status = self._status, None
        if status is not None:
            try:
                status.stop()
            except OSError:
                return
