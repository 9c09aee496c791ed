"""A snapshot, an account and a stored cycle for the analysts; the APIs they call are local servers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete

from brain.analyst import DecisionRequest, RecentTrade
from models import Account, DecisionCycle, LlmCall, ResearchEntry, ScreenerLog
from models.session import SessionFactory, build_engine, build_sessions
from settings import AnySettings, load_settings
from standins.anthropic_api import AnthropicStandin
from tests.databases import Databases
from trading.clock import WallClock, wall_now
from trading.decision import Invalidation, Regime
from trading.economic_calendar import CalendarView, EconomicEvent
from trading.playbook import Lesson, Playbook, RegimeRule, StrategyRule
from trading.snapshot import (
    AccountSnapshot,
    FrameIndicators,
    History,
    MarketSnapshot,
    PivotLevels,
    PositionPlan,
    PositionView,
    VolumeProfile,
)

SLOT = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
INST = "BTC-USDT-SWAP"


def make_frame(bar: str, **changed: object) -> FrameIndicators:
    values: dict[str, object] = {
        "bar": bar, "ts": SLOT - timedelta(minutes=5), "bars": 500, "close": 30123.4, "previous_close": 30100.1,
        "rsi14": 54.23, "macd": 12.345, "macd_signal": 10.1, "macd_hist": 2.245, "macd_hist_previous": 1.9,
        "bb_upper": 30300.5, "bb_middle": 30050.25, "bb_lower": 29800.0, "ema20": 30050.0, "ema50": 29950.0,
        "ema200": 29500.0, "ema20_slope_pct": 0.12, "atr14": 95.1, "atr14_mean20": 80.0, "vwap": 30010.7, "adx14": 27.4,
        "stochrsi_k": 71.0, "stochrsi_d": 65.5, "obv": 123456789.0, "highest20": 30250.0, "lowest20": 29890.0,
        "volume_ratio": 1.37, "ichimoku_conversion": 30110.0, "ichimoku_base": 30020.5, "ichimoku_cloud_a": 29900.0,
        "ichimoku_cloud_b": 29700.25, "ichimoku_lead_a": 30065.25, "ichimoku_lead_b": 29950.0,
        "ichimoku_lagging_against": 29800.0, "supports": (30010.0, 29890.0), "resistances": (30250.0,),
    }  # fmt: skip
    return FrameIndicators.model_validate(values | changed)


def make_market(**changed: object) -> MarketSnapshot:
    values: dict[str, object] = {
        "inst_id": INST, "slot": SLOT, "taken_at": SLOT, "market_at": SLOT, "last": Decimal("30123.4"),
        "bid": Decimal("30123.3"), "ask": Decimal("30123.5"), "mark": Decimal("30120.0"),
        "funding_rate": Decimal("0.0001"), "next_funding_at": SLOT.replace(hour=16, minute=0),
        "open_interest_contracts": Decimal("2812345.1"), "change_1h_pct": -0.42, "regime": Regime.TRENDING_UP,
        "frames": {
            "5m": make_frame("5m"), "15m": make_frame("15m"), "1H": make_frame("1H", atr14=210.0),
            "4H": make_frame("4H", ema200=None),
        },
        "pivots": PivotLevels(pivot=30000.0, r1=30400.0, r2=30800.0, s1=29600.0, s2=29200.0),
        "volume_profile": VolumeProfile(
            point_of_control=30040.5, value_area_low=29820.0, value_area_high=30210.0, volume=81234.5
        ),
        "calendar": CalendarView(
            next_event=EconomicEvent(name="CPI", at=SLOT.replace(day=21, hour=13, minute=30), expected=True)
        ),
        "correlations": {"ETH-USDT-SWAP": 0.84}, "ct_val": Decimal("0.01"), "taker_fee_rate": Decimal("0.0005"),
    }  # fmt: skip
    return MarketSnapshot.model_validate(values | changed)


POSITION = PositionView(
    inst_id=INST, contracts=Decimal("12.5"), avg_px=Decimal("29800"), mark_px=Decimal("30120.0"), upl=Decimal("40.00"),
    margin=Decimal("1241.67"), leverage=Decimal(3), stop_px=Decimal("29400"), target_px=Decimal("30700"),
    plan=PositionPlan(
        cycle_id=7, strategy="momentum", entry=Decimal("29800"), stop_loss=Decimal("29400"),
        take_profit=Decimal("30700"), confidence=Decimal("0.62"), opened_at=SLOT - timedelta(hours=26, minutes=10),
        invalidation=Invalidation(indicator="rsi14", timeframe="1H", comparison="below", level=Decimal(40)),
        reasoning='The trend on "4H" resumed.',
    ),
)  # fmt: skip


def make_account(*positions: PositionView, **changed: object) -> AccountSnapshot:
    values: dict[str, object] = {
        "taken_at": SLOT, "equity": Decimal("10050.25"), "available": Decimal("8800.5"),
        "day_baseline": Decimal(10000), "peak_equity": Decimal("10100"), "leverage": {INST: Decimal(3)},
        "positions": positions, "open_intents": (), "locked_instruments": (),
    }  # fmt: skip
    return AccountSnapshot.model_validate(values | changed)


HISTORY = History(
    consecutive_losses=1, entries_last_hour=0, last_exit_at={INST: SLOT - timedelta(hours=3)},
    model_spend_today_usd=Decimal(1), model_budget_usd=Decimal(10),
)  # fmt: skip
PLAYBOOK = Playbook(
    confidence_floor=Decimal("0.55"),
    regimes={
        Regime.TRENDING_UP: RegimeRule(guidance="Buy with the trend.", directions=("long",)),
        Regime.RANGING: RegimeRule(
            guidance="Fade the edges.", directions=("long", "short"), size_factor=Decimal("0.5")
        ),
    },
    strategies={
        "momentum": StrategyRule(
            summary="Enter with the trend when MACD turns.", regimes=(Regime.TRENDING_UP,), size_pct=Decimal(4),
            parameters={"adx_min": 25.0, "stop_atr": 1.5},
        )
    },
    lessons=(Lesson(text="Late entries after three green hours lose.", trade_ids=(3, 9)),),
)  # fmt: skip
TRADE = RecentTrade(
    trade_id=9, inst_id=INST, direction="long", strategy="momentum", opened_at=SLOT - timedelta(hours=5),
    closed_at=SLOT - timedelta(hours=3), pnl=Decimal("-48.2"), r_multiple=Decimal("-1.02"), exit_reason="stop",
)  # fmt: skip


def make_request(cycle_id: int = 1, **changed: object) -> DecisionRequest:
    values: dict[str, object] = {
        "cycle_id": cycle_id, "market": make_market(), "account": make_account(), "history": HISTORY,
        "playbook": PLAYBOOK, "playbook_version": 1,
    }  # fmt: skip
    return DecisionRequest(**(values | changed))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def brain_sessions(databases: Databases) -> Iterator[SessionFactory]:
    """One database for all tests of this room; `sessions` empties it."""
    with databases.lent() as url:
        engine = build_engine(url)
        yield build_sessions(engine)
        engine.dispose()


@pytest.fixture
def sessions(brain_sessions: SessionFactory) -> SessionFactory:
    with brain_sessions.begin() as session:
        for table in (ScreenerLog, ResearchEntry, LlmCall, DecisionCycle, Account):
            session.execute(delete(table))
    return brain_sessions


@pytest.fixture
def account_id(sessions: SessionFactory) -> int:
    with sessions.begin() as session:
        account = Account(mode="paper", uid="1", order_prefix="t")
        session.add(account)
        session.flush()
        return account.id


@pytest.fixture
def cycle_id(sessions: SessionFactory, account_id: int) -> int:
    with sessions.begin() as session:
        cycle = DecisionCycle(
            account_id=account_id, inst_id=INST, slot=SLOT, opened_by="beat", deadline=wall_now() + timedelta(minutes=1)
        )
        session.add(cycle)
        session.flush()
        return cycle.id


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture(scope="session")
def anthropic_server() -> Iterator[AnthropicStandin]:
    import anthropic  # noqa: F401 - seconds on a busy machine, which no test's deadline should pay

    with AnthropicStandin() as api:
        yield api


@pytest.fixture
def anthropic_api(anthropic_server: AnthropicStandin) -> AnthropicStandin:
    anthropic_server.reset()
    return anthropic_server


@pytest.fixture
def settings(anthropic_api: AnthropicStandin) -> AnySettings:
    return settings_for(anthropic_api)


def settings_for(api: AnthropicStandin, **changed: str) -> AnySettings:
    """The claude analyst against the stand-in."""
    values = {"ANTHROPIC_API_KEY": api.key, "ANTHROPIC_BASE_URL": api.url, "PERPLEXITY_API_KEY": "pplx-standin"}
    return load_settings(values | changed, dotenv=False)
