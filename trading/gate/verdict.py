"""What the gate is given and what it answers."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from trading.decision import Decision
from trading.instrument import Instrument
from trading.playbook.soft_rules import SoftRules
from trading.snapshot import AccountSnapshot, History, MarketSnapshot


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Limits(_Frozen):
    """The hard limits, each under the name of its setting. Percentages are per cent, ages wall seconds.

    `entry_slippage_bps` is how far beyond the quote an entry may fill: everything is judged at that price.
    """

    max_open_positions: int
    max_consecutive_losses: int
    max_trade_margin_pct: Decimal
    max_total_margin_pct: Decimal
    max_leverage: Decimal
    max_stop_distance_pct: Decimal
    min_reward_risk: Decimal
    max_correlation: Decimal
    max_entries_per_hour: int
    reentry_cooldown_min: int
    decision_max_age_s: float
    max_price_drift_bps: Decimal
    max_limit_distance_bps: Decimal
    entry_slippage_bps: Decimal
    daily_loss_halt_pct: Decimal
    drawdown_halt_pct: Decimal
    protection_seen_s: float
    fresh_ticker_s: float
    fresh_candle_s: float
    fresh_book_s: float
    fresh_funding_s: float
    fresh_open_interest_s: float
    fresh_account_s: float


class GateInput(_Frozen):
    """Everything the gate may look at. `live` is the market read fresh at the gate; `decision` rests on `market`."""

    decision: Decision
    decided_at: datetime  # wall
    now: datetime  # wall
    market_now: datetime
    market: MarketSnapshot
    live: MarketSnapshot
    account: AccountSnapshot
    history: History
    instrument: Instrument
    limits: Limits
    entries_allowed: bool | None  # False: halted, not reconciled lately or draining; None: not known
    entries_refused_for: str | None = None  # which of these, in words, where they are not allowed
    protection_seen_at: datetime | None  # wall; when every position was last checked for its stop
    soft: SoftRules | None  # what the playbook allows of this decision; None: not known


class Effect(StrEnum):
    """What a check did."""

    PASS = "pass"
    CUT = "cut"
    REJECT = "reject"
    HOLD = "hold"


class Refusal(StrEnum):
    """Names of the checks, which are also the refusal reasons."""

    ENTRIES_ALLOWED = "entries_allowed"
    PROTECTION = "protection"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    INSTRUMENT_LOCKED = "instrument_locked"
    OPPOSITE_POSITION = "opposite_position"
    OPEN_POSITIONS = "open_positions"
    CONSECUTIVE_LOSSES = "consecutive_losses"
    TRADE_MARGIN = "trade_margin"
    TOTAL_MARGIN = "total_margin"
    LEVERAGE = "leverage"
    STOP_LOSS = "stop_loss"
    STOP_DISTANCE = "stop_distance"
    REWARD_RISK = "reward_risk"
    CORRELATION = "correlation"
    FRESHNESS = "freshness"
    DECISION_AGE = "decision_age"
    PRICE_DRIFT = "price_drift"
    ENTRY_RATE = "entry_rate"
    REENTRY = "reentry"
    EXPECTED_MOVE = "expected_move"
    MODEL_BUDGET = "model_budget"
    PLAYBOOK_HOURS = "playbook_hours"
    PLAYBOOK_SIZE = "playbook_size"
    CONFIDENCE = "confidence"
    SIZE = "size"


class CheckResult(_Frozen):
    """One check: what it saw, what it allows, what it did."""

    name: Refusal
    effect: Effect
    value: str  # as shown to a person, with its unit; "missing" when it was not there
    limit: str
    reason: str = ""
    size_contracts: Decimal | None = None  # after a cut


class Verdict(_Frozen):
    """The gate's answer. `contracts` is zero unless approved; a reason stands for every refusal and cut.

    Of an entry also what it was judged by and is sent with: side, the worst price it may fill at, stop and target, all
    on the tick; None where not known, and for everything that is no entry.
    """

    approved: bool
    effect: Effect
    contracts: Decimal
    leverage: Decimal | None
    margin: Decimal | None
    checks: tuple[CheckResult, ...]
    side: Literal["buy", "sell"] | None = None
    price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None

    @property
    def refused_by(self) -> tuple[Refusal, ...]:
        return tuple(c.name for c in self.checks if c.effect in (Effect.REJECT, Effect.HOLD))

    @property
    def reason(self) -> str:
        """One line for people: the refusals, else the cuts, else 'approved'."""
        refusals = [f"{c.name}: {c.reason}" for c in self.checks if c.effect in (Effect.REJECT, Effect.HOLD)]
        cuts = [f"{c.name}: {c.reason}" for c in self.checks if c.effect is Effect.CUT]
        return "; ".join(refusals or cuts) or "approved"
