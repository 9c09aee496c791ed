"""The market of one instrument as text, in three parts by how often they change: standing, hourly, present.

Nothing in the first two changes before their candle closes (4H and 1H), so that the API's cache can hold them. Within
a part the timeframes go from slow to fast. How the figures are to be read is explained in the system prompts.
"""

from collections.abc import Iterable

from brain.prompts.figures import UNKNOWN, distance, moment, percent, price, significant, times
from trading.candle import BAR_SECONDS
from trading.snapshot import FrameIndicators, MarketSnapshot

HOUR_S, FOUR_HOURS_S = 3600, 4 * 3600
QUARTER_S = 900
# From so many bars on every indicator has what it needs.
WHOLE = 500


def standing(market: MarketSnapshot) -> str:
    """What changes every four hours at most: costs, the next release, the day's pivots, 4H."""
    bars = [bar for bar in market.frames if BAR_SECONDS[bar] >= FOUR_HOURS_S]
    return "\n".join([_costs(market), _calendar(market), _pivots(market), *_frames(market, bars)])


def hourly(market: MarketSnapshot) -> str:
    """What changes every hour: 1H."""
    bars = [bar for bar in market.frames if HOUR_S <= BAR_SECONDS[bar] < FOUR_HOURS_S]
    return "\n".join(_frames(market, bars)).strip() or f"1H {UNKNOWN}"


def present(market: MarketSnapshot) -> str:
    """What changes with every cycle: quotes, funding, where the day's volume lies, 15m and 5m."""
    bars = [bar for bar in market.frames if BAR_SECONDS[bar] < HOUR_S]
    return "\n".join([*_quotes(market), _profile(market), *_frames(market, bars)])


def render_market(market: MarketSnapshot) -> str:
    """Quotes and indicators in one piece, for the screener: without levels and calendar, which are for deciding."""
    frames = _frames(market, market.frames, levels=False)
    return "\n".join([*_quotes(market), _costs(market), *frames])


def _quotes(market: MarketSnapshot) -> list[str]:
    funding = None if market.funding_rate is None else market.funding_rate * 100
    lines = [
        f"{market.inst_id} at {moment(market.slot)}, regime by rule: {market.regime}",
        f"Last {price(market.last)}, bid {price(market.bid)}, ask {price(market.ask)}, mark {price(market.mark)} USDT; "
        f"1 h {percent(market.change_1h_pct)}",
        f"Funding {percent(funding, 4)}, next {moment(market.next_funding_at)}; "
        f"open interest {price(market.open_interest_contracts)} contracts of {price(market.ct_val)} coin",
    ]
    if market.correlations:
        pairs = ", ".join(f"{inst} {value:+.2f}" for inst, value in sorted(market.correlations.items()))
        lines.append(f"Correlation of 5m returns: {pairs}")
    return lines


def _costs(market: MarketSnapshot) -> str:
    fee = market.taker_fee_rate
    if fee is None:
        return f"Fees {UNKNOWN}: the break-even move is {UNKNOWN}"
    return f"Taker fee {price(fee * 100)} % each way: a position must move {price(fee * 200)} % to break even"


def _pivots(market: MarketSnapshot) -> str:
    pivots = market.pivots
    if pivots is None:
        return f"Pivots of the last day {UNKNOWN}"
    levels = " / ".join(significant(each) for each in (pivots.s2, pivots.s1, pivots.pivot, pivots.r1, pivots.r2))
    return f"Pivots of the last day {levels}"


def _profile(market: MarketSnapshot) -> str:
    profile = market.volume_profile
    if profile is None:
        return f"Volume profile of 24 h {UNKNOWN}"
    low, high = significant(profile.value_area_low), significant(profile.value_area_high)
    return f"Volume profile of 24 h: most at {significant(profile.point_of_control)}, value area {low} to {high}"


def _calendar(market: MarketSnapshot) -> str:
    seen = market.calendar
    if seen is None or seen.next_event is None:
        return f"Next release {UNKNOWN}" + (f": {seen.problem}" if seen is not None and seen.problem else "")
    event = seen.next_event
    guessed = ", date not confirmed" if event.expected else ""
    return f"Next release {event.name} at {moment(event.at)}{guessed}"


def _frames(market: MarketSnapshot, bars: Iterable[str], *, levels: bool = True) -> list[str]:
    lines: list[str] = []
    for bar in sorted(bars, key=lambda name: -BAR_SECONDS[name]):
        lines += ["", *_frame(market.frames[bar])]
        if levels and BAR_SECONDS[bar] >= HOUR_S:
            lines.append(_ichimoku(market.frames[bar]))
        if levels and BAR_SECONDS[bar] >= QUARTER_S:
            lines.append(_levels(market.frames[bar]))
    return lines


def _frame(frame: FrameIndicators) -> list[str]:
    close, atr = frame.close, frame.atr14
    atr_pct = None if atr is None or not close else atr / close * 100
    over_mean = None if atr is None or not frame.atr14_mean20 else atr / frame.atr14_mean20
    averages = ", ".join(
        f"EMA{length} {significant(value)} ({distance(close, value, atr)})"
        for length, value in ((20, frame.ema20), (50, frame.ema50), (200, frame.ema200))
    )
    return [
        f"## {frame.bar}, bar of {frame.ts:%d, %H:%M}" + (f", {frame.bars} bars" if frame.bars < WHOLE else ""),
        f"close {significant(close)} (before {significant(frame.previous_close)}); "
        f"volume {times(frame.volume_ratio)}; OBV {significant(frame.obv)}",
        f"RSI14 {significant(frame.rsi14, 3)}; StochRSI {significant(frame.stochrsi_k, 3)} / "
        f"{significant(frame.stochrsi_d, 3)}; ADX14 {significant(frame.adx14, 3)}; MACD {significant(frame.macd, 4)} / "
        f"{significant(frame.macd_signal, 4)} / {significant(frame.macd_hist, 4)} "
        f"({significant(frame.macd_hist_previous, 4)})",
        f"{averages}; slope {percent(frame.ema20_slope_pct)}",
        f"Bollinger {significant(frame.bb_lower)} / {significant(frame.bb_middle)} / {significant(frame.bb_upper)}; "
        f"range {significant(frame.lowest20)} to {significant(frame.highest20)}; VWAP {significant(frame.vwap)}",
        f"ATR14 {significant(atr, 4)} ({percent(atr_pct)}, {times(over_mean)})",
    ]


def _ichimoku(frame: FrameIndicators) -> str:
    lines = " / ".join(significant(each) for each in (frame.ichimoku_conversion, frame.ichimoku_base))
    cloud = _span(frame.ichimoku_cloud_a, frame.ichimoku_cloud_b)
    ahead = _span(frame.ichimoku_lead_a, frame.ichimoku_lead_b)
    lagging = distance(frame.close, frame.ichimoku_lagging_against)
    return f"Ichimoku {lines}; cloud {cloud}, ahead {ahead}; lagging {lagging}"


def _span(a: float | None, b: float | None) -> str:
    return UNKNOWN if a is None or b is None else f"{significant(a)} to {significant(b)}"


def _levels(frame: FrameIndicators) -> str:
    def listed(levels: tuple[float, ...]) -> str:
        return ", ".join(significant(each) for each in levels) or "none"

    return f"Support {listed(frame.supports)}; resistance {listed(frame.resistances)}"
