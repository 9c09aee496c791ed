"""The deadline is hard, and what is abandoned before it was sent is never sent."""

from threading import Event
from time import monotonic

import pytest

from brain.deadline import Abandoned, Connection, DeadlinePassed, within


class Client:
    """Remembers being closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_a_result_in_time_is_the_result_and_nothing_is_closed() -> None:
    connection, client = Connection(), Client()
    connection.adopt(client)
    assert within(5, lambda: 7, connection.abandon) == 7
    assert not client.closed


def test_at_the_deadline_the_client_is_closed() -> None:
    connection, client, end = Connection(), Client(), Event()
    connection.adopt(client)
    started = monotonic()
    with pytest.raises(DeadlinePassed):
        within(0.1, lambda: end.wait(5), connection.abandon)
    end.set()
    assert client.closed
    assert monotonic() - started < 1


def test_a_client_ready_after_the_deadline_is_not_used() -> None:
    connection, go, refused = Connection(), Event(), Event()

    def work() -> None:
        go.wait(5)  # as if the SDK were still being imported
        try:
            connection.adopt(Client())
        except Abandoned:
            refused.set()

    with pytest.raises(DeadlinePassed):
        within(0.05, work, connection.abandon)
    go.set()
    assert refused.wait(5)


@pytest.mark.parametrize("error", [ValueError("x"), TimeoutError("its own"), KeyboardInterrupt()])
def test_an_error_of_the_call_is_raised_as_it_is(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        within(5, fail, lambda: pytest.fail("abandoned"))
    assert raised.value is error
