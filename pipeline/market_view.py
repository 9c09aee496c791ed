"""The market as seen at one moment: what the feed last wrote to Redis, turned into a snapshot.

Nothing is filled in: a channel that never spoke has no age and no value, and the gate refuses on it.
"""

from datetime import datetime, timedelta

from redis.exceptions import RedisError

from pipeline.context import PipelineContext
from settings import PaperSettings
from trading.candle import BAR_SECONDS
from trading.candle_series import CandleSeries
from trading.clock import slot_close, to_ms
from trading.correlation import return_correlation
from trading.indicators import frame_indicators
from trading.price_levels import daily_pivots
from trading.regime import regime_of
from trading.snapshot import MarketSnapshot
from trading.volume_profile import volume_profile

BARS = ("5m", "15m", "1H", "4H")
DEPTH = {"5m": 700, "15m": 700, "1H": 700, "4H": 700}
CORRELATION_BAR = "5m"
CORRELATION_BARS = 289
RECENT_BARS = 3  # a missed bar is read anew within half a minute, which is less than the shortest bar lasts


class MarketUnavailable(RuntimeError):
    """The market cache cannot be read, or does not hold the deciding candle."""


def full_snapshot(ctx: PipelineContext, inst_id: str, slot: datetime) -> MarketSnapshot:
    """Everything about one instrument as of `slot`; longer candles that are late are named, not waited for.

    Raises MarketUnavailable if the deciding candle is not there.
    """
    try:
        deciding = ctx.settings.decision_bar
        others = [other for other in ctx.settings.instruments if other != inst_id]
        wanted = {(inst_id, bar): DEPTH.get(bar, 2) for bar in (*BARS, deciding)}
        wanted |= {(other, CORRELATION_BAR): CORRELATION_BARS for other in others}
        found = ctx.cache.series_of(wanted)
        series = {bar: found[inst_id, bar] for bar in (*BARS, deciding)}
        if not len(series[deciding]) or series[deciding].ts[-1] < _last_open_ms(deciding, slot):
            raise MarketUnavailable(f"the {deciding} candle closing {slot:%H:%M} has not arrived")
        base = live_market(ctx, inst_id, slot)
    except RedisError as error:
        raise MarketUnavailable(f"Redis does not answer ({type(error).__name__})") from error
    closed = {bar: _until(series[bar], slot) for bar in BARS}
    frames = {bar: frame_indicators(run) for bar, run in closed.items() if len(run)}
    own = _tail(series[CORRELATION_BAR], CORRELATION_BARS)
    correlations = {other: return_correlation(own, found[other, CORRELATION_BAR]) for other in others}
    return base.model_copy(
        update={
            "frames": frames,
            "late_bars": tuple(bar for bar, run in series.items() if _lacks_recent(run, slot)),
            "regime": regime_of(frames.get("4H")),
            "change_1h_pct": closed["5m"].change_pct(12),
            "volume_profile": volume_profile(closed["5m"]),
            "pivots": daily_pivots(closed["1H"]),
            # Of 5m returns over a day; those that cannot be known are left out.
            "correlations": {other: value for other, value in correlations.items() if value is not None},
        }
    )


def live_market(ctx: PipelineContext, inst_id: str, slot: datetime) -> MarketSnapshot:
    """Prices, funding and ages only: what the gate checks freshness and drift against. Raises MarketUnavailable."""
    now, market_now = ctx.execution.clock.wall_now(), ctx.execution.clock.market_now()
    try:
        reading = ctx.cache.reading(inst_id, now, market_now, _speed(ctx))
    except RedisError as error:
        raise MarketUnavailable(f"Redis does not answer ({type(error).__name__})") from error
    present, instrument = reading.present, ctx.instruments.get(inst_id)
    return MarketSnapshot(
        inst_id=inst_id,
        slot=slot,
        taken_at=now,
        market_at=market_now,
        last=present.last,
        bid=present.bid,
        ask=present.ask,
        mark=present.mark,
        funding_rate=present.funding_rate,
        next_funding_at=present.next_funding_at,
        open_interest_contracts=present.open_interest_contracts,
        ages_s=reading.ages,
        spoken_at=reading.spoken_at,
        calendar=reading.calendar,
        ct_val=instrument.ct_val if instrument else None,
        taker_fee_rate=ctx.taker_fee_rates.get(inst_id),
        entry_slippage_bps=ctx.limits.entry_slippage_bps,
    )


def _speed(ctx: PipelineContext) -> float | None:
    """How fast market time runs against the wall; None where it stands between bars."""
    if not isinstance(ctx.settings, PaperSettings):
        return 1.0
    return None if ctx.settings.paper_speed == "lockstep" else ctx.settings.paper_speed


def _last_close(bar: str, slot: datetime) -> datetime:
    return slot_close(slot, BAR_SECONDS[bar])


def _last_open_ms(bar: str, slot: datetime) -> int:
    return to_ms(_last_close(bar, slot) - timedelta(seconds=BAR_SECONDS[bar]))


def _lacks_recent(series: CandleSeries, slot: datetime) -> bool:
    """Whether one of the newest bars due by `slot` is missing; a series that holds none is no series, not a late one.

    Older holes do not count: the feed has asked for those bars, and the exchange does not have them.
    """
    step, newest = BAR_SECONDS[series.bar] * 1000, _last_open_ms(series.bar, slot)
    held = series.ts[-2 * RECENT_BARS :].tolist()
    due = range(newest, newest - RECENT_BARS * step, -step)
    return bool(held) and any(ts not in held for ts in due if ts >= series.ts[0])


def _until(series: CandleSeries, slot: datetime) -> CandleSeries:
    """Only bars closed at or before `slot`, so that a late stage decides on the same candles as an early one."""
    last_open = to_ms(slot - timedelta(seconds=BAR_SECONDS[series.bar]))
    keep = series.ts <= last_open
    if keep.all():
        return series
    return CandleSeries(
        series.bar,
        series.ts[keep],
        series.open[keep],
        series.high[keep],
        series.low[keep],
        series.close[keep],
        series.volume[keep],
    )


def _tail(series: CandleSeries, bars: int) -> CandleSeries:
    return CandleSeries(
        series.bar,
        series.ts[-bars:],
        series.open[-bars:],
        series.high[-bars:],
        series.low[-bars:],
        series.close[-bars:],
        series.volume[-bars:],
    )
