"""Each invariant broken on purpose: found, stored, told, and entries stop; none is cried over what is merely late."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text, update

from execution import control, invariants, mirror
from execution.invariant_rules import RULES, Invariant
from execution.market_freshness import stale_candles
from execution.submit import submit
from models import Alert, AuditEntry, BotState, BreakRow, CandleRow, Fill, Order, Position, Trade
from trading.clock import wall_now
from trading.orders import AlgoRequest, OrderRequest

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def ago(**span):
    return wall_now() - timedelta(**span)


def write(bot, statement, **values):
    with bot.sessions.begin() as session:
        session.execute(statement.values(**values))


def broken(bot):
    with bot.sessions() as session:
        rows = session.scalars(select(BreakRow).where(BreakRow.source == "invariants", BreakRow.resolved_at.is_(None)))
        return {(row.name, row.inst_id, row.confirmed_at is not None) for row in rows}


def past_its_grace(bot, name):
    """As if it had been seen that long ago."""
    write(bot, update(BreakRow).where(BreakRow.name == name), first_seen_at=ago(minutes=5))
    return invariants.check(bot.ctx)


def told(bot):
    with bot.sessions() as session:
        alerts = session.scalars(select(Alert).where(Alert.kind == "invariant_broken")).all()
        audits = session.scalars(select(AuditEntry).where(AuditEntry.action == "invariant_broken")).all()
    assert all(alert.severity == "CRITICAL" for alert in alerts)
    assert len(alerts) == len(audits)
    return len(alerts)


def test_a_bot_that_trades_breaks_none(bot):
    assert invariants.check(bot.ctx) == []
    bot.enter(BTC)
    assert invariants.check(bot.ctx) == []
    bot.protect()
    submit(bot.ctx, bot.exit(BTC).id)
    assert invariants.check(bot.ctx) == []
    bot.look()
    assert invariants.check(bot.ctx) == []
    assert broken(bot) == set()
    assert bot.state().invariants_checked_at is not None


def test_every_invariant_has_a_rule_and_a_number():
    assert set(RULES) == set(Invariant)
    assert [i.number for i in Invariant] == [f"I{n}" for n in range(1, 11)]


def test_a_second_sending_that_the_exchange_refused_halts_too(bot):
    """One order exists, and yet our id was sent twice: whoever did it may do it where the exchange does not notice."""
    order = bot.intend(BTC)
    far = bot.ctx.instrument(BTC).round_price(bot.okx.ticker(BTC).bid * Decimal("0.97"))
    bot.okx.place_order(
        OrderRequest(BTC, "buy", "limit", Decimal(1), order.cl_ord_id, "isolated", px=far),
        wall_now() + timedelta(seconds=3),
    )
    assert submit(bot.ctx, order.id) == "unknown"
    assert bot.order(order.id).last_code == "51016"
    invariants.check(bot.ctx)
    assert ("one_order_per_intent", BTC, True) in broken(bot)
    assert bot.state().halt_kind == "invariant"


def test_one_intent_that_became_two_orders_halts(bot):
    order = bot.enter(BTC)
    with bot.sessions.begin() as session:
        fill = session.scalars(select(Fill).where(Fill.cl_ord_id == order.cl_ord_id)).one()
        session.add(
            Fill(
                account_id=fill.account_id, inst_id=BTC, trade_id="twice", ord_id="other", cl_ord_id=fill.cl_ord_id,
                bill_id="", side=fill.side, sz_contracts=fill.sz_contracts, px=fill.px, fee=fill.fee,
                fee_ccy="USDT", pnl=fill.pnl, exec_type="T", market_at=fill.market_at, journalled=False,
            )
        )  # fmt: skip
    assert invariants.check(bot.ctx) == ["one_order_per_intent"]
    assert bot.state().halt_kind == "invariant"
    assert order.cl_ord_id in bot.state().halt_reason
    assert told(bot) == 1
    invariants.check(bot.ctx)
    assert told(bot) == 1  # once an episode


def test_two_open_entries_in_an_instrument_halt(bot):
    with bot.sessions.begin() as session:
        session.execute(text("DROP INDEX uq_orders_one_open_entry"))
    bot.intend(BTC)
    bot.intend(BTC)
    assert invariants.check(bot.ctx) == ["one_open_entry"]
    assert bot.state().halt_kind == "invariant"


def test_an_outcome_that_stays_unknown_halts(bot):
    order = bot.intend(BTC)
    write(bot, update(Order).where(Order.id == order.id), state="unknown", submitted_at=ago(minutes=10))
    write(bot, update(BotState), reconciled_at=ago(minutes=9))
    assert invariants.check(bot.ctx) == []  # nobody could look since
    write(bot, update(BotState), reconciled_at=wall_now())
    assert invariants.check(bot.ctx) == []  # the resolver may be about to end it
    assert past_its_grace(bot, "outcome_known_in_time") == ["outcome_known_in_time"]
    assert bot.state().halt_kind == "unknown_state"


@pytest.mark.parametrize("held", [True, False])
def test_a_position_that_its_fills_do_not_make_halts_when_it_lasts(bot, held):
    bot.enter(BTC)
    if held:
        write(bot, update(Trade), contracts=Decimal("0.7"))
    else:
        write(bot, update(Trade), inst_id=ETH)
    assert invariants.check(bot.ctx) == []
    assert not bot.state().halted
    assert ("position_equals_fills", BTC, False) in broken(bot)
    assert "position_equals_fills" in past_its_grace(bot, "position_equals_fills")
    assert bot.state().halt_kind == "invariant"


def test_a_difference_that_is_locked_already_breaks_no_invariant(bot):
    bot.enter(BTC)
    bot.protect()
    bot.okx.place_order(OrderRequest(BTC, "buy", "market", Decimal("0.2"), "", "isolated"), ago(seconds=-2))
    bot.look()
    assert (BTC, "size_break") in bot.locks()
    assert invariants.check(bot.ctx) == []
    assert broken(bot) == set()


def test_a_position_that_stays_uncovered_halts(bot):
    bot.enter(BTC)
    bot.okx.cancel_algos([(a.inst_id, a.algo_id) for a in bot.okx.algos_pending()])
    bot.look()
    write(bot, update(Position), uncovered_since=wall_now())
    assert invariants.check(bot.ctx) == []
    assert broken(bot) == set()
    write(bot, update(Position), uncovered_since=ago(seconds=30))
    assert invariants.check(bot.ctx) == []  # protection may be about to mend it
    assert past_its_grace(bot, "position_covered") == ["position_covered"]
    assert bot.state().halt_kind == "invariant"


def test_a_mirror_that_is_behind_is_brought_up_to_date_before_anything_is_cried(bot):
    bot.enter(BTC)
    write(bot, update(Position), uncovered_since=ago(seconds=30))
    with bot.sessions.begin() as session:
        session.execute(text("DELETE FROM algo_orders"))  # its push was lost
    assert invariants.check(bot.ctx) == []
    assert broken(bot) == set()


def test_what_rests_on_an_unreadable_exchange_is_not_judged(bot):
    bot.enter(BTC)
    write(bot, update(Trade), contracts=Decimal("0.7"))
    invariants.check(bot.ctx)
    bot.fault("http_502_html", "/api/v5/account/positions", count=3)
    assert past_its_grace(bot, "position_equals_fills") == []
    assert not bot.state().halted
    assert invariants.check(bot.ctx) == []  # its grace begins when the exchange can be read again
    assert past_its_grace(bot, "position_equals_fills") == ["position_equals_fills"]


def test_a_stop_without_a_position_refuses_entries_while_it_lasts(bot):
    price = bot.ctx.instrument(ETH).round_price(bot.okx.ticker(ETH).last / 2)
    bot.okx.place_algo(AlgoRequest(ETH, "sell", f"{bot.ctx.order_prefix}lone", "isolated", price, None))
    for algo in bot.okx.algos_pending():
        mirror.ingest_algo(bot.ctx, algo)
    assert invariants.check(bot.ctx) == []
    assert past_its_grace(bot, "stop_has_position") == ["stop_has_position"]
    entry = bot.intend(BTC)
    assert submit(bot.ctx, entry.id) == "denied"
    assert bot.order(entry.id).last_code == "invariant"
    bot.protect()
    assert bot.okx.algos_pending() == []
    assert invariants.check(bot.ctx) == []
    assert bot.state().entries_blocked is None
    assert submit(bot.ctx, bot.intend(BTC).id) == "live"


def test_something_foreign_that_is_not_locked_refuses_entries(bot):
    bot.okx.place_order(OrderRequest(ETH, "buy", "market", Decimal("0.2"), "", "isolated"), ago(seconds=-2))
    (position,) = bot.okx.positions(ETH)
    mirror.ingest_position(bot.ctx, position)
    invariants.check(bot.ctx)
    assert past_its_grace(bot, "foreign_is_locked") == ["foreign_is_locked"]
    bot.look()
    assert invariants.check(bot.ctx) == []


def test_more_margin_than_the_limit_allows_halts(bot):
    bot.enter(BTC)
    strict = bot.with_settings(max_total_margin_pct=Decimal("0.01"))
    invariants.check(strict.ctx)
    assert past_its_grace(strict, "within_limits") == ["within_limits"]
    assert bot.state().halt_kind == "invariant"


def test_a_loss_beyond_the_limit_that_nobody_halted_for_halts(bot):
    state = bot.state()
    write(bot, update(BotState), day_baseline=state.equity * 2)
    invariants.check(bot.ctx)
    assert past_its_grace(bot, "within_limits") == ["within_limits"]
    assert bot.state().halted


@pytest.mark.parametrize("skew", ["1.2", "-1.2"])
def test_a_clock_that_disagrees_refuses_entries_until_it_agrees(bot, skew):
    write(bot, update(BotState), clock_skew_s=Decimal(skew), clock_skew_at=wall_now())
    assert invariants.check(bot.ctx) == ["clock_agrees"]
    assert not bot.state().halted
    assert submit(bot.ctx, bot.intend(BTC).id) == "denied"
    write(bot, update(BotState), clock_skew_s=Decimal("0.2"))
    assert invariants.check(bot.ctx) == []
    assert submit(bot.ctx, bot.intend(BTC).id) == "live"


def test_a_clock_nobody_measures_is_not_trusted(bot):
    write(bot, update(BotState), started_at=ago(minutes=6), equity_at=wall_now())
    assert "clock_agrees" in invariants.check(bot.ctx)


def test_stale_data_refuses_entries(bot):
    write(bot, update(BotState), started_at=ago(minutes=4), equity_at=ago(minutes=4))
    invariants.check(bot.ctx)
    assert past_its_grace(bot, "data_is_fresh") == ["data_is_fresh"] * 4  # the account and three instruments' candles
    assert not bot.state().halted
    assert bot.state().entries_blocked.startswith("I10 data_is_fresh")


def test_old_candles_are_stale_but_where_the_market_waits_for_us(bot):
    old = bot.ctx.clock.market_now() - timedelta(hours=3)
    with bot.sessions.begin() as session:
        for inst_id in bot.settings.instruments:
            prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(1))
            volumes = dict.fromkeys(("vol_contracts", "vol_coins", "vol_quote"), Decimal(1))
            session.add(CandleRow(inst_id=inst_id, bar="5m", ts=old, **prices, **volumes))
    with bot.sessions() as session:
        assert stale_candles(bot.ctx, session) == []
        assert len(stale_candles(bot.with_settings(paper_speed=1.0).ctx, session)) == len(bot.settings.instruments)


def test_what_an_invariant_halted_a_restart_does_not_lift(bot):
    control.halt(bot.ctx, reason="a test", kind="invariant", actor="invariants", channel="bot")
    assert not control.clear_automatic_halts_on_restart(bot.ctx)
    assert bot.state().halted
