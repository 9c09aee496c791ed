"""A bot's database after a week, at a moment that stands still: Monday, 5 January 2026, 14:07 UTC.

Two positions, six closed trades, hourly equity, candles, decisions with their checks, model calls, two versions of the
playbook, alerts. Some texts try to break out of Telegram's markup.
"""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import text

from models import (
    Account,
    Alert,
    BotState,
    CandleRow,
    DecisionCycle,
    LlmCall,
    Order,
    PerformanceSnapshot,
    PlaybookVersion,
    Position,
    Reflection,
    RiskVerdict,
    ScreenerLog,
    Trade,
)
from models.session import SessionFactory
from trading.decision import Regime
from trading.playbook import Lesson, Playbook, RegimeRule, StrategyRule, diff

NOW = datetime(2026, 1, 5, 14, 7, tzinfo=UTC)
BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
NASTY = 'Momentum & breadth agree: RSI < 70 > 50 </pre><b>"buy"</b>'


# The default one changes with what is learned; the texts of these tests must not.
PLAYBOOK = Playbook(
    confidence_floor=Decimal("0.35"),
    regimes={
        Regime.TRENDING_UP: RegimeRule(guidance="Buy strength; do not fade.", directions=("long",)),
        Regime.RANGING: RegimeRule(
            guidance="Fade exhausted moves.", directions=("long", "short"), size_factor=Decimal("0.8")
        ),
    },
    strategies={
        "momentum": StrategyRule(
            summary="Close beyond the 20-bar extreme.", regimes=(Regime.TRENDING_UP,), size_pct=Decimal(5),
            parameters={"stop_atr": 1.5, "reward_risk": 1.8},
        ),
        "mean_reversion": StrategyRule(
            summary="Back into the band.", regimes=(Regime.RANGING,), size_pct=Decimal(2), parameters={"adx_max": 22},
        ),
    },
    lessons=(Lesson(text="A stop closer than 0.6 % is mostly fees.", trade_ids=(2, 4)),),
)  # fmt: skip


@dataclass(frozen=True)
class StandingClock:
    """Both times stand still."""

    at: datetime = NOW

    def market_now(self) -> datetime:
        return self.at

    def wall_now(self) -> datetime:
        return self.at


def seed(sessions: SessionFactory) -> int:
    """Fill an empty, migrated database; returns the account's id."""
    with sessions.begin() as session:
        account = Account(mode="paper", uid="1", order_prefix="bseed1")
        session.add(account)
        session.flush()
        me = account.id
        session.add(
            BotState(
                account_id=me, state="running", reconciled_at=NOW, started_at=NOW - timedelta(days=7),
                equity=Decimal("10123.45"), equity_at=NOW, equity_market_at=NOW, day=date(2026, 1, 5),
                day_baseline=Decimal("10080.00"), peak_equity=Decimal("10200.00"), consecutive_losses=1,
            )
        )  # fmt: skip
        _playbooks(session, me)
        cycles = _cycles(session, me)
        _trades(session, me, cycles)
        _positions(session, me, cycles)
        _models(session, me, cycles)
        _alerts(session, me)
        _curves(session, me)
    return me


def _playbooks(session, me):
    first = PLAYBOOK
    name = next(iter(first.strategies))
    rules = dict(first.strategies)
    rules[name] = rules[name].model_copy(update={"enabled": False})
    second = first.model_copy(update={"confidence_floor": Decimal("0.62"), "strategies": rules})
    for version, book, before in ((1, first, None), (2, second, first)):
        changes = [change.model_dump(mode="json") for change in diff(before, book)] if before else []
        session.add(
            PlaybookVersion(
                account_id=me, version=version, active=version == 2, content=book.model_dump(mode="json"),
                diff=changes, author="reflection" if before else "default",
                reason="Losses came with low confidence <0.62" if before else "the first version",
                evidence_trade_ids=[2, 4] if before else [], created_at=NOW - timedelta(days=7 - 3 * version),
            )
        )  # fmt: skip
    session.add(
        Reflection(
            account_id=me, kind="deep", window="deep:hours:2026-01-05T12:00Z", statistics={}, text="6 closed trades",
            outcome="patched", reason="confidence floor raised", playbook_version=2,
            created_at=NOW - timedelta(hours=2),
        )
    )  # fmt: skip


def _cycles(session, me):
    """An opened, a rejected and a held decision, in this order."""
    opened = {
        "action": "OPEN_LONG", "inst_id": BTC, "size_pct": "3", "stop_loss": "93000", "take_profit": "98000",
        "confidence": "0.7", "strategy": "momentum", "regime": "trending_up", "reasoning": NASTY,
        "observations": ["EMA20 over EMA50", "Funding < 0.01 %"], "risk_factors": ["FOMC at 19:00"],
        "invalidation": {"indicator": "close", "timeframe": "1H", "comparison": "below", "level": "93500"},
    }  # fmt: skip
    short = {"action": "OPEN_SHORT", "inst_id": SOL, "confidence": "0.64", "strategy": "pullback",
             "reasoning": "Lower high under the mean."}  # fmt: skip
    hold = {
        "action": "HOLD",
        "inst_id": ETH,
        "confidence": "0",
        "reasoning": "No setup: ADX 14 says there is no trend.",
    }
    rows = []
    for minutes, inst_id, decision, outcome, reason in (
        (192, BTC, opened, "opened", NASTY),
        (12, SOL, short, "rejected", "rejected: reward_risk: 1.21 net of fees is under 1.5"),
        (7, ETH, hold, "hold", hold["reasoning"]),
    ):
        cycle = DecisionCycle(
            account_id=me, inst_id=inst_id, slot=NOW - timedelta(minutes=minutes), opened_by="feed", stage="done",
            deadline=NOW, analyst="claude", playbook_version=2, decision=decision, outcome=outcome, reason=reason,
            decided_at=NOW - timedelta(minutes=minutes), finished_at=NOW - timedelta(minutes=minutes),
        )  # fmt: skip
        session.add(cycle)
        session.flush()
        rows.append(cycle)

    def check(name, effect, value, limit):
        return {"name": name, "effect": effect, "value": value, "limit": limit, "reason": "", "size_contracts": None}

    for cycle, approved, effect, checks in (
        (rows[0], True, "cut", [check("trade_margin", "cut", "6.0 %", "5 %"), check("stop_loss", "pass", "93000", "–"),
                                check("leverage", "pass", "3×", "3×")]),
        (rows[1], False, "reject",
         [check("reward_risk", "reject", "1.21", "1.5"), check("leverage", "pass", "3×", "3×")]),
    ):  # fmt: skip
        refused = [] if approved else ["reward_risk"]
        session.add(
            RiskVerdict(
                cycle_id=cycle.id, approved=approved, effect=effect, refused_by=refused,
                reason="cut" if approved else "reward_risk: 1.21 net of fees is under 1.5", contracts=Decimal("0.5"),
                checks=checks, given={},
            )
        )  # fmt: skip
    session.add(
        Order(
            account_id=me, cycle_id=rows[0].id, leg="entry", cl_ord_id="bseed1c1E0", inst_id=BTC, side="buy",
            ord_type="fok", td_mode="isolated", sz_contracts=Decimal("0.5"), reduce_only=False, state="filled",
            avg_px=Decimal("95000.1"), last_code="0", last_message="",
        )
    )  # fmt: skip
    return rows


TRADES = (
    # instrument, side, strategy, regime, confidence, hours ago, hours held, entry, exit, net, R, exit reason
    (BTC, "long", "momentum", "trending_up", "0.72", 150, 4, "93000", "94100", "52.40", "1.35", "target"),
    (ETH, "short", "mean_reversion", "ranging", "0.58", 120, 2, "3300", "3330", "-38.10", "-1.02", "stop"),
    (SOL, "long", "momentum", "trending_up", "0.66", 96, 7, "180", "187.5", "71.00", "1.80", "target"),
    (BTC, "short", "pullback", "trending_down", "0.55", 70, 1, "95500", "96100", "-36.75", "-1.01", "stop"),
    (ETH, "long", "momentum", "trending_up", "0.81", 44, 9, "3240", "3301", "63.20", "1.61", "decision"),
    (SOL, "short", "mean_reversion", "ranging", "0.61", 20, 3, "191", "193.2", "-22.30", "-0.60", "invalidation"),
)


def _trades(session, me, cycles):
    for inst_id, side, strategy, regime, confidence, ago, held, entry, exit_, net, r, reason in TRADES:
        opened = NOW - timedelta(hours=ago)
        session.add(
            Trade(
                account_id=me, inst_id=inst_id, side=side, opened_market_at=opened,
                closed_market_at=opened + timedelta(hours=held), contracts=Decimal(0), max_contracts=Decimal(1),
                entry_px=Decimal(entry), exit_px=Decimal(exit_), exited_contracts=Decimal(1),
                pnl=Decimal(net) + Decimal("3.2"), fees=Decimal("-3.0"), funding=Decimal("-0.2"), net_pnl=Decimal(net),
                risk=Decimal(40), r_multiple=Decimal(r), exit_reason=reason, strategy=strategy, regime=regime,
                confidence=Decimal(confidence), analyst="claude", playbook_version=1,
                plan={"stop_loss": str(Decimal(entry) * Decimal("0.98")), "take_profit": exit_, "strategy": strategy},
            )
        )  # fmt: skip
        session.flush()
    for inst_id, side, entry, cycle, risk, hours in (
        (BTC, "long", "95000.1", cycles[0], "40", 3.2), (ETH, "short", "3290", None, None, 26),
    ):  # fmt: skip
        session.add(
            Trade(
                account_id=me, inst_id=inst_id, side=side, cycle_id=cycle.id if cycle else None,
                opened_market_at=NOW - timedelta(hours=hours), contracts=Decimal("0.5"), max_contracts=Decimal("0.5"),
                entry_px=Decimal(entry), fees=Decimal("-2.4"), net_pnl=Decimal("-2.4"),
                risk=Decimal(risk) if risk else None, strategy="momentum" if cycle else None,
                plan={"stop_loss": "93000", "take_profit": "98000"} if cycle else None,
            )
        )  # fmt: skip
        session.flush()


def _positions(session, me, cycles):
    plan = {"strategy": "momentum", "cycle_id": cycles[0].id, "stop_loss": "93000",
            "invalidation": cycles[0].decision["invalidation"]}  # fmt: skip
    common = {"account_id": me, "mgn_mode": "isolated", "pos_side": "net", "leverage": Decimal(3),
              "updated_market_at": NOW}  # fmt: skip
    session.add(
        Position(
            inst_id=BTC, pos_id="1", contracts=Decimal("0.50"), avg_px=Decimal("95000.1"), mark_px=Decimal("95780.4"),
            upl=Decimal("39.02"), stop_px=Decimal("93000"), target_px=Decimal("98000"), plan=plan,
            opened_market_at=NOW - timedelta(hours=3, minutes=12), **common,
        )
    )  # fmt: skip
    session.add(
        Position(
            inst_id=ETH, pos_id="2", contracts=Decimal("-12.3"), avg_px=Decimal("3290"), mark_px=Decimal("3301.55"),
            upl=Decimal("-14.21"), stop_px=None, target_px=None, plan=None,
            opened_market_at=NOW - timedelta(hours=26), **common,
        )
    )  # fmt: skip
    session.add(Position(inst_id=SOL, pos_id="3", contracts=Decimal(0), **common))


def _models(session, me, cycles):
    for index, (purpose, model, cost, outcome, ago) in enumerate(
        (
            ("decide", "claude-opus-5-5", "0.0412", "ok", 1), ("decide", "claude-opus-5-5", "0.0398", "ok", 3),
            ("screen", "claude-haiku-5-5", "0.0011", "ok", 1), ("screen", "claude-haiku-5-5", "0.0012", "timeout", 30),
            ("research", "sonar-pro", "0.0150", "ok", 50),
        )
    ):  # fmt: skip
        session.add(
            LlmCall(
                account_id=me, cycle_id=cycles[0].id if index == 1 else None, purpose=purpose,
                provider="anthropic" if "claude" in model else "perplexity", model=model, prompt_version="1",
                request_sha256=str(index), request={}, outcome=outcome, reserved_usd=Decimal(1),
                cost_usd=Decimal(cost), created_at=NOW - timedelta(hours=ago), finished_at=NOW - timedelta(hours=ago),
            )
        )  # fmt: skip
    for passed in (True, False, False):
        session.add(
            ScreenerLog(
                account_id=me, cycle_id=cycles[0].id, screener="haiku", passed=passed, reason="a test",
                created_at=NOW - timedelta(hours=1),
            )
        )  # fmt: skip


def _alerts(session, me):
    for minutes, kind, severity, inst_id, message in (
        (300, "trade_opened", "INFO", BTC, "long 0.5 BTC-USDT-SWAP at 95000.1"),
        (40, "unknown_order", "WARN", ETH, "close bseed1c9C0: outcome unknown (no reply) <&>"),
        (5, "position_uncovered", "CRITICAL", ETH, "ETH-USDT-SWAP has no stop"),
    ):
        at = NOW - timedelta(minutes=minutes)
        session.add(
            Alert(
                account_id=me, kind=kind, severity=severity, inst_id=inst_id, message=message, created_at=at,
                delivered_at=at,
            )
        )  # fmt: skip
        session.flush()


def _curves(session, me):
    """Hourly equity of a week, candles of the last days; shapes without chance."""
    first = NOW.replace(minute=0) - timedelta(days=7)
    for hour in range(7 * 24 + 1):
        at = first + timedelta(hours=hour)
        equity = Decimal(str(round(10000 + hour * 0.7 + 60 * math.sin(hour / 11) - 25 * math.sin(hour / 3), 2)))
        for period in ("hourly", "daily") if at.hour == 0 else ("hourly",):
            session.add(
                PerformanceSnapshot(
                    account_id=me, period=period, slot=at, equity=equity, cash=equity, upl=Decimal(0),
                    drawdown_pct=Decimal("0.4"), open_positions=2, trades_closed=6, net_pnl_total=Decimal("89.45"),
                    fees_total=Decimal("-18"), funding_total=Decimal("-1.2"), llm_cost_usd=Decimal("0.1"),
                    created_at=at,
                )
            )  # fmt: skip
    rows = []
    for inst_id, level in ((BTC, 94000.0), (ETH, 3250.0), (SOL, 185.0)):
        for bar, seconds, count in (("1H", 3600, 7 * 24 + 2), ("5m", 300, 300)):
            begin = datetime.fromtimestamp(NOW.timestamp() // seconds * seconds, UTC) - timedelta(
                seconds=seconds * count
            )
            previous = level
            for index in range(count):
                close = level * (1 + 0.012 * math.sin(index / 17) + 0.004 * math.sin(index / 2.3) + 0.00006 * index)
                high, low = max(previous, close) * 1.0012, min(previous, close) * 0.9988
                rows.append(
                    {"inst_id": inst_id, "bar": bar, "ts": begin + timedelta(seconds=seconds * index),
                     "open": round(previous, 2), "high": round(high, 2), "low": round(low, 2),
                     "close": round(close, 2), "vol_contracts": 1, "vol_coins": 1, "vol_quote": 1}
                )  # fmt: skip
                previous = close
    session.execute(CandleRow.__table__.insert(), rows)
    session.execute(text("ANALYZE candles"))
