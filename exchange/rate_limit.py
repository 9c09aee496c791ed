"""A budget of requests: so many within so many seconds, waited for rather than refused. Thread-safe."""

import threading
from collections import deque
from time import monotonic


class RateLimit:
    """At most `requests` in any `seconds`."""

    def __init__(self, requests: int, seconds: float) -> None:
        self._requests = requests
        self._seconds = seconds
        self._sent: deque[float] = deque()
        self._lock = threading.Lock()

    def wait_s(self) -> float:
        """Take the next place and say how long to wait for it."""
        with self._lock:
            now = monotonic()
            at = now if len(self._sent) < self._requests else max(now, self._sent[-self._requests] + self._seconds)
            self._sent.append(at)
            if len(self._sent) > self._requests:
                self._sent.popleft()
            return at - now
