"""The bot's clock: wall time in demo and live; in paper the market time of the paper exchange.

The paper exchange publishes an anchor (market, wall, speed); at a fixed speed market time is computed from it
and re-read every few seconds. In lockstep it stands still between bars and is asked for each time. When the
exchange does not answer, a scaled anchor holds for 30 s; then, and in lockstep at once, `ClockUnavailable`.
"""

import threading
import weakref
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx

from settings import AnySettings, PaperSettings
from trading.clock import Clock, ClockUnavailable, WallClock, from_ms, wall_ms, wall_now

if TYPE_CHECKING:
    from exchange.client import OkxExchange

REANCHOR_S = 5.0
ANCHOR_HOLDS_S = 30.0
TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class _Anchor:
    market_ms: int
    wall_ms: int
    speed: float
    read_at: float  # monotonic
    lockstep: bool
    ended: bool

    def market_now(self) -> datetime:
        if self.lockstep or self.ended:
            return from_ms(self.market_ms)
        return from_ms(round(self.market_ms + (wall_ms() - self.wall_ms) * self.speed))


def _parse(body: Any) -> _Anchor:
    lockstep = body["speed"] == "lockstep"
    ended = bool(body.get("ended"))
    if lockstep or ended:
        return _Anchor(int(body["market_ms"]), int(body["wall_ms"]), 0.0, monotonic(), lockstep, ended)
    return _Anchor(
        int(body["anchor_market_ms"]),
        int(body["anchor_wall_ms"]),
        float(body["speed"]),
        monotonic(),
        False,
        False,
    )


class PaperClock:
    """Market time of the paper exchange. Thread-safe."""

    def __init__(self, rest_url: str) -> None:
        self._url = rest_url.rstrip("/") + "/paper/clock"
        self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        weakref.finalize(self, self._http.close)  # a clock is handed on and owned by nobody
        self._lock = threading.Lock()
        self._anchor: _Anchor | None = None

    def market_now(self) -> datetime:
        """Market time. Raises ClockUnavailable when it cannot be known."""
        return self._current().market_now()

    def wall_now(self) -> datetime:
        return wall_now()

    @property
    def ended(self) -> bool:
        """Whether the market's candles have run out. Asks the exchange. Raises ClockUnavailable."""
        with self._lock:
            return self._read().ended

    def _current(self) -> _Anchor:
        with self._lock:
            anchor = self._anchor
            if anchor is not None and not anchor.lockstep and monotonic() - anchor.read_at < REANCHOR_S:
                return anchor
            try:
                return self._read()
            except ClockUnavailable:
                if anchor is None or anchor.lockstep or monotonic() - anchor.read_at > ANCHOR_HOLDS_S:
                    raise
                return anchor

    def _read(self) -> _Anchor:
        try:
            response = self._get()
            response.raise_for_status()
            self._anchor = _parse(response.json())
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ClockUnavailable(f"{self._url}: {type(error).__name__}: {error}") from None
        return self._anchor

    def _get(self) -> httpx.Response:
        try:
            return self._http.get(self._url)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            # The server closed a connection that had rested, in the moment it was used again. A read: once more.
            return self._http.get(self._url)


def build_clock(settings: AnySettings) -> Clock:
    """The clock of these settings."""
    return PaperClock(settings.okx_rest_url) if isinstance(settings, PaperSettings) else WallClock()


def measure_skew(exchange: "OkxExchange") -> timedelta:
    """OKX's wall clock minus ours, to about half the round trip. Raises ReadFailed."""
    before = wall_now()
    theirs = exchange.server_time()
    return theirs - (before + (wall_now() - before) / 2)
