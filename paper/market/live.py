"""OKX's own prices as the market: orders fill against them, with this exchange's depth around OKX's best prices.

Market time is OKX's: the newest ticker says how late it is, and a minute closes when OKX has closed it. What
happened is not repeatable, so the exchange journals the quotes it used (`recorded`). History is kept in minutes.
"""

from bisect import bisect_right
from decimal import Decimal
from time import monotonic

import numpy as np

from paper.engine.quote import Quote
from paper.instruments import CATALOGUE, Instrument
from paper.market.market import Candle, Market
from paper.market.okx_feed import MINUTE_MS, OkxFeed
from paper.market.okx_feed import Candle as Row
from paper.market.series import Series

STALE_S = 15.0
KEPT_STEPS = 5000
DEPTH_USD = Decimal(20_000)
MAINTENANCE = Decimal("0.0065")


class OkxSource:
    """Minute bars read from OKX: the history at the start, and what has closed since."""

    kind = "okx"
    bar_ms = MINUTE_MS
    synthesised: tuple[str, ...] = ("book beyond the best prices", "mark and index candles", "public trades")

    def __init__(self, feed: OkxFeed, minutes: int) -> None:
        self.feed = feed
        rows = {inst_id: feed.history(inst_id, minutes) for inst_id in feed.seen}
        feed.load_prices()
        listed = {row["instId"]: row for row in feed.get("public/instruments", instType="SWAP")}
        self.instruments = {
            inst_id: _terms(listed[inst_id], Decimal(feed.seen[inst_id].ticker["last"])) for inst_id in feed.seen
        }
        # Between two reads a minute may have closed: begin where all have a history.
        self.t0_ms = max(int(each[0][0]) for each in rows.values())
        self._series: dict[str, Series] = {}
        for inst_id, each in rows.items():
            kept = [row for row in each if int(row[0]) >= self.t0_ms]
            self._series[inst_id] = _series(kept, self.instruments[inst_id])
            feed.seen[inst_id].next_ms = int(kept[-1][0]) + MINUTE_MS

    def ensure(self, bars: int) -> int:
        return self.closed + 1

    def series(self, inst_id: str) -> Series:
        return self._series[inst_id]

    @property
    def closed(self) -> int:
        """Minutes that have closed for every instrument."""
        return min(len(series) for series in self._series.values())

    def collect(self) -> None:
        """Take over what the feed has seen close."""
        for inst_id, series in self._series.items():
            waiting = self.feed.seen[inst_id].closed
            rows = [waiting.popleft() for _ in range(len(waiting))]
            if rows:
                series.extend(_series(rows, self.instruments[inst_id]))


def _terms(row: dict[str, str], last: Decimal) -> Instrument:
    known = CATALOGUE.get(row["instId"])
    return Instrument(
        row["instId"], Decimal(row["ctVal"]), Decimal(row["tickSz"]), int(row["instIdCode"]),
        Decimal(row["maxMktSz"]), Decimal(row["lever"]), known.mmr if known else MAINTENANCE, last,
        known.depth_usd if known else DEPTH_USD, Decimal(row["lotSz"]), Decimal(row["minSz"]),
        Decimal(row["maxLmtSz"]), int(row["listTime"]),
    )  # fmt: skip


def _series(rows: list[Row], instrument: Instrument) -> Series:
    table = np.array([[float(cell) for cell in row[1:7]] for row in rows])
    o, h, low, c = (np.rint(table[:, column] / float(instrument.tick)).astype(np.int32) for column in range(4))
    return Series(o, h, low, c, table[:, 5].copy())


class LiveMarket(Market):
    """A market whose steps, half a second each, follow OKX."""

    live = True
    source: OkxSource

    def __init__(self, source: OkxSource, seed: int) -> None:
        super().__init__(source, seed, source.closed // 5)
        self.steps = 120
        self._feed = source.feed
        self.start_played = self.played = source.closed * self.steps
        self._prices = {inst_id: self._feed.price(inst_id) for inst_id in self.instruments}
        self._lasts: dict[str, tuple[list[int], list[int]]] = {inst_id: ([], []) for inst_id in self.instruments}
        self._settled = {inst_id: self._funding_ms(inst_id) for inst_id in self.instruments}
        self._rates = {
            inst_id: Decimal(self._feed.seen[inst_id].funding["fundingRate"]) for inst_id in self.instruments
        }
        self._history = {
            inst_id: [
                (int(row["fundingTime"]), Decimal(row["realizedRate"] or row["fundingRate"]))
                for row in self._feed.get("public/funding-rate-history", instId=inst_id, limit=100)
            ]
            for inst_id in self.instruments
        }
        self._feed.start()

    def stop(self) -> None:
        self._feed.stop()

    @property
    def stale(self) -> bool:
        """Whether OKX has been silent for so long that nothing may trade on its last prices."""
        return monotonic() - self._feed.last_message > STALE_S

    @property
    def has_next(self) -> bool:
        return True

    # --- steps ----------------------------------------------------------------------------------------------

    def advance(self) -> bool:
        """To the newest step OKX's time allows, but never past the end of a minute without stopping there."""
        self.source.collect()
        newest = max(int(seen.ticker["ts"]) for seen in self._feed.seen.values())
        due = (newest - self.t0_ms) * self.steps // self.bar_ms
        closed = self.source.closed * self.steps
        boundary = (self.played // self.steps + 1) * self.steps
        target = boundary if closed >= boundary else min(due, boundary - 1)
        if target <= self.played:
            return False
        self.played = target
        for inst_id in self.instruments:
            self._prices[inst_id] = self._feed.price(inst_id)
            steps, lasts = self._lasts[inst_id]
            steps.append(target)
            lasts.append(int(self._prices[inst_id][0] / self.instruments[inst_id].tick))
            if len(steps) > 2 * KEPT_STEPS:
                del steps[:KEPT_STEPS], lasts[:KEPT_STEPS]
        return True

    def quote(self, inst_id: str) -> Quote:
        return Quote(self.now_ms, *self._prices[inst_id], self.played)

    def last_ticks(self, inst_id: str, step: int) -> int:
        steps, lasts = self._lasts[inst_id]
        at = bisect_right(steps, step + 1) - 1
        if at >= 0:
            return lasts[at]
        series = self.source.series(inst_id)
        return int(series.close[min(step // self.steps, len(series) - 1)])

    def _add_part(self, inst_id: str, found: list[Candle], newest: int, bar: int, part: int) -> None:
        """Fold the minute under way, as OKX shows it, into the newest candle."""
        tick, opened = self.instruments[inst_id].tick, self.t0_ms + bar * self.bar_ms
        row = self._feed.seen[inst_id].running
        if row and int(row[0]) == opened:
            o, h, low, c = (int(Decimal(cell) / tick) for cell in row[1:5])
            volume, quote_volume = float(row[6]), float(row[7])
        else:
            o = h = low = c = int(self._prices[inst_id][0] / tick)
            volume = quote_volume = 0.0
        if found and found[-1].ts == newest:
            was = found.pop()
            o, h, low = was.open, max(was.high, h), min(was.low, low)
            volume, quote_volume = was.volume + volume, was.quote_volume + quote_volume
        found.append(Candle(newest, o, h, low, c, volume, quote_volume, False))

    # --- funding and open interest --------------------------------------------------------------------------

    def _funding_ms(self, inst_id: str) -> int:
        return int(self._feed.seen[inst_id].funding["fundingTime"])

    def _funding_rate(self, inst_id: str) -> Decimal:
        return Decimal(self._feed.seen[inst_id].funding["fundingRate"])

    def settlements(self, before_ms: int, now_ms: int) -> list[tuple[str, Decimal]]:
        """Funding that has come due: once OKX's time has passed it, at the last rate shown before."""
        due = []
        for inst_id in self.instruments:
            if now_ms >= self._settled[inst_id]:
                due.append((inst_id, self._rates[inst_id]))
                self._history[inst_id].insert(0, (self._settled[inst_id], self._rates[inst_id]))
                following = int(self._feed.seen[inst_id].funding.get("nextFundingTime") or 0)
                shown = self._funding_ms(inst_id)
                self._settled[inst_id] = max(shown, following, self._settled[inst_id] + 1) if shown <= now_ms else shown
            if self._funding_ms(inst_id) == self._settled[inst_id]:
                self._rates[inst_id] = self._funding_rate(inst_id)
        return due

    def next_settlement_ms(self) -> int:
        return min(self._settled.values())

    def funding_rate(self, inst_id: str, settlement_ms: int) -> Decimal:
        for stamp, rate in self._history[inst_id]:
            if stamp == settlement_ms:
                return rate
        return self._rates[inst_id]

    def settlements_before(self, market_ms: int, count: int) -> list[int]:
        stamps = [stamp for stamp, _ in next(iter(self._history.values())) if stamp <= market_ms]
        return stamps[:count]

    def open_interest(self, inst_id: str) -> Decimal:
        return Decimal(self._feed.seen[inst_id].open_interest or 0)
