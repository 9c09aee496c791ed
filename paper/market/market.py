"""The market as played so far: a cursor over steps, and everything that can be read off at that point.

Time is counted in steps; `played` steps have happened. Step s ends at `step_end_ms(s)`, and the market's time,
as far as prices go, is the end of the last step played.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from paper.engine.quote import Quote
from paper.errors import StartRefused
from paper.market.bars import DAY, HOUR, BarGrid
from paper.market.derived import SETTLEMENT_MS, Derived
from paper.market.path import paths, steps_for
from paper.market.source import Source

FIVE_MINUTES_MS = 300_000
BLOCK_BARS = 288


@dataclass(frozen=True, slots=True)
class Candle:
    """A bar at any time scale: prices in ticks, volume in base coin and in quote currency."""

    ts: int
    open: int
    high: int
    low: int
    close: int
    volume: float
    quote_volume: float
    confirmed: bool


class Market:
    """Prices of all listed instruments up to a cursor that only moves forward.

    `live` markets cannot be played again: whoever keeps a journal keeps their quotes in it.
    """

    live = False

    def __init__(self, source: Source, seed: int, warmup_bars: int) -> None:
        self.source = source
        self.instruments = source.instruments
        self.bar_ms = source.bar_ms
        self.steps = steps_for(source.bar_ms)
        self.t0_ms = source.t0_ms
        self._seed = seed
        self._derived = {inst_id: Derived(seed, inst_id) for inst_id in self.instruments}
        self._paths: dict[tuple[str, int], NDArray[np.int32]] = {}
        self._tickers: dict[str, tuple[int, tuple[int, int, int, float, float]]] = {}
        first_bar = warmup_bars * FIVE_MINUTES_MS // self.bar_ms
        available = source.ensure(first_bar + 1)
        if first_bar < 1 or available <= first_bar:
            raise StartRefused(
                f"--warmup-bars {warmup_bars}: {first_bar} bars of {self.bar_ms // 60000} min are needed as history "
                f"and at least one to play, the market has {available}"
            )
        self.start_played = self.played = first_bar * self.steps

    # --- time -----------------------------------------------------------------------------------------------

    def step_end_ms(self, step: int) -> int:
        """When step number `step` ends."""
        bar, inside = divmod(step, self.steps)
        return self.t0_ms + bar * self.bar_ms + (inside + 1) * self.bar_ms // self.steps

    def step_at(self, market_ms: int) -> int:
        """The first step that ends at `market_ms` or later."""
        bar, inside = divmod(market_ms - self.t0_ms, self.bar_ms)
        step = bar * self.steps + -(-inside * self.steps // self.bar_ms) - 1
        while self.step_end_ms(step) < market_ms:
            step += 1
        return step

    @property
    def now_ms(self) -> int:
        """End of the last step played."""
        return self.step_end_ms(self.played - 1)

    @property
    def has_next(self) -> bool:
        bar = self.played // self.steps
        return bar < self.source.ensure(bar + 1)

    def advance(self) -> bool:
        """Move to the next step; False when there is none yet."""
        self.played += 1
        return True

    @property
    def stale(self) -> bool:
        """Whether the prices are too old to trade on."""
        return False

    def stop(self) -> None:
        """End whatever the market keeps running."""

    @property
    def closes_bar(self) -> bool:
        """The last step played closed a base bar."""
        return self.played % self.steps == 0

    # --- prices ---------------------------------------------------------------------------------------------

    def last_ticks(self, inst_id: str, step: int) -> int:
        """Last price in ticks after `step`."""
        bar, inside = divmod(step, self.steps)
        return int(self._block(inst_id, bar)[bar % BLOCK_BARS, inside])

    def quote(self, inst_id: str) -> Quote:
        """The quote after the last step played."""
        step = self.played - 1
        instrument = self.instruments[inst_id]
        bar, inside = divmod(step, self.steps)
        walk = self._block(inst_id, bar)[bar % BLOCK_BARS]
        last = int(walk[inside])
        before = int(walk[inside - 1]) if inside else self.last_ticks(inst_id, step - 1)
        now = self.step_end_ms(step)
        spread = max(1, round(last * 1e-5))
        bid, ask = (last - spread, last) if last >= before else (last, last + spread)
        derived, tick = self._derived[inst_id], instrument.tick
        return Quote(
            now, last * tick, max(1, bid) * tick, ask * tick,
            derived.mark(last, now) * tick, derived.index(last, now) * tick, step,
        )  # fmt: skip

    def _block(self, inst_id: str, bar: int) -> NDArray[np.int32]:
        number = bar // BLOCK_BARS
        block = self._paths.get((inst_id, number))
        if block is None:
            first = number * BLOCK_BARS
            self.source.ensure(first + BLOCK_BARS)
            series = self.source.series(inst_id)
            last = min(len(series), first + BLOCK_BARS)
            block = paths(series, first, last, self.steps, self._seed, inst_id)
            for stale in [key for key in self._paths if key[0] == inst_id and key[1] < number - 1]:
                del self._paths[stale]
            self._paths[(inst_id, number)] = block
        return block

    # --- candles --------------------------------------------------------------------------------------------

    def candles(
        self, inst_id: str, grid: BarGrid, limit: int, after: int | None = None, before: int | None = None
    ) -> list[Candle]:
        """Bars newest first, opening before `after` and after `before` (both exclusive), at most `limit`."""
        newest = grid.open_of(self.now_ms - 1)
        if after is not None:
            newest = min(newest, grid.open_of(after - 1))
        first = grid.open_of(self.t0_ms)
        if first < self.t0_ms:
            first = grid.from_open(first, 1)
        oldest = max(first, grid.from_open(newest, 1 - limit))
        if before is not None:
            oldest = max(oldest, grid.from_open(grid.open_of(before), 1))
        if newest < oldest:
            return []
        return self._aggregate(inst_id, grid, oldest, newest)[::-1]

    def _aggregate(self, inst_id: str, grid: BarGrid, oldest: int, newest: int) -> list[Candle]:
        following = grid.from_open(newest, 1)
        series, bar_ms = self.source.series(inst_id), self.bar_ms
        closed, part = divmod(self.played, self.steps)
        low = (oldest - self.t0_ms) // bar_ms
        high = min(closed, (following - self.t0_ms) // bar_ms)
        opens = np.array(grid.opens(oldest, newest))
        found: list[Candle] = []
        if high > low:
            starts = (opens - self.t0_ms) // bar_ms - low
            starts = starts[starts < high - low]
            window = slice(low, high)
            tick = float(self.instruments[inst_id].tick)
            volume = series.volume[window]
            middle = (series.high[window].astype(np.float64) + series.low[window] + series.close[window]) / 3 * tick
            ends = np.append(starts[1:], high - low) - 1
            columns = zip(
                opens[: len(starts)].tolist(),
                series.open[window][starts].tolist(),
                np.maximum.reduceat(series.high[window], starts).tolist(),
                np.minimum.reduceat(series.low[window], starts).tolist(),
                series.close[window][ends].tolist(),
                np.add.reduceat(volume, starts).tolist(),
                np.add.reduceat(volume * middle, starts).tolist(),
                strict=True,
            )
            now = self.now_ms
            found = [
                Candle(ts, o, h, low_, c, volume_, quote_volume, ts < newest or following <= now)
                for ts, o, h, low_, c, volume_, quote_volume in columns
            ]
        if part and (newest - self.t0_ms) // bar_ms <= closed < (following - self.t0_ms) // bar_ms:
            self._add_part(inst_id, found, newest, closed, part)
        return found

    def _add_part(self, inst_id: str, found: list[Candle], newest: int, bar: int, part: int) -> None:
        """Fold the base bar being played into the newest candle."""
        walk = self._block(inst_id, bar)[bar % BLOCK_BARS, :part]
        volume = float(self.source.series(inst_id).volume[bar]) * part / self.steps
        close = int(walk[-1])
        quote_volume = volume * close * float(self.instruments[inst_id].tick)
        high, low = int(walk.max()), int(walk.min())
        if found and found[-1].ts == newest:
            was = found.pop()
            found.append(
                Candle(
                    newest,
                    was.open,
                    max(was.high, high),
                    min(was.low, low),
                    close,
                    was.volume + volume,
                    was.quote_volume + quote_volume,
                    False,
                )
            )
        else:
            found.append(Candle(newest, int(walk[0]), high, low, close, volume, quote_volume, False))

    def day_stats(self, inst_id: str) -> tuple[int, int, int, float, float]:
        """Open, high, low (ticks), base volume and quote volume of the last 24 hours of closed base bars."""
        closed = self.played // self.steps
        cached = self._tickers.get(inst_id)
        if cached is not None and cached[0] == closed:
            return cached[1]
        series = self.source.series(inst_id)
        window = slice(max(0, closed - DAY // self.bar_ms), closed)
        tick = float(self.instruments[inst_id].tick)
        volume = series.volume[window]
        stats = (
            int(series.open[window][0]), int(series.high[window].max()), int(series.low[window].min()),
            float(volume.sum()), float((volume * series.close[window]).sum() * tick),
        )  # fmt: skip
        self._tickers[inst_id] = (closed, stats)
        return stats

    def open_ticks_at(self, inst_id: str, market_ms: int) -> int:
        """Open of the base bar that contains `market_ms`, or of the oldest one known."""
        bar = max(0, (market_ms - self.t0_ms) // self.bar_ms)
        bar = min(bar, self.played // self.steps - 1)
        return int(self.source.series(inst_id).open[bar])

    # --- derived channels -----------------------------------------------------------------------------------

    def next_settlement_ms(self) -> int:
        """The first funding time after now."""
        return (self.now_ms // SETTLEMENT_MS + 1) * SETTLEMENT_MS

    def funding_rate(self, inst_id: str, settlement_ms: int) -> Decimal:
        """Rate of a settlement. Before it is due, the estimate as prices stand now."""
        series = self.source.series(inst_id)
        until = min(settlement_ms, self.now_ms)
        end = max(0, min(self.played // self.steps, (until - self.t0_ms) // self.bar_ms) - 1)
        start = max(0, (settlement_ms - SETTLEMENT_MS - self.t0_ms) // self.bar_ms)
        move = float(series.close[end]) / float(series.open[min(start, end)]) - 1
        return self._derived[inst_id].funding_rate(settlement_ms, move)

    def settlements(self, before_ms: int, now_ms: int) -> list[tuple[str, Decimal]]:
        """Funding due after `before_ms` and up to `now_ms`: instrument and rate."""
        if now_ms // SETTLEMENT_MS == before_ms // SETTLEMENT_MS:
            return []
        return [(inst_id, self.funding_rate(inst_id, now_ms)) for inst_id in self.instruments]

    def settlements_before(self, market_ms: int, count: int) -> list[int]:
        """Funding times up to `market_ms`, newest first, within the market's history."""
        newest = market_ms // SETTLEMENT_MS * SETTLEMENT_MS
        times = range(newest, self.t0_ms + SETTLEMENT_MS - 1, -SETTLEMENT_MS)
        return list(times[:count])

    def open_interest(self, inst_id: str) -> Decimal:
        """Contracts open on the whole exchange: half a day's volume, give or take a wave."""
        _, _, _, volume, _ = self.day_stats(inst_id)
        instrument = self.instruments[inst_id]
        hour = self.now_ms // HOUR * HOUR
        level = float(instrument.depth_usd) * 20000 / float(instrument.start_price) / float(instrument.ct_val)
        contracts = level * self._derived[inst_id].open_interest_factor(self.now_ms) * (1 + (hour % 7) * 1e-4)
        return Decimal(round(contracts + volume * 0.001)) if volume else Decimal(round(contracts))

    def derived_candle(self, kind: str, inst_id: str, candle: Candle) -> Candle:
        """The bar of the `mark` or `index` price that goes with a bar of last prices.

        Its high and low are those of the four prices it is made of, so that it is a bar in its own right.
        """
        derived = self._derived[inst_id]
        price = derived.mark if kind == "mark" else derived.index
        o, h, low, c = (price(ticks, candle.ts) for ticks in (candle.open, candle.high, candle.low, candle.close))
        return Candle(candle.ts, o, max(o, h, low, c), min(o, h, low, c), c, 0.0, 0.0, candle.confirmed)
