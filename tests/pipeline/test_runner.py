"""One result a stage, whoever delivers how often; and every failure on the way in ends as HOLD with its reason."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from time import sleep

import pytest

from exchange.client import OkxExchange
from exchange.market_series import SeriesCache
from exchange.redis_client import build_redis
from models import Order, RiskVerdict
from pipeline import claims, runner
from pipeline.market_view import BARS, full_snapshot
from pipeline.stage import LEASE_S, StaleClaim
from trading.clock import wall_now
from trading.decision import Action

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def test_a_cycle_runs_from_collect_to_its_end_in_one_call_with_the_rules_analyst(desk):
    cycle_id = desk.cycle()
    ended_at = desk.advance(cycle_id)
    row = desk.row(cycle_id)
    assert ended_at == row.stage
    assert row.stage in ("done", "execute")
    assert desk.stages(cycle_id)[:2] == ["collect", "analyze"]
    assert row.snapshot["market"]["frames"]["5m"]["rsi14"] is not None
    assert row.claim_token is None


def test_two_deliveries_at_once_give_one_result(desk, in_threads):
    cycle_id = desk.cycle()
    ends = in_threads([lambda: desk.advance(cycle_id)] * 2)
    assert sorted(end == "not_ours" for end in ends) == [False, True]
    assert len(desk.stages(cycle_id)) == len(set(desk.stages(cycle_id)))


def test_a_late_delivery_of_a_cycle_that_has_ended_changes_nothing(desk):
    cycle_id = desk.decided(Action.HOLD)
    assert desk.advance(cycle_id) == "done"
    before = desk.row(cycle_id)
    assert desk.advance(cycle_id) == "not_ours"
    assert desk.row(cycle_id).stage_log == before.stage_log
    assert desk.row(cycle_id).finished_at == before.finished_at


def test_a_message_on_the_wrong_queue_finds_nothing(desk):
    cycle_id = desk.cycle()
    assert [desk.advance(cycle_id, queue) for queue in ("haiku", "opus", "account", "trade")] == ["not_ours"] * 4
    assert desk.stages(cycle_id) == []


def test_a_claim_that_ran_out_drops_its_result(desk):
    """The first worker hangs in the exchange beyond its lease; the second finishes; then the first wakes up."""
    cycle_id = desk.cycle()
    desk.bot.fault("reply_delayed", "/api/v5/account/balance", seconds=1.2)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(desk.advance, cycle_id)
        while desk.row(cycle_id).claim_token is None:
            pass
        desk.change(cycle_id, lease_until=wall_now() - timedelta(seconds=1))
        quick = desk.advance(cycle_id)
        stages = desk.stages(cycle_id)
        assert slow.result(10) == "not_ours"
    assert quick in ("done", "execute")
    assert desk.stages(cycle_id) == stages


def test_a_gate_whose_claim_was_lost_while_it_decided_leaves_nothing_behind(desk):
    cycle_id = desk.decided(Action.OPEN_LONG)
    desk.bot.fault("reply_delayed", "/api/v5/account/balance", seconds=1.2)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(desk.advance, cycle_id)
        while desk.row(cycle_id).claim_token is None:
            pass
        desk.change(cycle_id, claim_token="5f0c1a52-5a5b-4a55-8a55-0123456789ab")
        assert slow.result(10) == "not_ours"
    assert desk.row(cycle_id).stage == "gate"
    assert desk.bot.sent == []
    with desk.bot.sessions() as session:
        assert session.query(Order).count() == 0
        assert session.query(RiskVerdict).count() == 0


def test_a_running_lease_keeps_everybody_else_out(desk):
    cycle_id = desk.cycle()
    with desk.bot.sessions.begin() as session:
        mine = claims.claim(session, cycle_id, ("collect",), wall_now())
    assert desk.advance(cycle_id) == "not_ours"
    with desk.bot.sessions.begin() as session:
        after_lease = wall_now() + timedelta(seconds=LEASE_S["collect"] + 1)
        theirs = claims.claim(session, cycle_id, ("collect",), after_lease)
    with pytest.raises(StaleClaim), desk.bot.sessions.begin() as session:
        claims.settle(session, mine, mine.claim_token, {"stage": "analyze"}, {"stage": "collect"})
    assert desk.row(cycle_id).claim_token == theirs.claim_token
    assert desk.row(cycle_id).stage == "collect"


def test_a_stage_that_raises_ends_the_cycle_as_hold_with_its_reason(desk):
    cycle_id = desk.decided(Action.OPEN_LONG, decision={"action": "BUY_EVERYTHING"})
    assert desk.advance(cycle_id) == "done"
    row = desk.row(cycle_id)
    assert (row.outcome, row.reason) == ("hold", "hold: ValidationError in stage gate")


def test_a_stage_whose_result_cannot_be_written_ends_the_cycle_as_hold(desk):
    """The gate decides inside the committing transaction; what fails there fails the cycle, not the worker."""
    cycle_id = desk.decided(Action.OPEN_LONG)
    forgetful = replace(desk.ctx, instruments={})
    assert runner.advance(forgetful, cycle_id, "cycle") == "done"
    row = desk.row(cycle_id)
    assert (row.outcome, row.reason) == ("hold", "hold: KeyError in stage gate")
    assert desk.bot.sent == []


def test_without_the_deciding_candle_a_cycle_tries_again_and_then_holds(desk):
    cycle_id = desk.cycle(slot=desk.slot + timedelta(minutes=5))
    for attempt in (1, 2):
        assert desk.advance(cycle_id) == "collect"
        row = desk.row(cycle_id)
        assert row.attempt == attempt
        assert row.not_before > wall_now()
        assert desk.advance(cycle_id) == "not_ours"  # not before its time
        desk.change(cycle_id, not_before=wall_now())
    assert desk.advance(cycle_id) == "done"
    row = desk.row(cycle_id)
    assert row.outcome == "hold"
    assert row.reason.startswith("hold: the 5m candle closing")
    assert row.reason.endswith("has not arrived")


def test_without_redis_a_cycle_tries_again_and_then_holds(desk):
    deaf = replace(desk.ctx, cache=SeriesCache(build_redis("redis://127.0.0.1:1/0")))
    cycle_id = desk.cycle()
    for _ in range(2):
        assert runner.advance(deaf, cycle_id, "cycle") == "collect"
        desk.change(cycle_id, not_before=None)
    assert runner.advance(deaf, cycle_id, "cycle") == "done"
    assert desk.row(cycle_id).reason == "hold: Redis does not answer (ConnectionError)"


def test_with_the_exchange_unreachable_a_cycle_holds(desk):
    alone = desk.bot.settings.model_copy(update={"okx_rest_url": "http://127.0.0.1:1"})
    exchange = OkxExchange.from_settings(alone)
    execution = replace(desk.bot.ctx, exchange=exchange, settings=alone)
    cycle_id = desk.cycle()
    assert runner.advance(replace(desk.ctx, execution=execution), cycle_id, "cycle") == "done"
    row = desk.row(cycle_id)
    assert row.outcome == "hold"
    assert row.reason.startswith("hold: account state unknown: ")
    exchange.close()


@pytest.mark.parametrize("stage", ["collect", "screen", "research", "analyze"])
def test_after_its_deadline_nobody_is_asked(desk, stage):
    queue = {"screen": "haiku", "research": "perplexity"}.get(stage, "cycle")
    cycle_id = desk.cycle(stage=stage, deadline=wall_now() - timedelta(seconds=1))
    desk.advance(cycle_id, queue)
    if queue != "cycle":
        assert desk.bot.sent == [("cycle.run", "cycle", [cycle_id])]
        desk.advance(cycle_id)
    row = desk.row(cycle_id)
    assert row.outcome == "hold"
    assert "deadline had passed" in row.reason
    assert row.decision is None


def test_a_stage_that_kills_every_worker_is_given_up(desk):
    cycle_id = desk.cycle()
    for _ in range(3):
        with desk.bot.sessions.begin() as session:
            assert claims.claim(session, cycle_id, ("collect",), wall_now()) is not None
        desk.change(cycle_id, lease_until=wall_now() - timedelta(seconds=1))
    assert desk.advance(cycle_id) == "done"
    assert desk.row(cycle_id).reason == "hold: stage collect was begun 3 times and never ended"


def test_a_journal_that_always_fails_ends_as_unknown(desk):
    """Whatever the defect, a cycle must not run for ever."""
    order = desk.bot.intend(BTC)
    desk.change(order.cycle_id, stage="journal", decision=["not", "a", "decision"])
    assert desk.advance(order.cycle_id) == "journal"
    desk.change(order.cycle_id, not_before=None, attempt=9)
    assert desk.advance(order.cycle_id) == "done"
    row = desk.row(order.cycle_id)
    assert (row.outcome, row.reason) == ("unknown", "AttributeError in stage journal")


def test_an_approved_entry_leaves_one_intent_and_one_message(desk):
    cycle_id = desk.decided(Action.OPEN_LONG)
    assert desk.advance(cycle_id) == "execute"
    with desk.bot.sessions() as session:
        (order,) = session.query(Order).filter_by(cycle_id=cycle_id)
    assert desk.bot.sent == [("trade.submit", "trade", [order.id])]
    assert order.state == "intended"
    assert desk.verdict(cycle_id).approved


def test_two_gates_at_once_cannot_both_take_the_room_for_one_entry(desk, in_threads):
    first = desk.decided(Action.OPEN_LONG)
    second = desk.decided(Action.OPEN_SHORT, slot=desk.slot - timedelta(minutes=5))
    ends = in_threads([lambda: desk.advance(first), lambda: desk.advance(second)])
    assert sorted(ends) == ["done", "execute"]
    held = desk.row(first if ends[0] == "done" else second)
    assert held.outcome == "rejected"
    with desk.bot.sessions() as session:
        assert session.query(Order).count() == 1


def test_an_entry_filled_while_the_account_was_read_is_seen_before_the_next_is_approved(desk):
    """Its intent is no longer open and the reading does not show its position: the gate must look again."""
    cycle_id = desk.decided(Action.OPEN_LONG, ETH)
    desk.bot.fault("reply_delayed", "/api/v5/account/positions", seconds=1.5)
    with ThreadPoolExecutor(1) as pool:
        judging = pool.submit(desk.advance, cycle_id)
        while desk.row(cycle_id).claim_token is None:
            pass
        sleep(0.3)  # by then its request waits in the exchange
        desk.bot.enter(BTC)
        assert judging.result(10) == "gate"
    row = desk.row(cycle_id)
    assert row.reason == "another entry was filled while the account was read"
    desk.market.speaks()
    desk.change(cycle_id, not_before=None)
    assert desk.advance(cycle_id) in ("execute", "done")
    assert [p["inst_id"] for p in desk.verdict(cycle_id).given["account"]["positions"]] == [BTC]


def test_a_timeframe_that_has_stopped_is_as_stale_as_a_price_that_has(desk):
    """Of another instrument, the 15m candles end a bar too early: nothing is decided on the others alone."""
    other = "XRP-USDT-SWAP"  # nobody else writes its candles
    for bar in BARS:
        held = [replace(candle, inst_id=other) for candle in desk.ctx.cache.candles(BTC, bar, 50)]
        desk.market.writer.merge(other, bar, held[:-1] if bar == "15m" else held)
    assert full_snapshot(desk.ctx, other, desk.slot).late_bars == ("15m",)
    desk.market.writer.merge(other, "15m", [replace(desk.ctx.cache.candles(BTC, "15m", 1)[0], inst_id=other)])
    whole = full_snapshot(desk.ctx, other, desk.slot)
    assert (whole.late_bars, whole.frames["15m"].bars) == ((), 50)
