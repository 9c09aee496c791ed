"""The rule-based analyst: what makes it enter, what it says while it waits, how it leaves."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brain.rules import decide
from brain.rules.levels import levels_of
from brain.rules.signal import Signal
from trading.decision import Action, Decision, Invalidation, Regime
from trading.playbook import Playbook, TimeFilter, default_playbook
from trading.snapshot import AccountSnapshot, FrameIndicators, History, MarketSnapshot, PositionPlan, PositionView

D = Decimal
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BTC = "BTC-USDT-SWAP"
HISTORY = History(consecutive_losses=0, entries_last_hour=0, last_exit_at={})

# A market in which nothing happens: every frame warmed up, every oscillator in the middle.
QUIET: dict[str, float] = {
    "close": 100.0, "previous_close": 100.0, "rsi14": 50.0, "macd": 0.0, "macd_signal": 0.0, "macd_hist": 0.0,
    "macd_hist_previous": 0.0, "bb_upper": 101.0, "bb_middle": 100.0, "bb_lower": 99.0, "ema20": 100.0,
    "ema50": 100.0, "ema20_slope_pct": 0.0, "atr14": 1.0, "atr14_mean20": 1.0, "vwap": 100.0, "adx14": 15.0,
    "stochrsi_k": 50.0, "stochrsi_d": 50.0, "obv": 0.0, "highest20": 100.5, "lowest20": 99.5, "volume_ratio": 1.0,
}  # fmt: skip
UPTREND_1H = {"ema20": 99.5, "ema50": 99.0, "close": 100.0, "macd_hist": 0.1}
DOWNTREND_1H = {"ema20": 100.5, "ema50": 101.0, "close": 100.0, "macd_hist": -0.1}

MOMENTUM_LONG = {"5m": {"close": 100.6}, "1H": UPTREND_1H}
MOMENTUM_SHORT = {"5m": {"close": 99.4}, "1H": DOWNTREND_1H}
PULLBACK_LONG = {"5m": {"stochrsi_k": 25.0, "stochrsi_d": 12.0}, "1H": UPTREND_1H}
PULLBACK_SHORT = {"5m": {"stochrsi_k": 75.0, "stochrsi_d": 88.0}, "1H": DOWNTREND_1H}
BREAKOUT_LONG = {"5m": {"close": 100.6, "volume_ratio": 1.5}, "1H": {"macd_hist": 0.1}}
BREAKOUT_SHORT = {"5m": {"close": 99.4, "volume_ratio": 1.5}, "1H": {"macd_hist": -0.1}}
REVERSION_LONG = {"15m": {"previous_close": 98.8, "close": 99.1, "rsi14": 35.0}}
SCALP_LONG = {
    "5m": {"previous_close": 99.9, "close": 100.3, "volume_ratio": 2.5},
    "15m": {"ema20": 99.8, "macd_hist": 0.1},
}
SCALP_SHORT = {
    "5m": {"previous_close": 100.1, "close": 99.7, "volume_ratio": 2.5},
    "15m": {"ema20": 100.2, "macd_hist": -0.1},
}
REVERSION_SHORT = {"15m": {"previous_close": 101.2, "close": 100.9, "rsi14": 65.0}}


def market(
    changes: dict[str, dict[str, float | None]] | None = None, regime: Regime = Regime.RANGING, **more: Any
) -> MarketSnapshot:
    frames = {
        bar: FrameIndicators(bar=bar, ts=NOW, bars=200, **(QUIET | (changes or {}).get(bar, {})))  # type: ignore[arg-type]
        for bar in ("5m", "15m", "1H", "4H")
    }
    values: dict[str, Any] = {
        "last": D(100), "bid": D("99.99"), "ask": D("100.01"), "taker_fee_rate": D("0.0005"), "frames": frames,
        "entry_slippage_bps": D(15),
    }  # fmt: skip
    return MarketSnapshot(inst_id=BTC, slot=NOW, taken_at=NOW, market_at=NOW, regime=regime, **(values | more))


def account(position: PositionView | None = None, **more: Any) -> AccountSnapshot:
    values: dict[str, Any] = {"positions": (position,) if position else ()}
    return AccountSnapshot(taken_at=NOW, equity=D(10000), available=D(10000), **(values | more))


def holding(contracts: str = "1", invalidation: Invalidation | None = None) -> PositionView:
    plan = PositionPlan(
        cycle_id=1, strategy="rules:momentum", entry=D(100), stop_loss=D(98), take_profit=D(104),
        confidence=D("0.4"), opened_at=NOW, invalidation=invalidation,
    )  # fmt: skip
    return PositionView(
        inst_id=BTC, contracts=D(contracts), avg_px=D(100), mark_px=D(100), upl=D(0), margin=D(300),
        leverage=D(3), plan=plan,
    )  # fmt: skip


def asked(seen: MarketSnapshot, position: PositionView | None = None, playbook: Playbook | None = None) -> Decision:
    return decide(seen, account(position), playbook or default_playbook(), HISTORY)


def with_scalp() -> Playbook:
    """The first version, its scalp enabled."""
    book = default_playbook()
    enabled = book.strategies["scalp"].model_copy(update={"enabled": True})
    return book.model_copy(update={"strategies": book.strategies | {"scalp": enabled}})


ENTRIES = [
    ("momentum", Action.OPEN_LONG, MOMENTUM_LONG, Regime.TRENDING_UP),
    ("momentum", Action.OPEN_SHORT, MOMENTUM_SHORT, Regime.TRENDING_DOWN),
    ("momentum", Action.OPEN_LONG, MOMENTUM_LONG, Regime.VOLATILE),
    ("pullback", Action.OPEN_LONG, PULLBACK_LONG, Regime.TRENDING_UP),
    ("pullback", Action.OPEN_SHORT, PULLBACK_SHORT, Regime.TRENDING_DOWN),
    ("breakout", Action.OPEN_LONG, BREAKOUT_LONG, Regime.RANGING),
    ("breakout", Action.OPEN_SHORT, BREAKOUT_SHORT, Regime.RANGING),
    ("mean_reversion", Action.OPEN_LONG, REVERSION_LONG, Regime.RANGING),
    ("mean_reversion", Action.OPEN_SHORT, REVERSION_SHORT, Regime.RANGING),
    ("scalp", Action.OPEN_LONG, SCALP_LONG, Regime.VOLATILE),
    ("scalp", Action.OPEN_SHORT, SCALP_SHORT, Regime.RANGING),
]


@pytest.mark.parametrize("strategy, action, changes, regime", ENTRIES)
def test_a_strategy_enters_on_its_signal(
    strategy: str, action: Action, changes: dict[str, dict[str, float | None]], regime: Regime
) -> None:
    decision = asked(market(changes, regime), playbook=with_scalp())
    assert (decision.action, decision.strategy) == (action, f"rules:{strategy}")
    assert decision.size_pct == default_playbook().size_pct(strategy, regime)
    assert decision.regime is regime
    assert decision.invalidation is not None
    assert decision.reasoning.startswith("analyst=rules; ")
    assert decision.observations
    assert decision.risk_factors
    assert decision == asked(market(changes, regime), playbook=with_scalp())


@pytest.mark.parametrize("strategy, action, changes, regime", ENTRIES)
def test_stop_and_target_pay_for_their_fees(
    strategy: str, action: Action, changes: dict[str, dict[str, float | None]], regime: Regime
) -> None:
    decision = asked(market(changes, regime), playbook=with_scalp())
    """At the worst price the order accepts, 15 basis points beyond the quote."""
    sign, entry = (1, D("100.01") * D("1.0015")) if action is Action.OPEN_LONG else (-1, D("99.99") * D("0.9985"))
    assert decision.stop_loss is not None
    assert decision.take_profit is not None
    risk = sign * (entry - decision.stop_loss) + (entry + decision.stop_loss) * D("0.0005")
    reward = sign * (decision.take_profit - entry) - (entry + decision.take_profit) * D("0.0005")
    assert 0 < risk <= 3
    figure = D(str(default_playbook().strategies[strategy].parameters["reward_risk"]))
    assert reward / risk == pytest.approx(figure, abs=D("0.001"))
    assert figure > D("1.55")


@pytest.mark.parametrize("strategy, action, changes, regime", ENTRIES)
def test_the_entrys_own_reason_is_not_yet_invalid(
    strategy: str, action: Action, changes: dict[str, dict[str, float | None]], regime: Regime
) -> None:
    decision = asked(market(changes, regime), playbook=with_scalp())
    side = "1" if action is Action.OPEN_LONG else "-1"
    then = asked(market(changes, regime), holding(side, decision.invalidation), with_scalp())
    assert then.action is Action.HOLD
    assert "is not true" in then.reasoning


WAITING = [
    ("nothing happens", {}, Regime.TRENDING_UP, "1H EMA20"),
    ("no breakout yet", {"1H": UPTREND_1H}, Regime.VOLATILE, "momentum long: waits for a 5m close above 100.5"),
    (
        "the hour's range shrinks",
        {**MOMENTUM_LONG, "1H": UPTREND_1H | {"atr14": 0.8}},
        Regime.TRENDING_UP,
        "is shrinking",
    ),
    (
        "fees would eat it",
        {**MOMENTUM_LONG, "1H": UPTREND_1H | {"atr14": 0.5, "atr14_mean20": 0.5}},
        Regime.TRENDING_UP,
        "fees would eat it",
    ),
    ("too strong to fade", {**REVERSION_LONG, "1H": {"adx14": 40.0}}, Regime.RANGING, "1H"),
    ("no regime", MOMENTUM_LONG, Regime.UNKNOWN, "4H regime is not known yet (200 closed 4H candles)"),
    ("not warmed up", {"1H": {"ema50": None}}, Regime.RANGING, "1H ema50 is not warmed up (200 closed candles)"),
]


@pytest.mark.parametrize("changes, regime, said", [row[1:] for row in WAITING], ids=[row[0] for row in WAITING])
def test_every_hold_says_what_it_waits_for(
    changes: dict[str, dict[str, float | None]], regime: Regime, said: str
) -> None:
    decision = asked(market(changes, regime))
    assert decision.action is Action.HOLD
    assert decision.reasoning.startswith("analyst=rules; ")
    assert said in decision.reasoning
    assert len(decision.reasoning) < 200
    assert "\n" not in decision.reasoning


@pytest.mark.parametrize(
    "gone, said",
    [("ask", "no quote"), ("taker_fee_rate", "taker fee is not known"), ("entry_slippage_bps", "slippage of an entry")],
)
def test_a_signal_without_what_it_needs_is_held(gone: str, said: str) -> None:
    decision = asked(market(MOMENTUM_LONG, **{gone: None}))
    assert decision.action is Action.HOLD
    assert said in decision.reasoning


def test_no_frames_and_no_positions_are_held() -> None:
    assert "no closed" in asked(market(frames={})).reasoning
    blind = decide(market(MOMENTUM_LONG), account(positions=None), default_playbook(), HISTORY)
    assert blind.action is Action.HOLD
    assert "positions are not known" in blind.reasoning


SCALP_WAITS = [
    ({"15m": {"atr14": 0.2}}, "15m ATR14 is 0.20 % of the price, under 0.3 %"),
    ({"15m": {"ema20": 100.1}}, "the last 15m close 100 is not above EMA20 100.1"),
    ({"15m": {"macd_hist": -0.1}}, "15m MACD points the other way"),
    ({"5m": {"previous_close": 100.1}}, "waits for a 5m close that crosses to above the session's VWAP 100"),
    ({"5m": {"volume_ratio": 1.9}}, "5m volume is 1.9 × its mean, 2 × is asked for"),
]


@pytest.mark.parametrize("changes, said", SCALP_WAITS)
def test_a_scalp_says_what_it_waits_for(changes: dict[str, dict[str, float]], said: str) -> None:
    seen = {bar: values | changes.get(bar, {}) for bar, values in SCALP_LONG.items()}
    decision = asked(market(seen), playbook=with_scalp())
    assert decision.action is Action.HOLD
    assert any(said in each for each in decision.observations)


def test_a_scalp_is_off_until_somebody_enables_it_and_then_comes_last() -> None:
    assert asked(market(SCALP_LONG)).action is Action.HOLD
    both = {"5m": SCALP_LONG["5m"] | {"close": 100.6}, "15m": SCALP_LONG["15m"], "1H": UPTREND_1H}
    assert asked(market(both), playbook=with_scalp()).strategy == "rules:momentum"


def test_a_scalp_argues_against_its_own_positions_only() -> None:
    """Its reason is of the quarter of an hour: the others' positions stand on the hour."""
    seen, book = market(SCALP_SHORT), with_scalp()
    assert asked(seen, holding("1"), book).action is Action.HOLD
    own = holding("1")
    assert own.plan is not None
    own = own.model_copy(update={"plan": own.plan.model_copy(update={"strategy": "rules:scalp"})})
    assert asked(seen, own, book).action is Action.CLOSE
    assert asked(market(MOMENTUM_SHORT, Regime.TRENDING_DOWN), own, book).action is Action.CLOSE


def test_the_playbook_rules_the_rules() -> None:
    book = default_playbook()
    barred = book.model_copy(update={"time_filters": (TimeFilter(hours=(12,), reason="lunch"),)})
    assert "lunch" in asked(market(MOMENTUM_LONG), playbook=barred).reasoning
    sure = book.model_copy(update={"confidence_floor": D("0.9")})
    assert "confidence floor" in asked(market(MOMENTUM_LONG), playbook=sure).reasoning
    no_momentum = {n: r for n, r in book.strategies.items() if n != "momentum"}
    others = book.model_copy(update={"strategies": no_momentum})
    assert asked(market(MOMENTUM_LONG), playbook=others).strategy == "rules:breakout"
    bare = book.strategies["momentum"].model_copy(update={"parameters": {}})
    broken = book.model_copy(update={"strategies": {"momentum": bare}})
    assert "no parameter" in asked(market(MOMENTUM_LONG), playbook=broken).reasoning


LOST = Invalidation(indicator="close", timeframe="1H", comparison="below", level=D(99))


def test_a_position_is_closed_when_its_reason_is_gone() -> None:
    gone = asked(market({"1H": {"close": 98.9}}), holding("1", LOST))
    assert gone.action is Action.CLOSE
    assert "1H close below 99 has come true" in gone.reasoning


def test_a_position_is_closed_even_while_the_regime_and_other_frames_are_unknown() -> None:
    seen = market({"1H": {"close": 98.9, "ema50": None}, "5m": {"stochrsi_k": None}}, Regime.UNKNOWN)
    assert asked(seen, holding("1", LOST)).action is Action.CLOSE


def test_a_position_is_closed_on_a_signal_against_it() -> None:
    against = asked(market(MOMENTUM_SHORT, Regime.TRENDING_DOWN), holding("1"))
    assert against.action is Action.CLOSE
    assert "momentum signal points short" in against.reasoning
    assert asked(market(MOMENTUM_LONG, Regime.TRENDING_UP), holding("1")).action is Action.HOLD


def test_a_position_that_cannot_be_checked_is_held_by_its_stop() -> None:
    frames = {bar: f for bar, f in market().frames.items() if bar != "1H"}
    assert "cannot be checked" in asked(market(frames=frames), holding("1", LOST)).reasoning
    foreign = holding("1").model_copy(update={"plan": None})
    assert "without a plan" in asked(market(), foreign).reasoning


def test_a_wide_stop_takes_a_smaller_position() -> None:
    """The 1H range doubles, the stop goes from 1.5 % to its bound of 2.7 %: the loss at the stop stays."""
    usual = asked(market(MOMENTUM_LONG, Regime.TRENDING_UP))
    wide = asked(market({**MOMENTUM_LONG, "1H": UPTREND_1H | {"atr14": 2.0}}, Regime.TRENDING_UP))
    assert usual.size_pct == 5
    assert wide.size_pct == D("2.94")  # 5 × 1.6 ÷ 2.716


@pytest.mark.parametrize("price", ["60000.1", "150.125", "0.0812345"])
def test_levels_keep_the_precision_of_the_price(price: str) -> None:
    quote = D(price)
    signal = Signal("short", "momentum", float(quote) * 0.01, D("0.4"), (), (), LOST)
    levels = levels_of(signal, quote=quote, slippage_bps=D(20), taker_fee_rate=D("0.0005"), reward_risk=D("1.8"))
    assert levels.stop_loss / quote == pytest.approx(D("1.01"), rel=D("1e-5"))
    # entry 0.998, risk 0.012 + 0.001004; target = (0.998 × 0.9995 − 1.8 × 0.013004) ÷ 1.0005
    assert levels.take_profit / quote == pytest.approx(D("0.973607"), rel=D("1e-5"))
