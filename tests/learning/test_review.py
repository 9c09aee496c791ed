"""The review of a closed trade, out of the tables: orders, fills, candles, the snapshot of its decision."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import select

from models import CandleRow, DecisionCycle, Fill, Order, Reflection, Trade
from pipeline import learning
from tests.learning.conftest import BTC, START
from trading.clock import wall_now

D = Decimal
M = timedelta(minutes=1)


def candles(school, prices, start=START):
    """5m bars of (high, low); close in the middle."""
    with school.sessions.begin() as session:
        for number, (high, low) in enumerate(prices):
            session.add(
                CandleRow(
                    inst_id=BTC, bar="5m", ts=start + 5 * number * M, open=D(100), high=D(str(high)), low=D(str(low)),
                    close=(D(str(high)) + D(str(low))) / 2, vol_contracts=D(1), vol_coins=D(1), vol_quote=D(1),
                )
            )  # fmt: skip


def review_of(school, trade_id):
    with school.sessions() as session:
        return session.scalars(select(Reflection).where(Reflection.window == f"trade:{trade_id}")).one_or_none()


def test_a_trade_is_reviewed_once_when_its_last_candle_is_there(school):
    trade_id = school.close(1.5, START + 33 * M)  # opened three minutes after the first bar
    school.clock.at = START + 33 * M
    candles(school, [(101, 99)] * 6)
    assert learning.review_trade(school, trade_id) is False
    assert learning.review_trade(school, 10**9) is False
    candles(school, [(101.8, 99.5)], start=START + 30 * M)
    assert learning.review_open_ends(school) == 1
    assert learning.review_trade(school, trade_id) is False
    row = review_of(school, trade_id)
    with school.sessions() as session:
        trade = session.get_one(Trade, trade_id)
    assert (trade.mfe_r, trade.mae_r) == (D("1.8"), D(-1))
    assert row.statistics["hold_r"] == row.statistics["r_multiple"] == "1.5"
    assert row.statistics["excess_r"] == "0"
    assert row.statistics["planned_reward_risk"] == "2"
    assert row.text == (
        f"{trade_id}: long {BTC} by rules:momentum; the target was reached after 30.0 min; net +15.00 USDT, +1.50 R; "
        "best +1.80 R, worst -1.00 R; long over the same hours +1.50 R"
    )


def test_a_trade_whose_candles_never_come_is_reviewed_without_them(school):
    trade_id = school.close(-1.0, START + 33 * M)
    school.clock.at = START + 92 * M
    assert learning.review_open_ends(school) == 0
    school.clock.at = START + 93 * M
    assert learning.review_open_ends(school) == 1
    row = review_of(school, trade_id)
    assert (row.statistics["mfe_r"], row.statistics["bars"], row.statistics["at_exit"]) == (None, 0, {})
    assert "best" not in row.text


def test_an_open_trade_is_not_reviewed(school):
    trade_id = school.close(1.0, START + 33 * M, closed_market_at=None)
    school.clock.at = START + 99 * M
    assert learning.review_trade(school, trade_id) is False
    assert learning.review_open_ends(school) == 0


def test_costs_slippage_and_indicators_are_on_record(school):
    trade_id = school.close(1.0, START + 60 * M, fees=D("-1.2"), funding=D("-0.3"))
    candles(school, [(101, 99)] * 60, start=START - 240 * M)
    school.clock.at = START + 60 * M
    with school.sessions.begin() as session:
        trade = session.get_one(Trade, trade_id)
        cycle = session.get_one(DecisionCycle, trade.cycle_id)
        frame = {"close": 100.1, "rsi14": 61.0}
        cycle.snapshot = {"market": {"last": "99.95", "frames": {"5m": frame, "4H": frame}}}
        closing = DecisionCycle(
            account_id=school.account_id, inst_id=BTC, slot=START, opened_by="feed", deadline=wall_now(),
            snapshot={"market": {"last": "101.05"}},
        )  # fmt: skip
        session.add(closing)
        session.flush()
        common = {"account_id": school.account_id, "inst_id": BTC, "ord_type": "market", "td_mode": "isolated"}
        session.add(
            Order(cycle_id=cycle.id, leg="entry", cl_ord_id="a", side="buy", reduce_only=False,
                  reference_px=D("99.95"), **common)
        )  # fmt: skip
        close = Order(cycle_id=closing.id, leg="close", cl_ord_id="b", side="sell", reduce_only=True, **common)
        session.add(close)
        session.flush()
        session.add(
            Fill(account_id=school.account_id, order_id=close.id, inst_id=BTC, trade_id="1", ord_id="1",
                 cl_ord_id="b", bill_id="1", side="sell", sz_contracts=D(1), px=D(101), fee=D(0), fee_ccy="USDT",
                 pnl=D(0), exec_type="T", market_at=START + 60 * M)
        )  # fmt: skip
    assert learning.review_trade(school, trade_id)
    facts = review_of(school, trade_id).statistics
    assert (facts["fees"], facts["funding"]) == ("-1.2", "-0.3")
    assert D(facts["entry_slippage_bps"]) == round((D(100) / D("99.95") - 1) * 10_000, 2)  # bought dearer than seen
    assert D(facts["exit_slippage_bps"]) == round(-(D(101) / D("101.05") - 1) * 10_000, 2)  # sold cheaper
    assert facts["at_entry"] == {"5m": dict.fromkeys(facts["at_entry"]["5m"]) | frame}
    assert facts["at_exit"]["5m"]["close"] == 100.0
    assert facts["at_exit"]["5m"]["rsi14"] is not None
