"""python-okx, subclassed once: base URL, demo flag, one deadline per call, `expTime`, no debug, shared
connections.

`_request` is the single place where a request leaves. It returns an `Envelope` or raises `TransportFailure`;
it never retries. python-okx's own `_request` ignores the HTTP status and can log keys, so it is not used.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from okx import utils
from okx.Account import AccountAPI
from okx.MarketData import MarketAPI
from okx.okxclient import OkxClient
from okx.PublicData import PublicAPI
from okx.Trade import TradeAPI

from exchange.credentials import Credentials
from exchange.deadline import DeadlineTransport, deadline
from trading.clock import to_ms, wall_now

Row = dict[str, Any]

SIGNED_FOR = timedelta(seconds=30)  # OKX refuses a request whose timestamp is older (50102)


@dataclass(frozen=True, slots=True)
class Envelope:
    """OKX's answer: HTTP status, `code`, `msg` and the `data` array (candles are arrays of arrays)."""

    status: int
    code: str
    message: str
    data: list[Any]


class TransportFailure(Exception):
    """No OKX answer. `word` names why; `sent` is False only if provably nothing was written."""

    def __init__(self, word: str, detail: str, *, sent: bool) -> None:
        super().__init__(f"{word}: {detail}")
        self.word = word
        self.detail = detail
        self.sent = sent


# No byte of the request can have left: the connection never came up.
_NOT_SENT: tuple[tuple[type[httpx.HTTPError], str], ...] = (
    (httpx.ConnectError, "connect_failed"),
    (httpx.ConnectTimeout, "connect_timeout"),
    (httpx.PoolTimeout, "pool_timeout"),
)


def _failure(error: httpx.HTTPError) -> TransportFailure:
    for kind, word in _NOT_SENT:
        if isinstance(error, kind):
            return TransportFailure(word, str(error), sent=False)
    word = "timeout" if isinstance(error, httpx.TimeoutException) else "connection_lost"
    return TransportFailure(word, str(error) or type(error).__name__, sent=True)


def _envelope(response: httpx.Response) -> Envelope:
    try:
        body = json.loads(response.content)
    except ValueError:
        raise TransportFailure(f"http_{response.status_code}", "the answer is not JSON", sent=True) from None
    if not isinstance(body, dict) or "code" not in body:
        raise TransportFailure(f"http_{response.status_code}", "the answer is not an OKX envelope", sent=True)
    data = body.get("data")
    return Envelope(
        response.status_code,
        str(body["code"]),
        str(body.get("msg") or ""),
        data if isinstance(data, list) else [],
    )


class _CallOptions(threading.local):
    exp_time: datetime | None = None
    signed_at: datetime | None = None


class _Bounded(OkxClient):  # type: ignore[misc]  # python-okx has no types
    """What our four API classes share. Takes the place of OkxClient's constructor and of its `_request`."""

    def __init__(
        self,
        credentials: Credentials | None,
        base_url: str,
        flag: str,
        timeout_s: float,
        transport: httpx.BaseTransport,
    ) -> None:
        httpx.Client.__init__(self, base_url=base_url, transport=transport, timeout=timeout_s)
        self.API_KEY = credentials.api_key if credentials else "-1"
        self.API_SECRET_KEY = credentials.secret_key if credentials else "-1"
        self.PASSPHRASE = credentials.passphrase if credentials else "-1"
        self.use_server_time = False
        self.flag = flag
        self.domain = base_url
        self.debug = False
        self.timeout_s = timeout_s
        self.options = _CallOptions()

    def _request(self, method: str, request_path: str, params: Any) -> Envelope:
        if method == "GET":
            request_path += utils.parse_params_to_str(params)
        body = json.dumps(params) if method == "POST" else ""
        stamp = (self.options.signed_at or wall_now()).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if self.API_KEY == "-1":
            headers = utils.get_header_no_sign(self.flag, False)
        else:
            sign = utils.sign(utils.pre_hash(stamp, method, request_path, body, False), self.API_SECRET_KEY)
            headers = utils.get_header(self.API_KEY, sign, stamp, self.PASSPHRASE, self.flag, False)
        if self.options.exp_time is not None:
            headers["expTime"] = str(to_ms(self.options.exp_time))
        try:
            with deadline(self.timeout_s):
                response = self.request(method, request_path, content=body or None, headers=headers)
        except httpx.HTTPError as error:
            raise _failure(error) from None  # the chained request object would carry the signed headers
        return _envelope(response)


class _Trade(_Bounded, TradeAPI):  # type: ignore[misc]
    pass


class _Account(_Bounded, AccountAPI):  # type: ignore[misc]
    pass


class _Market(_Bounded, MarketAPI):  # type: ignore[misc]
    pass


class _Public(_Bounded, PublicAPI):  # type: ignore[misc]
    pass


class OkxTransport:
    """python-okx's four API classes over one connection pool. `flag`: "0" live, "1" demo. Thread-safe."""

    def __init__(self, credentials: Credentials | None, base_url: str, *, flag: str, timeout_s: float) -> None:
        self._http = DeadlineTransport()
        common = (credentials, base_url.rstrip("/"), flag, timeout_s, self._http)
        self.trade = _Trade(*common)
        self.account = _Account(*common)
        self.market = _Market(*common)
        self.public = _Public(*common)

    @contextmanager
    def expiring(self, at: datetime | None, signed_at: datetime | None = None) -> Iterator[None]:
        """Trading calls of this thread inside the block carry `expTime`, and are signed as of `signed_at` (None: now).

        OKX discards them after the one, and `SIGNED_FOR` after the other, by its own clock (wall).
        """
        self.trade.options.exp_time, self.trade.options.signed_at = at, signed_at
        try:
            yield
        finally:
            self.trade.options.exp_time = self.trade.options.signed_at = None

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


Call = Callable[[], Envelope]
