"""One hard deadline around a blocking call.

An SDK's timeout is per socket operation: an answer that drips in outlives it without end. So the call runs in a
thread of its own, and at the deadline it is abandoned and its connections are closed.
"""

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from threading import Lock, Thread
from typing import Protocol, TypeVar

T = TypeVar("T")


class Closable(Protocol):
    """A client whose connections can be closed."""

    def close(self) -> None: ...


class Abandoned(Exception):
    """The deadline passed before there was anything to close: send nothing."""


class Connection:
    """The client of one request, to be closed from another thread at the deadline."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._client: Closable | None = None
        self._abandoned = False

    def adopt(self, client: Closable) -> None:
        """Name the client before the first byte is sent. Raises Abandoned when it is too late to send."""
        with self._lock:
            if self._abandoned:
                raise Abandoned
            self._client = client

    def abandon(self) -> None:
        """Close the client, or prevent it from being used at all."""
        with self._lock:
            self._abandoned = True
            client = self._client
        if client is not None:
            client.close()


class DeadlinePassed(Exception):
    """The call was abandoned; what it did on the other side is not known."""


def within(seconds: float, work: Callable[[], T], abandon: Callable[[], None]) -> T:
    """Result of `work`, or its exception. Raises DeadlinePassed after `seconds`, having called `abandon`."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to the waiting caller, who raises it
            future.set_exception(error)

    Thread(target=run, name="model-call", daemon=True).start()
    try:
        return future.result(timeout=max(0.0, seconds))
    except FutureTimeout:
        if future.done():
            raise  # the work's own
        abandon()
        raise DeadlinePassed(f"no answer within {seconds:.1f} s") from None
