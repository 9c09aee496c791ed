"""A seeded synthetic market of one-minute bars: regimes, clustered volatility, jumps, correlated instruments.

Every instrument's return is `beta` times a common factor plus its own factor. A factor moves through regimes
(trend up, trend down, range, volatile) that last a few hours; its volatility follows a slow log-AR(1) with
fat-tailed innovations and rare jumps; log prices are pulled weakly towards where they began, so that long runs
stay plausible. An instrument's path depends on the seed and its own name only, not on which others are listed.

Floats are used while generating; prices leave as whole ticks.
"""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from paper.instruments import Instrument
from paper.market.series import Series

MINUTE_MS = 60_000
DAY_MINUTES = 1440
WEEK_MS = 7 * 86_400_000
EPOCH_MS = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp() * 1000)
SIGMA_MINUTE = 0.00062
PULL_PER_MINUTE = 0.00002

_SHAPES: dict[str, tuple[float, float, float]] = {
    # base: beta to the common factor, weight of the own factor, base coin traded per minute
    "BTC": (1.0, 0.35, 40.0),
    "ETH": (1.2, 0.60, 600.0),
    "SOL": (1.4, 0.95, 6000.0),
    "XRP": (1.2, 0.9, 900000.0),
    "DOGE": (1.4, 1.0, 6000000.0),
}


def market_start_ms(seed: int) -> int:
    """When market time begins for a seed: a Monday, 00:00 UTC."""
    return EPOCH_MS + (seed % 52) * WEEK_MS


@dataclass
class Regime:
    """One stretch of a factor's behaviour; drift is per minute."""

    minutes_left: int
    drift: float
    vol: float
    reverting: bool


class Factor:
    """A random walk with regimes. Yields one day of minute returns at a time."""

    def __init__(self, seed: int, name: str) -> None:
        self._rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        self._log_vol = 0.0
        self._level = 0.0
        self._away = 0.0
        self._regime = self._draw()

    def _draw(self) -> Regime:
        rng = self._rng
        minutes = int(np.clip(rng.lognormal(5.1, 0.55), 60, 600))
        kind = rng.choice(4, p=[0.28, 0.28, 0.32, 0.12])
        if kind == 0 or kind == 1:
            per_hour = rng.uniform(0.003, 0.0075) * (1 if kind == 0 else -1)
            return Regime(minutes, per_hour / 60, 0.85, False)
        if kind == 2:
            return Regime(minutes, 0.0, 1.1, True)
        return Regime(minutes, 0.0, 2.0, False)

    def day(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns and volatility (both per minute, as fractions) of the next 1440 minutes."""
        rng = self._rng
        shocks = (rng.standard_t(5, DAY_MINUTES) / np.sqrt(5 / 3)).tolist()
        vol_shocks = (rng.standard_normal(DAY_MINUTES) * 0.07).tolist()
        jump_at = rng.random(DAY_MINUTES) < 1 / 900
        jumps = np.where(jump_at, rng.uniform(0.003, 0.010, DAY_MINUTES) * rng.choice([-1, 1], DAY_MINUTES), 0.0)
        returns = np.empty(DAY_MINUTES)
        vols = np.empty(DAY_MINUTES)
        for minute, jump in enumerate(jumps.tolist()):
            regime = self._regime
            if regime.minutes_left <= 0:
                regime = self._regime = self._draw()
                self._away = 0.0
            regime.minutes_left -= 1
            self._log_vol = 0.994 * self._log_vol + vol_shocks[minute] + (1.0 if jump else 0.0)
            sigma = SIGMA_MINUTE * regime.vol * min(4.0, 2.718281828 ** (self._log_vol * 0.6))
            move = regime.drift + sigma * shocks[minute] + jump - PULL_PER_MINUTE * self._level
            if regime.reverting:
                move -= self._away / 40
            self._away += move
            self._level += move
            returns[minute] = move
            vols[minute] = sigma
        return returns, vols


class SyntheticSource:
    """Endless minute bars. `ensure` generates whole days, always in the same order."""

    kind = "synthetic"
    synthesised: tuple[str, ...] = ("candles", "book", "trades", "mark", "index", "funding", "open_interest")
    bar_ms = MINUTE_MS

    def __init__(self, instruments: dict[str, Instrument], seed: int, warmup_minutes: int, start_ms: int = 0) -> None:
        self.instruments = instruments
        self.t0_ms = (start_ms or market_start_ms(seed)) - warmup_minutes * MINUTE_MS
        self._common = Factor(seed, "common")
        self._own = {inst_id: Factor(seed, inst_id) for inst_id in instruments}
        self._wicks = {
            inst_id: np.random.default_rng([seed, 7, zlib.crc32(inst_id.encode())]) for inst_id in instruments
        }
        self._log_price = {inst_id: float(np.log(float(i.start_price))) for inst_id, i in instruments.items()}
        self._series = {inst_id: Series() for inst_id in instruments}
        self._bars = 0

    def ensure(self, bars: int) -> int:
        while self._bars < bars:
            common_returns, common_vols = self._common.day()
            for inst_id in self.instruments:
                self._series[inst_id].extend(self._bars_of(inst_id, common_returns, common_vols))
            self._bars += DAY_MINUTES
        return self._bars

    def series(self, inst_id: str) -> Series:
        return self._series[inst_id]

    def _bars_of(self, inst_id: str, common: NDArray[np.float64], common_vol: NDArray[np.float64]) -> Series:
        instrument = self.instruments[inst_id]
        beta, weight, per_minute = _SHAPES[instrument.base]
        own, own_vol = self._own[inst_id].day()
        returns = beta * common + weight * own
        sigma = np.sqrt((beta * common_vol) ** 2 + (weight * own_vol) ** 2)
        rng = self._wicks[inst_id]
        log_close = self._log_price[inst_id] + np.cumsum(returns)
        log_open = np.concatenate([[self._log_price[inst_id]], log_close[:-1]])
        self._log_price[inst_id] = float(log_close[-1])
        up = np.abs(rng.standard_normal(DAY_MINUTES)) * sigma * 0.5
        down = np.abs(rng.standard_normal(DAY_MINUTES)) * sigma * 0.5
        tick = float(instrument.tick)

        def ticks(logs: NDArray[np.float64]) -> NDArray[np.int32]:
            return np.maximum(1, np.rint(np.exp(logs) / tick)).astype(np.int32)

        opens, closes = ticks(log_open), ticks(log_close)
        highs = np.maximum(ticks(np.maximum(log_open, log_close) + up), np.maximum(opens, closes))
        lows = np.minimum(ticks(np.minimum(log_open, log_close) - down), np.minimum(opens, closes))
        busy = 1 + 2 * np.abs(returns) / np.maximum(sigma, 1e-9)
        volume = np.round(per_minute * busy * np.exp(0.5 * rng.standard_normal(DAY_MINUTES)), 2)
        return Series(opens, highs, lows, closes, volume)
