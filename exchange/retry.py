"""Reads are repeated, up to three times with growing, jittered waits; only on codes and failures worth it."""

import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from exchange.errors import ReadFailed
from exchange.transport import Call, Envelope, TransportFailure

logger = structlog.get_logger()

TRIES = 3
RETRYABLE_READS = frozenset({
    "50001", "50004", "50005", "50011", "50013", "50026", "50040", "50061", "51054", "51113", "51149",
})  # fmt: skip


class _Again(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _once(what: str, call: Call) -> Envelope:
    try:
        answer = call()
    except TransportFailure as failure:
        raise _Again(failure.word, str(failure)) from None
    if answer.code == "0" and answer.status < 400:
        return answer
    if answer.code in RETRYABLE_READS or answer.status >= 500:
        raise _Again(answer.code, f"{answer.code} {answer.message}")
    raise ReadFailed(f"{what}: {answer.code} {answer.message}", answer.code)


def read(what: str, call: Call) -> Envelope:
    """The answer of a successful read. Raises ReadFailed naming `what` and the last reason."""

    def log(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.warning("read_retried", what=what, attempt=state.attempt_number, reason=str(error))

    retrying = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential_jitter(multiplier=0.1, max=1.0, jitter=0.1),
        retry=retry_if_exception_type(_Again),
        before_sleep=log,
        reraise=True,
    )
    try:
        return retrying(_once, what, call)
    except _Again as last:
        raise ReadFailed(f"{what}: {last}", last.code) from None
