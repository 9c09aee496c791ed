"""The money of a day adds up to the last digit, and what does not is named."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from sqlalchemy import select, update

from execution.submit import submit
from models import Alert, Bill, BreakRow, Fill, MoneyDay, Trade
from trading.clock import wall_now
from trading.decision import Action
from trading.money import Money, of_bill

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def days(bot):
    with bot.sessions() as session:
        return session.scalars(select(MoneyDay).order_by(MoneyDay.day)).all()


def next_bars(bot, count=1):
    bot.server.post("/paper/advance", {"bars": count})


def test_a_day_of_trading_adds_up(bot):
    bot.enter(BTC, contracts="0.5")
    bot.enter(ETH, Action.OPEN_SHORT, contracts="0.37")
    bot.protect()
    next_bars(bot)
    bot.look()
    submit(bot.ctx, bot.exit(BTC, Action.REDUCE, contracts="0.2").id)
    next_bars(bot)
    submit(bot.ctx, bot.exit(ETH).id)
    bot.look()
    day = days(bot)[-1]
    assert day.difference == 0
    assert day.fees < 0
    assert day.realised != 0
    booked = day.realised + day.fees + day.funding + day.liquidation + day.transfers + day.other
    assert day.closing_equity - day.opening_equity == booked + day.closing_upl - day.opening_upl
    with bot.sessions() as session:
        fills = session.scalars(select(Fill).where(Fill.order_id.is_not(None))).all()
    assert (day.fees, day.realised) == (sum(f.fee for f in fills), sum(f.pnl for f in fills))
    assert bot.look().named("balance_break") == []


def test_funding_and_midnight_part_the_days(bot):
    bot.enter(BTC, contracts="0.5", stop_pct="60", target_pct="90")
    first = days(bot)[-1].day
    for _ in range(13):
        next_bars(bot, 24)
        bot.look()
    found = [day for day in days(bot) if day.day >= first]
    assert len(found) >= 2
    assert [day.difference for day in found] == [0] * len(found)
    assert [day.closed for day in found] == [True] * (len(found) - 1) + [False]
    assert any(day.funding != 0 for day in found)
    assert all(a.closing_equity == b.opening_equity for a, b in pairwise(found))
    (trade,) = bot.trades()
    assert sum(day.funding for day in found) == trade.funding


def test_a_liquidation_adds_up(bot):
    bot.okx.set_leverage(BTC, 100, "isolated")
    bot.enter(BTC, contracts="0.5", stop_pct="60", target_pct="90")
    bot.okx.cancel_algos([(a.inst_id, a.algo_id) for a in bot.okx.algos_pending()])
    for _ in range(400):  # at 100x half a per cent is enough; weeks of market time are a few seconds
        next_bars(bot, 12)
        if bot.held(BTC) is None:
            break
    bot.okx.set_leverage(BTC, 3, "isolated")
    bot.look()
    assert bot.trades()[-1].exit_reason == "liquidation"
    assert sum(day.liquidation for day in days(bot)) != 0
    assert [day.difference for day in days(bot)] == [0] * len(days(bot))


def test_money_that_no_bill_explains_is_a_break_and_told_once(bot):
    bot.look()
    with bot.sessions.begin() as session:
        session.execute(update(MoneyDay).values(opening_equity=MoneyDay.opening_equity - Decimal("0.00000001")))
    report = bot.look()
    assert report.named("balance_break") == [""]
    assert "0.00000001" in report.breaks[0][2]
    bot.look()
    with bot.sessions() as session:
        assert len(session.scalars(select(Alert).where(Alert.kind == "balance_break")).all()) == 1
        (row,) = session.scalars(select(BreakRow).where(BreakRow.name == "balance_break")).all()
    assert (row.confirmed_at is not None, row.resolved_at) == (True, None)


def test_a_gap_in_the_chain_of_balances_is_a_break(bot):
    with bot.sessions.begin() as session:
        newest = session.scalars(select(Bill).order_by(Bill.id.desc()).limit(1)).one()
        newest.balance += 1
    bot.enter(BTC)
    with bot.sessions() as session:
        names = session.scalars(select(BreakRow.name)).all()
    assert "balance_break" in names


def test_a_fee_that_its_bill_does_not_know_is_a_break(bot):
    bot.enter(BTC)
    with bot.sessions.begin() as session:
        session.execute(update(Fill).values(fee=Fill.fee - Decimal("0.01")))
    assert bot.look().named("fee_break") == [BTC]
    with bot.sessions.begin() as session:
        session.execute(update(Fill).values(fee=Fill.fee + Decimal("0.01")))
    assert bot.look().breaks == []


def test_a_fill_without_a_bill_is_a_break_after_a_while(bot):
    bot.enter(BTC)
    with bot.sessions.begin() as session:
        session.execute(update(Fill).values(bill_id="lost"))
    assert bot.look().named("fee_break") == []
    with bot.sessions.begin() as session:
        session.execute(update(Fill).values(seen_at=wall_now() - timedelta(minutes=3)))
    assert bot.look().named("fee_break") == [BTC]


def test_funding_a_trade_miscounts_is_mended_from_the_bills(bot):
    bot.enter(BTC)
    with bot.sessions.begin() as session:
        session.execute(update(Trade).values(funding=Decimal("-7")))
    assert bot.look().named("funding_break") == [BTC]
    (trade,) = bot.trades()
    assert (trade.funding, trade.net_pnl) == (0, trade.pnl + trade.fees)
    assert bot.look().breaks == []
    assert bot.locks() == set()


def test_a_transfer_is_no_profit(bot):
    bot.look()
    day = days(bot)[-1]
    with bot.sessions.begin() as session:  # as booked, without its money: exactly the transfer is left over
        last = session.scalars(select(Bill).order_by(Bill.id.desc()).limit(1)).one()
        session.add(
            Bill(
                account_id=last.account_id, bill_id="999", type="1", sub_type="11", ccy="USDT", inst_id="",
                balance_change=Decimal("25"), balance=last.balance, pnl=Decimal(0), fee=Decimal(0), ord_id="",
                market_at=last.market_at,
            )
        )  # fmt: skip
    report = bot.look()
    day_after = days(bot)[-1]
    assert day_after.transfers - day.transfers == 25
    assert day_after.difference == -25
    assert report.named("balance_break")


@pytest.mark.parametrize(
    ("bill", "money"),
    [
        (("1", "100", "0", "0", None), Money(transfers=Decimal(100))),
        (("2", "-50.2", "1.5", "-0.2", "3"), Money(realised=Decimal("1.5"), fees=Decimal("-0.2"))),
        (("5", "-50.2", "-9", "-0.2", "3"), Money(realised=Decimal(-9), fees=Decimal("-0.2"))),
        (("5", "-0.4", "-0.4", "0", "0"), Money(liquidation=Decimal("-0.4"))),
        (("6", "-20", "0", "0", None), Money()),
        (("8", "-0.05", "-0.05", "0", "3"), Money(funding=Decimal("-0.05"))),
        (("9", "10", "4", "-0.1", "3"), Money(realised=Decimal(4), fees=Decimal("-0.1"))),
        (("7", "-0.3", "0", "0", None), Money(other=Decimal("-0.3"))),
    ],
)
def test_what_a_bill_means(bill, money):
    kind, change, pnl, fee, size = bill
    found = of_bill(kind, Decimal(change), Decimal(pnl), Decimal(fee), None if size is None else Decimal(size))
    assert found == money
