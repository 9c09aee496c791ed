"""Redis clients with the project's timeouts. A blocking read must block for less than SOCKET_TIMEOUT_S.

redis-py repeats any command ten times by default, which applies an increment or a push twice when a reply is
lost. Here nothing is repeated unless the caller says that all its commands are idempotent.
"""

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

SOCKET_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
RETRIES = 3


def build_redis(url: str, *, idempotent: bool = False, patience_s: float | None = None) -> Redis:
    """A client of the database in `url`, answers as bytes.

    `idempotent`: commands may be repeated three times. `patience_s`: give up after so many seconds, for a face that
    must not wait.
    """
    backoff = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), RETRIES) if idempotent else Retry(NoBackoff(), 0)
    return Redis.from_url(
        url,
        socket_timeout=patience_s or SOCKET_TIMEOUT_S,
        socket_connect_timeout=patience_s or CONNECT_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=25,
        retry=backoff,
    )
