"""An entry the gate approves without a cut, and a way to change one thing about it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from trading.decision import Action, Decision, Regime
from trading.gate.verdict import GateInput, Limits
from trading.instrument import Instrument
from trading.playbook import SoftRules
from trading.snapshot import AccountSnapshot, EntryIntentView, History, MarketSnapshot, PositionView

D = Decimal
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"

INSTRUMENT = Instrument(
    inst_id=BTC,
    ct_val=D("0.01"),
    lot_sz=D("0.01"),
    min_sz=D("0.01"),
    tick_sz=D("0.1"),
    max_lmt_sz=D("100000000"),
    max_mkt_sz=D("12000"),
    max_leverage=D("100"),
)
LIMITS = Limits(
    max_open_positions=3,
    max_consecutive_losses=3,
    max_trade_margin_pct=D(5),
    max_total_margin_pct=D(15),
    max_leverage=D(3),
    max_stop_distance_pct=D(3),
    min_reward_risk=D("1.5"),
    max_correlation=D("0.8"),
    max_entries_per_hour=3,
    reentry_cooldown_min=15,
    decision_max_age_s=60,
    max_price_drift_bps=D(30),
    max_limit_distance_bps=D(100),
    entry_slippage_bps=D(15),
    daily_loss_halt_pct=D(3),
    drawdown_halt_pct=D(10),
    protection_seen_s=30,
    fresh_ticker_s=10,
    fresh_candle_s=30,
    fresh_book_s=10,
    fresh_funding_s=180,
    fresh_open_interest_s=60,
    fresh_account_s=15,
)


def _position(inst_id: str = ETH, contracts: str = "1", margin: str = "300") -> PositionView:
    return PositionView(
        inst_id=inst_id,
        contracts=D(contracts),
        avg_px=D(50000),
        mark_px=D(50000),
        upl=D(0),
        margin=D(margin),
        leverage=D(3),
    )


def _intent(inst_id: str = SOL, side: str = "buy", margin: str = "300") -> EntryIntentView:
    return EntryIntentView(inst_id=inst_id, side=side, margin=D(margin), state="submitting")


def _good() -> GateInput:
    market = MarketSnapshot(
        inst_id=BTC,
        slot=NOW,
        taken_at=NOW,
        market_at=NOW,
        last=D(50000),
        bid=D("49999.9"),
        ask=D("50000.1"),
        mark=D(50000),
        funding_rate=D("0.0001"),
        next_funding_at=NOW + timedelta(hours=4),
        open_interest_contracts=D(1000000),
        ages_s={"ticker": 1, "candle": 1, "book": 1, "funding": 1, "open_interest": 1},
        correlations={ETH: 0.5, SOL: 0.5},
        ct_val=D("0.01"),
        taker_fee_rate=D("0.0005"),
    )
    return GateInput(
        decision=Decision(
            action=Action.OPEN_LONG,
            inst_id=BTC,
            size_pct=D(4),
            stop_loss=D(49500),
            take_profit=D(51500),
            confidence=D("0.5"),
            regime=Regime.RANGING,
        ),
        decided_at=NOW,
        now=NOW,
        market_now=NOW,
        market=market,
        live=market,
        account=AccountSnapshot(
            taken_at=NOW,
            equity=D(10000),
            available=D(9000),
            day_baseline=D(10000),
            baseline_day=NOW.date(),
            peak_equity=D(10500),
            leverage={BTC: D(3)},
            positions=(),
            open_intents=(),
            locked_instruments=(),
        ),
        history=History(
            consecutive_losses=0,
            entries_last_hour=0,
            last_exit_at={},
            model_spend_today_usd=D(0),
            model_budget_usd=D(10),
        ),
        instrument=INSTRUMENT,
        limits=LIMITS,
        entries_allowed=True,
        protection_seen_at=NOW,
        soft=SoftRules(
            playbook_version=1,
            strategy="momentum",
            regime=Regime.RANGING,
            directions=("long", "short"),
            size_pct=D(10),
            sizing="momentum in ranging",
            barred=None,
            confidence=D("0.5"),
            basis="stated 0.5",
            floor=D("0.35"),
            full_size=D("0.4"),
        ),
    )


def _changed(model: BaseModel, changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` by dotted path (`account.equity`); validation is not repeated, as the values are of the right type."""
    own: dict[str, Any] = {}
    deeper: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        head, _, rest = path.partition(".")
        if rest:
            deeper.setdefault(head, {})[rest] = value
        else:
            own[head] = value
    for head, inner in deeper.items():
        part = own.get(head, getattr(model, head))
        own[head] = part.model_copy(update=_changed(part, inner))
    return own


@pytest.fixture(scope="session")
def given_entry() -> Callable[..., GateInput]:
    """`given_entry({"account.equity": None, …})`: the good entry with these fields changed."""

    def build(changes: dict[str, Any] | None = None) -> GateInput:
        good = _good()
        return good.model_copy(update=_changed(good, changes or {}))

    return build


@pytest.fixture(scope="session")
def position() -> Callable[..., PositionView]:
    """A position in ETH unless told otherwise; contracts signed, margin in USDT."""
    return _position


@pytest.fixture(scope="session")
def intent() -> Callable[..., EntryIntentView]:
    """An entry in SOL that may still take effect, unless told otherwise."""
    return _intent
