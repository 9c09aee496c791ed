"""Market data in OKX's words: tickers, books, candles, trades, funding, open interest."""

from decimal import Decimal
from typing import Any

from paper.engine.depth import depth
from paper.exchange import Exchange
from paper.market.bars import DAY, BarGrid, grid, names_from
from paper.market.derived import FUNDING_CAP, INTEREST_RATE, SETTLEMENT_MS
from paper.market.market import Candle
from paper.numbers import ZERO, text

Row = dict[str, Any]
UTC8_MS = 8 * 3_600_000


class MarketRows:
    """Reads the market as it stands; holds nothing."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def bars(self) -> list[str]:
        """Bar names on offer: those the base bars add up to."""
        return names_from(self._exchange.market.bar_ms)

    def grid(self, name: str) -> BarGrid | None:
        return grid(name) if name in self.bars else None

    def _tick(self, inst_id: str, ticks: int) -> str:
        return text(ticks * self._exchange.market.instruments[inst_id].tick)

    def ticker(self, inst_id: str) -> Row:
        exchange = self._exchange
        market, quote = exchange.market, exchange.engine.state.quotes[inst_id]
        instrument = market.instruments[inst_id]
        opened, high, low, volume, _ = market.day_stats(inst_id)
        last = int(quote.last / instrument.tick)
        state = exchange.engine.state
        # A side that everything was taken from shows its price with nothing to be had.
        ask = next(iter(depth(state, inst_id, "asks", 1)), (quote.ask, ZERO, 0))
        bid = next(iter(depth(state, inst_id, "bids", 1)), (quote.bid, ZERO, 0))
        now = quote.ts
        return {
            "instType": "SWAP", "instId": inst_id, "last": text(quote.last), "lastSz": self._last_size(inst_id),
            "askPx": text(ask[0]), "askSz": text(ask[1]), "bidPx": text(bid[0]), "bidSz": text(bid[1]),
            "open24h": self._tick(inst_id, opened),
            "high24h": self._tick(inst_id, max(high, last)), "low24h": self._tick(inst_id, min(low, last)),
            "volCcy24h": f"{volume:.4f}", "vol24h": f"{volume / float(instrument.ct_val):.2f}",
            "sodUtc0": self._tick(inst_id, market.open_ticks_at(inst_id, now // DAY * DAY)),
            "sodUtc8": self._tick(inst_id, market.open_ticks_at(inst_id, (now + UTC8_MS) // DAY * DAY - UTC8_MS)),
            "ts": str(now),
        }  # fmt: skip

    def index_ticker(self, inst_id: str) -> Row:
        row, quote = self.ticker(inst_id), self._exchange.engine.state.quotes[inst_id]
        keep = ("high24h", "low24h", "open24h", "sodUtc0", "sodUtc8", "ts")
        family = self._exchange.market.instruments[inst_id].family
        return {"instId": family, "idxPx": text(quote.index), **{name: row[name] for name in keep}}

    def book(self, inst_id: str, count: int) -> Row:
        state = self._exchange.engine.state
        sides = {
            side: [[text(px), text(sz), "0", str(orders)] for px, sz, orders in depth(state, inst_id, side, count)]
            for side in ("asks", "bids")
        }
        quote = state.quotes[inst_id]
        return {**sides, "ts": str(quote.ts), "seqId": quote.step}

    def candle(self, inst_id: str, candle: Candle) -> list[str]:
        tick, ct_val = (
            self._exchange.market.instruments[inst_id].tick,
            float(self._exchange.market.instruments[inst_id].ct_val),
        )
        return [
            str(candle.ts), text(candle.open * tick), text(candle.high * tick), text(candle.low * tick),
            text(candle.close * tick), text(Decimal(f"{candle.volume / ct_val:.2f}")),
            text(Decimal(f"{candle.volume:.4f}")), text(Decimal(f"{candle.quote_volume:.4f}")),
            "1" if candle.confirmed else "0",
        ]  # fmt: skip

    def candles(self, inst_id: str, bar: BarGrid, limit: int, after: int | None, before: int | None) -> list[list[str]]:
        found = self._exchange.market.candles(inst_id, bar, limit, after, before)
        return [self.candle(inst_id, candle) for candle in found]

    def derived_candles(
        self, kind: str, inst_id: str, bar: BarGrid, limit: int, after: int | None, before: int | None
    ) -> list[list[str]]:
        """Six-field candles of the `mark` or `index` price."""
        market = self._exchange.market
        found = market.candles(inst_id, bar, limit, after, before)
        rows = [self.candle(inst_id, market.derived_candle(kind, inst_id, candle)) for candle in found]
        return [[*row[:5], row[8]] for row in rows]

    def _last_size(self, inst_id: str) -> str:
        quote = self._exchange.engine.state.quotes[inst_id]
        return text(Decimal(1 + (quote.step * 37 + int(quote.last)) % 400) / 100)

    def trades(self, inst_id: str, limit: int, after: int | None = None, before: int | None = None) -> list[Row]:
        """One public trade per step, newest first, with a trade id below `after` and above `before`."""
        newest = self._exchange.market.played - 1
        first = newest if after is None else min(newest, after - 1)
        last = 0 if before is None else max(0, before)
        return [self.trade(inst_id, step) for step in range(first, max(last, first - limit), -1)]

    def trade(self, inst_id: str, step: int) -> Row:
        """The public trade of a step; its id is the step's number."""
        market = self._exchange.market
        instrument = market.instruments[inst_id]
        last, before = market.last_ticks(inst_id, step), market.last_ticks(inst_id, max(0, step - 1))
        size = text(Decimal(1 + (step * 37 + int(last * instrument.tick)) % 400) / 100)
        return {
            "instId": inst_id, "tradeId": str(step), "px": self._tick(inst_id, last), "sz": size,
            "side": "buy" if last >= before else "sell", "source": "0", "ts": str(market.step_end_ms(step)),
        }  # fmt: skip

    def mark_price(self, inst_id: str) -> Row:
        quote = self._exchange.engine.state.quotes[inst_id]
        return {"instType": "SWAP", "instId": inst_id, "markPx": text(quote.mark), "ts": str(quote.ts)}

    def price_limit(self, inst_id: str) -> Row:
        state = self._exchange.engine.state
        high, low = state.price_limits(inst_id)
        return {
            "instType": "SWAP", "instId": inst_id, "buyLmt": text(high), "sellLmt": text(low),
            "ts": str(state.quotes[inst_id].ts), "enabled": True,
        }  # fmt: skip

    def open_interest(self, inst_id: str) -> Row:
        market, quote = self._exchange.market, self._exchange.engine.state.quotes[inst_id]
        contracts = market.open_interest(inst_id)
        coins = market.instruments[inst_id].coins(contracts)
        return {
            "instType": "SWAP", "instId": inst_id, "oi": text(contracts), "oiCcy": text(coins),
            "oiUsd": text(coins * quote.mark), "ts": str(quote.ts),
        }  # fmt: skip

    def funding(self, inst_id: str) -> Row:
        market, quote = self._exchange.market, self._exchange.engine.state.quotes[inst_id]
        due = market.next_settlement_ms()
        settled = due - SETTLEMENT_MS
        return {
            "instType": "SWAP", "instId": inst_id, "method": "current_period", "formulaType": "withRate",
            "fundingRate": text(market.funding_rate(inst_id, due)), "nextFundingRate": "", "fundingTime": str(due),
            "nextFundingTime": str(due + SETTLEMENT_MS), "minFundingRate": text(-FUNDING_CAP),
            "maxFundingRate": text(FUNDING_CAP), "interestRate": text(INTEREST_RATE), "impactValue": "20000",
            "settState": "settled", "settFundingRate": text(market.funding_rate(inst_id, settled)),
            "premium": text((quote.last / quote.index - 1).quantize(Decimal("1E-10"))), "ts": str(quote.ts),
        }  # fmt: skip

    def funding_history(self, inst_id: str, limit: int, after: int | None, before: int | None) -> list[Row]:
        market = self._exchange.market
        until = market.now_ms if after is None else min(market.now_ms, after - 1)
        rows = []
        for time in market.settlements_before(until, limit):
            if before is not None and time <= before:
                break
            rate = text(market.funding_rate(inst_id, time))
            rows.append(
                {
                    "instType": "SWAP", "instId": inst_id, "formulaType": "withRate", "fundingRate": rate,
                    "realizedRate": rate, "fundingTime": str(time), "method": "current_period",
                }
            )  # fmt: skip
        return rows
