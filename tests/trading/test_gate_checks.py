"""The risk table as a specification: what is changed about a good entry → which check does what."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from trading.decision import Action
from trading.gate.gate import judge
from trading.gate.verdict import Effect, GateInput, Refusal
from trading.snapshot import EntryIntentView, PositionView

Given = Callable[..., GateInput]
D = Decimal
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
LONG, SHORT, ADD = Action.OPEN_LONG, Action.OPEN_SHORT, Action.ADD


def pos(inst_id: str = ETH, contracts: str = "1", margin: str = "300") -> PositionView:
    return PositionView(
        inst_id=inst_id, contracts=D(contracts), avg_px=D(50000), mark_px=D(50000), upl=D(0),
        margin=D(margin), leverage=D(3), stop_px=D(49500), target_px=D(51500),
    )  # fmt: skip


def coming(inst_id: str = SOL, side: str = "buy", margin: str = "300") -> EntryIntentView:
    return EntryIntentView(inst_id=inst_id, side=side, margin=D(margin), state="submitting")


SHORT_ENTRY = {"decision.action": SHORT, "decision.stop_loss": D(50500), "decision.take_profit": D(48500)}
LIMIT = {"decision.order_type": "limit"}
ADD_ENTRY = {"decision.action": ADD, "account.positions": (pos(BTC, "0.5", "100"),)}

R = Refusal
REJECT, PASS, CUT, HOLD = Effect.REJECT, Effect.PASS, Effect.CUT, Effect.HOLD

TABLE: list[tuple[str, Refusal, Effect, dict[str, Any]]] = [
    ("halted", R.ENTRIES_ALLOWED, REJECT, {"entries_allowed": False}),
    ("not known whether halted", R.ENTRIES_ALLOWED, REJECT, {"entries_allowed": None}),
    ("stops checked 30 s ago", R.PROTECTION, PASS, {"protection_seen_at": NOW - timedelta(seconds=30)}),
    ("stops checked 31 s ago", R.PROTECTION, REJECT, {"protection_seen_at": NOW - timedelta(seconds=31)}),
    ("stops checked in the future", R.PROTECTION, REJECT, {"protection_seen_at": NOW + timedelta(seconds=5)}),
    ("stops never checked", R.PROTECTION, REJECT, {"protection_seen_at": None}),
    ("avoided hour", R.PLAYBOOK_HOURS, REJECT, {"soft.barred": "thin book"}),
    ("no playbook: hours", R.PLAYBOOK_HOURS, REJECT, {"soft": None}),
    ("no playbook: size", R.PLAYBOOK_SIZE, REJECT, {"soft": None}),
    ("no playbook: confidence", R.CONFIDENCE, REJECT, {"soft": None}),
    ("the playbook's size", R.PLAYBOOK_SIZE, PASS, {"soft.size_pct": D(4)}),
    ("over the playbook's size", R.PLAYBOOK_SIZE, CUT, {"soft.size_pct": D("3.9")}),
    ("sized at zero", R.PLAYBOOK_SIZE, REJECT, {"soft.size_pct": D(0)}),
    ("no place for its direction", R.PLAYBOOK_SIZE, REJECT, {"soft.directions": ("short",)}),
    ("confidence at the floor", R.CONFIDENCE, PASS, {"soft.confidence": D("0.35"), "soft.floor": D("0.35")}),
    ("confidence under the floor", R.CONFIDENCE, REJECT, {"soft.confidence": D("0.349")}),
    ("half of full confidence", R.CONFIDENCE, CUT, {"soft.size_pct": D(4), "soft.full_size": D(1)}),
    ("lost 3 % today", R.DAILY_LOSS, PASS, {"account.equity": D(9700)}),
    ("lost more", R.DAILY_LOSS, REJECT, {"account.equity": D("9699.9")}),
    ("no baseline", R.DAILY_LOSS, REJECT, {"account.day_baseline": None}),
    ("a baseline of zero", R.DAILY_LOSS, REJECT, {"account.day_baseline": D(0)}),
    ("yesterday's baseline", R.DAILY_LOSS, REJECT, {"account.baseline_day": NOW.date() - timedelta(days=1)}),
    ("10 % under the peak", R.DRAWDOWN, PASS, {"account.equity": D(9450)}),
    ("further under it", R.DRAWDOWN, REJECT, {"account.equity": D("9449.9")}),
    ("no peak", R.DRAWDOWN, REJECT, {"account.peak_equity": None}),
    ("locked", R.INSTRUMENT_LOCKED, REJECT, {"account.locked_instruments": (BTC,)}),
    ("another is locked", R.INSTRUMENT_LOCKED, PASS, {"account.locked_instruments": (ETH,)}),
    ("locks not known", R.INSTRUMENT_LOCKED, REJECT, {"account.locked_instruments": None}),
    ("decision about another", R.INSTRUMENT_LOCKED, REJECT, {"decision.inst_id": ETH}),
    ("long against a short", R.OPPOSITE_POSITION, REJECT, {"account.positions": (pos(BTC, "-1"),)}),
    ("short against a long", R.OPPOSITE_POSITION, REJECT, SHORT_ENTRY | {"account.positions": (pos(BTC, "1"),)}),
    ("OPEN on top of the same side", R.OPPOSITE_POSITION, REJECT, {"account.positions": (pos(BTC, "1"),)}),
    ("ADD to nothing", R.OPPOSITE_POSITION, REJECT, {"decision.action": ADD}),
    ("ADD to a position", R.OPPOSITE_POSITION, PASS, ADD_ENTRY),
    ("entry here under way", R.OPPOSITE_POSITION, REJECT, {"account.open_intents": (coming(BTC),)}),
    ("a flat row is no position", R.OPPOSITE_POSITION, PASS, {"account.positions": (pos(BTC, "0"),)}),
    ("third position", R.OPEN_POSITIONS, PASS, {"account.positions": (pos(ETH), pos(SOL))}),
    ("fourth position", R.OPEN_POSITIONS, REJECT, {"account.positions": (pos(ETH), pos(SOL), pos("XRP-USDT-SWAP"))}),
    (
        "fourth, one still coming",
        R.OPEN_POSITIONS,
        REJECT,
        {"account.positions": (pos(ETH), pos("XRP-USDT-SWAP")), "account.open_intents": (coming(SOL),)},
    ),
    (
        "an entry and its position are one",
        R.OPEN_POSITIONS,
        PASS,
        {"account.positions": (pos(ETH), pos(SOL)), "account.open_intents": (coming(SOL),)},
    ),
    (
        "ADD as the third of three",
        R.OPEN_POSITIONS,
        PASS,
        ADD_ENTRY | {"account.positions": (pos(BTC), pos(ETH), pos(SOL))},
    ),
    ("positions not known", R.OPEN_POSITIONS, REJECT, {"account.positions": None}),
    ("two losses", R.CONSECUTIVE_LOSSES, PASS, {"history.consecutive_losses": 2}),
    ("three losses, cooldown not set", R.CONSECUTIVE_LOSSES, REJECT, {"history.consecutive_losses": 3}),
    (
        "cooling down",
        R.CONSECUTIVE_LOSSES,
        REJECT,
        {"history.consecutive_losses": 3, "history.cooldown_until": NOW + timedelta(minutes=1)},
    ),
    (
        "cooldown over",
        R.CONSECUTIVE_LOSSES,
        PASS,
        {"history.consecutive_losses": 3, "history.cooldown_until": NOW},
    ),
    ("losses not known", R.CONSECUTIVE_LOSSES, REJECT, {"history.consecutive_losses": None}),
    ("third entry of the hour", R.ENTRY_RATE, PASS, {"history.entries_last_hour": 2}),
    ("fourth entry of the hour", R.ENTRY_RATE, REJECT, {"history.entries_last_hour": 3}),
    ("exit 14 min ago", R.REENTRY, REJECT, {"history.last_exit_at": {BTC: NOW - timedelta(minutes=14)}}),
    ("exit 15 min ago", R.REENTRY, PASS, {"history.last_exit_at": {BTC: NOW - timedelta(minutes=15)}}),
    ("exit elsewhere", R.REENTRY, PASS, {"history.last_exit_at": {ETH: NOW}}),
    ("exits not known", R.REENTRY, REJECT, {"history.last_exit_at": None}),
    (
        "stale ticker",
        R.FRESHNESS,
        REJECT,
        {"live.ages_s": {"ticker": 10.1, "candle": 1, "book": 1, "funding": 1, "open_interest": 1}},
    ),
    (
        "just fresh",
        R.FRESHNESS,
        PASS,
        {"live.ages_s": {"ticker": 10, "candle": 30, "book": 10, "funding": 180, "open_interest": 60}},
    ),
    (
        "book never spoke",
        R.FRESHNESS,
        REJECT,
        {"live.ages_s": {"ticker": 1, "candle": 1, "funding": 1, "open_interest": 1}},
    ),
    (
        "age is no number",
        R.FRESHNESS,
        REJECT,
        {"live.ages_s": {"ticker": float("nan"), "candle": 1, "book": 1, "funding": 1, "open_interest": 1}},
    ),
    ("account 16 s old", R.FRESHNESS, REJECT, {"account.taken_at": NOW - timedelta(seconds=16)}),
    ("account from the future", R.FRESHNESS, REJECT, {"account.taken_at": NOW + timedelta(seconds=5)}),
    ("decided 60 s ago", R.DECISION_AGE, PASS, {"decided_at": NOW - timedelta(seconds=60)}),
    ("decided 61 s ago", R.DECISION_AGE, REJECT, {"decided_at": NOW - timedelta(seconds=61)}),
    ("decided in the future", R.DECISION_AGE, REJECT, {"decided_at": NOW + timedelta(seconds=5)}),
    ("30 bps up", R.PRICE_DRIFT, PASS, {"live.last": D(50150)}),
    ("31 bps up", R.PRICE_DRIFT, REJECT, {"live.last": D(50155)}),
    ("31 bps down", R.PRICE_DRIFT, REJECT, {"live.last": D(49845)}),
    ("limit 15 bps above the ask", R.PRICE_DRIFT, PASS, LIMIT | {"decision.limit_price": D("50075.1")}),
    ("limit further above it", R.PRICE_DRIFT, REJECT, LIMIT | {"decision.limit_price": D("50075.2")}),
    ("limit 100 bps below the ask", R.PRICE_DRIFT, PASS, LIMIT | {"decision.limit_price": D("49500.1")}),
    ("limit further below it", R.PRICE_DRIFT, REJECT, LIMIT | {"decision.limit_price": D("49500.0")}),
    (
        "short's limit 15 bps below the bid",
        R.PRICE_DRIFT,
        PASS,
        SHORT_ENTRY | LIMIT | {"decision.limit_price": D("49925.0")},
    ),
    (
        "short's limit further below it",
        R.PRICE_DRIFT,
        REJECT,
        SHORT_ENTRY | LIMIT | {"decision.limit_price": D("49924.9")},
    ),
    (
        "short's limit far above the bid",
        R.PRICE_DRIFT,
        REJECT,
        SHORT_ENTRY | LIMIT | {"decision.limit_price": D("50500")},
    ),
    ("limit without a quote", R.PRICE_DRIFT, REJECT, LIMIT | {"decision.limit_price": D(50000), "live.ask": None}),
    ("no stop", R.STOP_LOSS, REJECT, {"decision.stop_loss": None}),
    ("stop above a long", R.STOP_LOSS, REJECT, {"decision.stop_loss": D(50100)}),
    (
        "stop between price and low limit",
        R.STOP_LOSS,
        REJECT,
        {"decision.order_type": "limit", "decision.limit_price": D(49000)},
    ),
    ("stop below a short", R.STOP_LOSS, REJECT, SHORT_ENTRY | {"decision.stop_loss": D(49900)}),
    ("stop above a short", R.STOP_LOSS, PASS, SHORT_ENTRY),
    # A long may fill at 50,075.1, a short at 49,925: 15 bps beyond the quote, on the tick.
    ("stop 3 % from the worst fill", R.STOP_DISTANCE, PASS, {"decision.stop_loss": D("48572.9")}),
    ("stop just over it, 2.85 % from the price", R.STOP_DISTANCE, REJECT, {"decision.stop_loss": D("48572.8")}),
    ("stop 3 % above a short's", R.STOP_DISTANCE, PASS, SHORT_ENTRY | {"decision.stop_loss": D("51422.7")}),
    ("stop just over it", R.STOP_DISTANCE, REJECT, SHORT_ENTRY | {"decision.stop_loss": D("51422.8")}),
    (
        "stop within reach of the limit, not of the price",
        R.STOP_DISTANCE,
        REJECT,
        {"decision.order_type": "limit", "decision.limit_price": D(49600), "decision.stop_loss": D(48490)},
    ),
    ("1.5 before slippage and fees only", R.REWARD_RISK, REJECT, {"decision.take_profit": D(50750)}),
    ("1.5 after fees at the quote", R.REWARD_RISK, REJECT, {"decision.take_profit": D(50876)}),
    ("1.5 after fees at the worst fill", R.REWARD_RISK, PASS, {"decision.take_profit": D(51064)}),
    ("just under it", R.REWARD_RISK, REJECT, {"decision.take_profit": D(51062)}),
    ("target on the wrong side", R.REWARD_RISK, REJECT, {"decision.take_profit": D(49800)}),
    ("no target", R.REWARD_RISK, REJECT, {"decision.take_profit": None}),
    ("fee not known", R.REWARD_RISK, REJECT, {"market.taker_fee_rate": None}),
    ("move under slippage and fees", R.EXPECTED_MOVE, REJECT, {"decision.take_profit": D(50120)}),
    ("move just over the fees", R.EXPECTED_MOVE, PASS, {"decision.take_profit": D(50130), "live.funding_rate": D(0)}),
    (
        "funding due and paid",
        R.EXPECTED_MOVE,
        REJECT,
        {"decision.take_profit": D(50130), "live.funding_rate": D("0.0005")},
    ),
    (
        "funding due and received",
        R.EXPECTED_MOVE,
        PASS,
        {"decision.take_profit": D(50130), "live.funding_rate": D("-0.0005")},
    ),
    (
        "funding after the assumed holding",
        R.EXPECTED_MOVE,
        PASS,
        {
            "decision.take_profit": D(50130),
            "live.funding_rate": D("0.0005"),
            "live.next_funding_at": NOW + timedelta(hours=5),
        },
    ),
    ("funding not known", R.EXPECTED_MOVE, REJECT, {"live.funding_rate": None}),
    ("budget spent", R.MODEL_BUDGET, HOLD, {"history.model_spend_today_usd": D(10)}),
    ("budget nearly spent", R.MODEL_BUDGET, PASS, {"history.model_spend_today_usd": D("9.99")}),
    ("no budget and nothing spent", R.MODEL_BUDGET, PASS, {"history.model_budget_usd": D(0)}),
    ("spend not known", R.MODEL_BUDGET, REJECT, {"history.model_spend_today_usd": None}),
    ("5 % margin", R.TRADE_MARGIN, PASS, {"decision.size_pct": D(5)}),
    ("6 % margin", R.TRADE_MARGIN, CUT, {"decision.size_pct": D(6)}),
    ("ADD beyond the room left", R.TRADE_MARGIN, CUT, ADD_ENTRY | {"account.positions": (pos(BTC, "1", "200"),)}),
    ("ADD within the room left", R.TRADE_MARGIN, PASS, ADD_ENTRY),
    ("leverage at the limit", R.LEVERAGE, PASS, {"account.leverage": {BTC: D(3)}}),
    ("leverage above it", R.LEVERAGE, CUT, {"account.leverage": {BTC: D(10)}}),
    ("leverage not known", R.LEVERAGE, REJECT, {"account.leverage": {}}),
    (
        "correlated, same side",
        R.CORRELATION,
        CUT,
        {"account.positions": (pos(ETH),), "market.correlations": {ETH: 0.9}},
    ),
    (
        "correlated, other side",
        R.CORRELATION,
        PASS,
        {"account.positions": (pos(ETH, "-1"),), "market.correlations": {ETH: 0.9}},
    ),
    (
        "mirrored, other side",
        R.CORRELATION,
        CUT,
        {"account.positions": (pos(ETH, "-1"),), "market.correlations": {ETH: -0.9}},
    ),
    (
        "correlated entry coming",
        R.CORRELATION,
        CUT,
        {"account.open_intents": (coming(SOL),), "market.correlations": {SOL: 0.9}},
    ),
    (
        "correlation is no number",
        R.CORRELATION,
        REJECT,
        {"account.positions": (pos(ETH),), "market.correlations": {ETH: float("nan")}},
    ),
    ("correlation not known", R.CORRELATION, REJECT, {"account.positions": (pos(ETH),), "market.correlations": {}}),
    ("little correlation", R.CORRELATION, PASS, {"account.positions": (pos(ETH),), "market.correlations": {ETH: 0.8}}),
    ("15 % in all", R.TOTAL_MARGIN, PASS, {"account.positions": (pos(ETH, "1", "1100"),)}),
    ("over 15 % in all", R.TOTAL_MARGIN, REJECT, {"account.positions": (pos(ETH, "1", "1150"),)}),
    (
        "over 15 % with what is coming",
        R.TOTAL_MARGIN,
        REJECT,
        {"account.positions": (pos(ETH, "1", "700"),), "account.open_intents": (coming(SOL, "buy", "500"),)},
    ),
    ("margin of a position not known", R.TOTAL_MARGIN, REJECT, {"account.positions": (pos(ETH, "1", "0"),)}),
    ("not enough available", R.TOTAL_MARGIN, REJECT, {"account.available": D(100)}),
    ("equity not known", R.TOTAL_MARGIN, REJECT, {"account.equity": None}),
    ("size of nothing", R.SIZE, REJECT, {"decision.size_pct": D(0)}),
    ("under the minimum", R.SIZE, REJECT, {"decision.size_pct": D("0.01")}),
]


@pytest.mark.parametrize("check, effect, changes", [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_risk_table(given_entry: Given, check: Refusal, effect: Effect, changes: dict[str, Any]) -> None:
    verdict = judge(given_entry(changes))
    result = next(c for c in verdict.checks if c.name is check)
    assert result.effect is effect, result
    assert verdict.approved is (not verdict.refused_by)
    if effect in (REJECT, HOLD):
        assert check in verdict.refused_by
        assert verdict.contracts == 0
        assert result.reason
        assert str(check) in verdict.reason


def test_the_good_entry_passes_every_check_uncut(given_entry: Given) -> None:
    verdict = judge(given_entry())
    assert verdict.approved
    assert {c.effect for c in verdict.checks} == {PASS}
    # 4 % of 10,000 at 3× = 1,200 USDT at 50,000.1 a coin, 0.01 coins a contract, lots of 0.01
    assert verdict.contracts == D("2.39")
    assert verdict.leverage == 3
    assert (verdict.side, verdict.price) == ("buy", D("50075.1"))
    assert (verdict.stop_loss, verdict.take_profit) == (49500, 51500)
    assert verdict.margin == D("2.39") * D("0.01") * D("50075.1") / 3


def test_an_oversized_trade_is_cut_to_the_limit(given_entry: Given) -> None:
    verdict = judge(given_entry({"decision.size_pct": D(50)}))
    assert verdict.approved
    assert verdict.effect is CUT
    assert verdict.contracts == D("2.99")
    assert verdict.margin is not None
    assert verdict.margin <= 500


def test_leverage_above_the_limit_leaves_margin_times_limit(given_entry: Given) -> None:
    verdict = judge(given_entry({"account.leverage": {BTC: D(10)}, "decision.size_pct": D(5)}))
    assert verdict.approved
    notional = verdict.contracts * D("0.01") * D("50000.1")
    assert notional <= 500 * 3
    assert verdict.leverage == 10


def test_one_repeated_position_halves_two_leave_a_third(given_entry: Given) -> None:
    one = {"account.positions": (pos(ETH),), "market.correlations": {ETH: 0.9, SOL: 0.9}}
    two = one | {"account.positions": (pos(ETH), pos(SOL))}
    whole = judge(given_entry()).contracts
    assert judge(given_entry(one)).contracts == (whole / 2).quantize(D("0.01"), "ROUND_DOWN")
    assert judge(given_entry(two)).contracts == (whole / 3).quantize(D("0.01"), "ROUND_DOWN")


def test_the_largest_order_caps_the_size(given_entry: Given) -> None:
    small = replace(given_entry().instrument, max_mkt_sz=D(2))
    verdict = judge(given_entry({"instrument": small}))
    assert verdict.approved
    assert verdict.contracts == 2


def test_a_suspended_instrument_is_refused(given_entry: Given) -> None:
    suspended = replace(given_entry().instrument, state="suspend")
    assert judge(given_entry({"instrument": suspended})).refused_by == (R.INSTRUMENT_LOCKED,)


def test_an_add_takes_the_direction_of_its_position(given_entry: Given) -> None:
    short = pos(BTC, "-0.5", "100")
    covered = short.model_copy(update={"stop_px": D(50500), "target_px": D(48500)})
    verdict = judge(given_entry(ADD_ENTRY | {"account.positions": (covered,)}))
    assert verdict.approved
    assert verdict.side == "sell"
    assert R.STOP_LOSS in judge(given_entry(ADD_ENTRY | {"account.positions": (short,)})).refused_by


def test_an_add_is_judged_by_the_stop_and_target_of_its_position(given_entry: Given) -> None:
    """They stay in force for the whole of it: what the decision names would never be on the exchange."""
    far = pos(BTC, "0.5", "100").model_copy(update={"stop_px": D(48000)})
    assert set(judge(given_entry(ADD_ENTRY | {"account.positions": (far,)})).refused_by) == {
        R.STOP_DISTANCE,
        R.REWARD_RISK,
    }
    uncovered = far.model_copy(update={"stop_px": None})
    assert R.STOP_LOSS in judge(given_entry(ADD_ENTRY | {"account.positions": (uncovered,)})).refused_by
    named = ADD_ENTRY | {"decision.stop_loss": D(49900), "decision.take_profit": D(60000)}
    verdict = judge(given_entry(named))
    assert (verdict.approved, verdict.stop_loss, verdict.take_profit) == (True, 49500, 51500)


def test_a_limit_entry_is_judged_at_its_limit(given_entry: Given) -> None:
    """Reward over risk is 1.6 at the quote and 1.47 at the limit a little above it."""
    changes = {"decision.take_profit": D(51000)}
    limit = {"decision.order_type": "limit", "decision.limit_price": D(50010)}
    assert judge(given_entry(changes | limit)).approved
    verdict = judge(given_entry(changes | limit | {"decision.limit_price": D(50070)}))
    assert verdict.refused_by == (R.REWARD_RISK,)
    assert verdict.price == 50070


def test_stop_target_and_limit_are_judged_as_they_are_sent(given_entry: Given) -> None:
    """On the tick of 0.1: the limit rounded to the better side, stop and target to the nearest."""
    asked = {"decision.order_type": "limit", "decision.limit_price": D("50000.19")}
    levels = {"decision.stop_loss": D("49500.06"), "decision.take_profit": D("51499.94")}
    verdict = judge(given_entry(asked | levels))
    assert (verdict.price, verdict.stop_loss, verdict.take_profit) == (D("50000.1"), D("49500.1"), D("51499.9"))
    short = judge(given_entry(SHORT_ENTRY | {"decision.order_type": "limit", "decision.limit_price": D("49999.91")}))
    assert (short.side, short.price) == ("sell", D(50000))


def test_a_short_binds_margin_for_its_best_fill(given_entry: Given) -> None:
    """30 bps above the snapshot's price, the furthest the market may have moved when the order is sent."""
    verdict = judge(given_entry(SHORT_ENTRY))
    assert verdict.approved
    assert verdict.price == 49925
    assert verdict.margin == verdict.contracts * D("0.01") * D(50150) / 3


class TestLeaving:
    """CLOSE, REDUCE and HOLD."""

    def test_close_is_the_whole_position(self, given_entry: Given) -> None:
        verdict = judge(given_entry({"decision.action": Action.CLOSE, "account.positions": (pos(BTC, "-1.5"),)}))
        assert (verdict.approved, verdict.contracts, verdict.effect) == (True, D("1.5"), PASS)

    def test_close_of_unknown_positions_passes_without_a_size(self, given_entry: Given) -> None:
        verdict = judge(given_entry({"decision.action": Action.CLOSE, "account.positions": None}))
        assert (verdict.approved, verdict.contracts) == (True, 0)

    def test_close_of_nothing_ends_as_hold(self, given_entry: Given) -> None:
        verdict = judge(given_entry({"decision.action": Action.CLOSE}))
        assert (verdict.approved, verdict.effect) == (False, HOLD)

    @pytest.mark.parametrize(
        "size_pct, held, closed",
        [
            ("50", "2", "1"),
            ("33", "1", "0.33"),
            ("100", "1.5", "1.5"),
            ("10", "0.05", "0.01"),  # under the minimum order: the minimum
            ("60", "0.02", "0.01"),
            ("99.9", "1", "0.99"),
            ("50", "0.01", "0.01"),  # nothing smaller can be left
        ],
    )
    def test_reduce_is_a_share_of_the_position(self, given_entry: Given, size_pct: str, held: str, closed: str) -> None:
        changes = {
            "decision.action": Action.REDUCE,
            "decision.size_pct": D(size_pct),
            "account.positions": (pos(BTC, held),),
        }
        verdict = judge(given_entry(changes))
        assert (verdict.approved, verdict.contracts) == (True, D(closed))

    def test_reduce_of_an_unknown_position_has_no_size(self, given_entry: Given) -> None:
        changes = {"decision.action": Action.REDUCE, "account.positions": None}
        assert judge(given_entry(changes)).refused_by == (R.SIZE,)

    def test_reduce_is_at_most_one_order(self, given_entry: Given) -> None:
        small = replace(given_entry().instrument, max_mkt_sz=D(2))
        changes = {"decision.action": Action.REDUCE, "decision.size_pct": D(50), "instrument": small}
        assert judge(given_entry(changes | {"account.positions": (pos(BTC, "-10"),)})).contracts == 2

    @pytest.mark.parametrize("action", [Action.CLOSE, Action.REDUCE])
    def test_an_exit_from_another_instrument_is_refused(self, given_entry: Given, action: Action) -> None:
        changes = {"decision.action": action, "decision.inst_id": ETH, "decision.size_pct": D(50)}
        verdict = judge(given_entry(changes | {"account.positions": (pos(BTC), pos(ETH))}))
        assert (verdict.approved, verdict.contracts, verdict.refused_by) == (False, 0, (R.SIZE,))

    def test_hold_is_approved_with_nothing_to_do(self, given_entry: Given) -> None:
        verdict = judge(given_entry({"decision.action": Action.HOLD, "entries_allowed": None}))
        assert (verdict.approved, verdict.effect, verdict.contracts) == (True, HOLD, 0)
