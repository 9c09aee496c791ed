"""What an analyst and the gate see of the market and the account at one moment. Stored with the cycle, replayable.

A field that could not be obtained is None and stays None: nobody fills it with a guess.
"""

from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from trading.decision import Invalidation, Regime
from trading.economic_calendar import CalendarView


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FrameIndicators(_Frozen):
    """Indicators of one timeframe on closed candles; None while warming up. Plain floats: they are not money."""

    bar: str
    ts: datetime  # open of the last closed bar
    bars: int  # how many closed bars they rest on
    close: float
    previous_close: float | None = None
    rsi14: float | None = None
    macd: float | None = None
    macd_signal: float | None = None
    macd_hist: float | None = None
    macd_hist_previous: float | None = None
    bb_upper: float | None = None
    bb_middle: float | None = None
    bb_lower: float | None = None
    ema20: float | None = None
    ema50: float | None = None
    ema200: float | None = None
    ema20_slope_pct: float | None = None  # change of EMA20 over 5 bars, per cent
    atr14: float | None = None
    atr14_mean20: float | None = None
    vwap: float | None = None
    adx14: float | None = None
    stochrsi_k: float | None = None
    stochrsi_d: float | None = None
    obv: float | None = None
    highest20: float | None = None  # highest high of the 20 bars before the last closed one
    lowest20: float | None = None
    volume_ratio: float | None = None  # last closed bar's volume over its 20-bar mean
    ichimoku_conversion: float | None = None
    ichimoku_base: float | None = None
    ichimoku_cloud_a: float | None = None  # the cloud at the last closed bar
    ichimoku_cloud_b: float | None = None
    ichimoku_lead_a: float | None = None  # the cloud 26 bars ahead
    ichimoku_lead_b: float | None = None
    ichimoku_lagging_against: float | None = None  # the close the lagging span (the last close) is compared with
    supports: tuple[float, ...] = ()  # fractal levels under the close, nearest first
    resistances: tuple[float, ...] = ()  # and over it


class VolumeProfile(_Frozen):
    """Where the volume of the last 24 hours was traded. Prices USDT; volume in coins."""

    point_of_control: float
    value_area_low: float
    value_area_high: float
    volume: float


class PivotLevels(_Frozen):
    """Floor pivots of the previous UTC day, USDT."""

    pivot: float
    r1: float
    r2: float
    s1: float
    s2: float


class MarketSnapshot(_Frozen):
    """One instrument at one slot. Prices USDT; ages in wall seconds since the channel last spoke."""

    inst_id: str
    slot: datetime
    taken_at: datetime  # wall
    market_at: datetime
    last: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    mark: Decimal | None = None
    funding_rate: Decimal | None = None
    next_funding_at: datetime | None = None
    open_interest_contracts: Decimal | None = None
    change_1h_pct: float | None = None
    ages_s: dict[str, float] = Field(default_factory=dict)  # channel → age
    spoken_at: dict[str, datetime] = Field(default_factory=dict)  # channel → the exchange's own time of its last word
    frames: dict[str, FrameIndicators] = Field(default_factory=dict)  # bar → indicators
    late_bars: tuple[str, ...] = ()  # bars that lack one of the newest candles due by the slot: nothing new is decided
    regime: Regime = Regime.UNKNOWN
    volume_profile: VolumeProfile | None = None
    pivots: PivotLevels | None = None
    calendar: CalendarView | None = None  # None: no calendar was read
    correlations: dict[str, float] = Field(default_factory=dict)  # other instrument → correlation of 5m returns
    ct_val: Decimal | None = None
    taker_fee_rate: Decimal | None = None  # positive: share of notional paid
    entry_slippage_bps: Decimal | None = None  # how far beyond the quote an entry may fill


class PositionPlan(_Frozen):
    """Why a position exists: the decision that opened it, shown again every cycle."""

    cycle_id: int
    strategy: str
    entry: Decimal
    stop_loss: Decimal
    take_profit: Decimal | None
    confidence: Decimal
    opened_at: datetime
    invalidation: Invalidation | None = None
    reasoning: str = ""


class PositionView(_Frozen):
    """An open position. `contracts` signed, positive long; `margin` in USDT."""

    inst_id: str
    contracts: Decimal
    avg_px: Decimal
    mark_px: Decimal
    upl: Decimal
    margin: Decimal
    leverage: Decimal
    stop_px: Decimal | None = None
    target_px: Decimal | None = None
    plan: PositionPlan | None = None


class EntryIntentView(_Frozen):
    """An entry that may still have an effect: counted against every limit."""

    inst_id: str
    side: str
    margin: Decimal
    state: str


class AccountSnapshot(_Frozen):
    """The account, read fresh from the exchange. None means not known: the gate refuses."""

    taken_at: datetime  # wall
    equity: Decimal | None
    available: Decimal | None
    # What equity is compared with, the same transfers included in it.
    day_baseline: Decimal | None = None
    baseline_day: date | None = None  # UTC day of market time the baseline belongs to
    peak_equity: Decimal | None = None
    leverage: dict[str, Decimal] = Field(default_factory=dict)  # instrument → leverage verified on the exchange
    positions: tuple[PositionView, ...] | None = None
    open_intents: tuple[EntryIntentView, ...] | None = None
    locked_instruments: tuple[str, ...] | None = None

    def position(self, inst_id: str) -> PositionView | None:
        """The open position in `inst_id`, if any. Raises ValueError when positions are not known."""
        if self.positions is None:
            raise ValueError("positions unknown")
        return next((p for p in self.positions if p.inst_id == inst_id and p.contracts != 0), None)


class History(_Frozen):
    """What the gate needs of the past, in market time. None means not known."""

    consecutive_losses: int | None
    cooldown_until: datetime | None = None
    entries_last_hour: int | None = None
    last_exit_at: dict[str, datetime] | None = None
    model_spend_today_usd: Decimal | None = None
    model_budget_usd: Decimal | None = None
