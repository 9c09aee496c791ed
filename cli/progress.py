"""Progress lines of `up` and `down`: with a spinner on a terminal, plain everywhere else.

Contract: a terminal that went away (the window was closed) never stops what is being done. While the status view has
the whole screen, lines wait until it gives it back.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

_KEPT = 100  # lines, while the view has the screen


class Progress:
    def __init__(self, doing: str) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._waiting: deque[str] | None = None
        self._status: Status | None = None
        if self._console.is_terminal:
            self._status = self._console.status(doing)
            self._status.start()

    def say(self, line: str) -> None:
        """One line, with the seconds since the start."""
        text = f"{time.monotonic() - self._began:6.1f} s  {line}"
        if self._waiting is not None:
            self._waiting.append(text)
            return
        self._print(text)

    @contextmanager
    def screen_taken(self) -> Iterator[None]:
        """While the view draws on the terminal; without a terminal nothing changes."""
        if self._console.is_terminal:
            self._waiting = deque(maxlen=_KEPT)
        try:
            yield
        finally:
            waited, self._waiting = self._waiting, None
            for text in waited or ():
                self._print(text)

    def quiet(self) -> None:
        """End the spinner; lines may still be said."""
        status, self._status = self._status, None
        if status is not None:
            try:
                status.stop()
            except OSError:
                return

    def _print(self, text: str) -> None:
        try:
            self._console.print(text, markup=False)
        except OSError:
            self.quiet()
