"""The market of one instrument as text: quotes, funding, costs, then each timeframe from slow to fast."""

from brain.prompts.figures import UNKNOWN, distance, moment, percent, price, significant
from trading.candle import BAR_SECONDS
from trading.snapshot import FrameIndicators, MarketSnapshot


def render_market(market: MarketSnapshot) -> str:
    """All that is known of the instrument at this slot."""
    funding = None if market.funding_rate is None else market.funding_rate * 100
    lines = [
        f"{market.inst_id} at {moment(market.slot)}, regime by rule: {market.regime}",
        f"Last {price(market.last)}, bid {price(market.bid)}, ask {price(market.ask)}, mark {price(market.mark)} USDT",
        f"Change in 1 h {percent(market.change_1h_pct)}",
        f"Funding rate {percent(funding, 4)}, next at {moment(market.next_funding_at)}",
        f"Open interest {price(market.open_interest_contracts)} contracts of {price(market.ct_val)} coin",
        _costs(market),
    ]
    if market.correlations:
        pairs = ", ".join(f"{inst} {value:+.2f}" for inst, value in sorted(market.correlations.items()))
        lines.append(f"Correlation of 5m returns: {pairs}")
    for bar in sorted(market.frames, key=lambda name: -BAR_SECONDS.get(name, 0)):
        lines += ["", *_frame(market.frames[bar])]
    return "\n".join(lines)


def _costs(market: MarketSnapshot) -> str:
    fee = market.taker_fee_rate
    if fee is None:
        return f"Fees {UNKNOWN}: the break-even move is {UNKNOWN}"
    return f"Taker fee {price(fee * 100)} % each way: a position must move {price(fee * 200)} % to break even"


def _frame(frame: FrameIndicators) -> list[str]:
    close, atr = frame.close, frame.atr14
    atr_pct = None if atr is None or not close else atr / close * 100
    over_mean = None if atr is None or not frame.atr14_mean20 else atr / frame.atr14_mean20
    averages = ", ".join(
        f"EMA{length} {significant(value)} (close {distance(close, value, atr)})"
        for length, value in ((20, frame.ema20), (50, frame.ema50), (200, frame.ema200))
    )
    return [
        f"## {frame.bar}, last closed bar opened {moment(frame.ts)}, {frame.bars} bars",
        f"close {significant(close)}, before {significant(frame.previous_close)}; "
        f"volume {significant(frame.volume_ratio, 3)} x its 20-bar mean; OBV {significant(frame.obv)}",
        f"RSI14 {significant(frame.rsi14, 3)}; StochRSI K {significant(frame.stochrsi_k, 3)} "
        f"D {significant(frame.stochrsi_d, 3)}; ADX14 {significant(frame.adx14, 3)}",
        f"MACD {significant(frame.macd, 4)}, signal {significant(frame.macd_signal, 4)}, histogram "
        f"{significant(frame.macd_hist, 4)} (before {significant(frame.macd_hist_previous, 4)})",
        f"{averages}; EMA20 slope over 5 bars {percent(frame.ema20_slope_pct)}",
        f"Bollinger {significant(frame.bb_lower)} / {significant(frame.bb_middle)} / {significant(frame.bb_upper)}; "
        f"20-bar range {significant(frame.lowest20)} to {significant(frame.highest20)}; VWAP {significant(frame.vwap)}",
        f"ATR14 {significant(atr, 4)} ({percent(atr_pct)} of price, {significant(over_mean, 3)} x its 20-bar mean)",
    ]
