"""Lockstep: a bar is over when everything it causes is written down, and the next begins only then."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select, update

from exchange.redis_client import build_redis
from execution import control
from execution.context import ExecutionContext
from feeds import market, pacer
from feeds.account import AccountFeed
from feeds.control import ControlStream
from feeds.dispatch import Dispatcher
from feeds.settled import Books, Truth, read_truth
from models import BotState, DecisionCycle, Position, Reflection, Trade
from paper.launch import ExchangeProcess
from settings import AnySettings
from trading.clock import wall_now
from trading.orders import OrderRequest

BTC = "BTC-USDT-SWAP"
FLAT = Truth({}, None)
Until = Callable[..., None]


@pytest.fixture
def books(ctx: ExecutionContext) -> Iterator[Books]:
    books = Books(ctx)
    yield books
    books.close()


@pytest.fixture
def reconciled(ctx: ExecutionContext) -> ExecutionContext:
    with ctx.sessions.begin() as session:
        session.execute(update(BotState).values(reconciled_at=wall_now()))
    return ctx


def test_nothing_is_awaited_of_a_quiet_account(reconciled: ExecutionContext, books: Books) -> None:
    assert books.unsettled(FLAT) == []


def test_first_reconcile_is_awaited(books: Books) -> None:
    assert books.unsettled(FLAT) == ["the first reconcile"]


def test_bot_that_drains_is_waited_for(reconciled: ExecutionContext, books: Books) -> None:
    with reconciled.sessions.begin() as session:
        session.execute(update(BotState).values(state="draining"))
    assert books.unsettled(FLAT) == ["the bot is draining"]


def test_position_and_fill_of_the_exchange_are_awaited(reconciled: ExecutionContext, books: Books) -> None:
    last = reconciled.exchange.ticker(BTC).last
    stop = (last * Decimal("0.97")).quantize(Decimal("0.1"))
    request = OrderRequest(BTC, "buy", "market", Decimal("0.3"), "paced1", "isolated", stop_loss_px=stop)
    reconciled.exchange.place_order(request, wall_now() + timedelta(seconds=3))
    truth = read_truth(reconciled)
    assert truth.contracts == {BTC: Decimal("0.3")}
    assert truth.fill is not None
    assert books.unsettled(truth) == ["the mirror of positions", f"the mirror of fill {truth.fill[1]}"]
    assert read_truth(reconciled, old_fill=truth.fill).fill is None


def test_position_without_a_stop_is_awaited(reconciled: ExecutionContext, books: Books) -> None:
    with reconciled.sessions.begin() as session:
        session.add(
            Position(
                account_id=reconciled.account_id, inst_id=BTC, mgn_mode="isolated", pos_side="net", pos_id="1",
                contracts=Decimal("0.3"), updated_market_at=wall_now(),
            )
        )  # fmt: skip
    assert books.unsettled(Truth({BTC: Decimal("0.3")}, None)) == [f"a stop in {BTC}"]


@pytest.fixture
def running_bot(
    environment: dict[str, str], settings: AnySettings, ctx: ExecutionContext, dispatcher: Dispatcher,
    redis_url: str, tmp_path: Path, until: Until,
) -> Iterator[None]:  # fmt: skip
    """Both feeds, the worker that decides and the one that reconciles; halted: nothing but decisions happens."""
    control.halt(ctx, reason="decide only", actor="test", channel="cli")
    log = (tmp_path / "worker.log").open("w")
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tasks.worker", name],
            env={**os.environ, **environment, "OKXBOT_HOME": str(tmp_path)},
            stdout=log, stderr=log, start_new_session=True, cwd=Path(__file__).resolve().parents[2],
        )
        for name in ("orchestrator", "account")
    ]  # fmt: skip
    market_feed = market.build(settings)
    account_feed = AccountFeed(settings, ctx, dispatcher, ControlStream(ctx, build_redis(redis_url)))
    try:
        market_feed.start()
        account_feed.start()
        until(lambda: market_feed.ready, 30)
        yield
    finally:
        for worker in workers:
            worker.terminate()
        market_feed.stop()
        account_feed.stop()
        for worker in workers:
            worker.wait(30)
        log.close()


def test_bars_follow_each_other_with_every_cycle_in_order(
    running_bot: None, ctx: ExecutionContext, settings: AnySettings, paper: ExchangeProcess, until: Until
) -> None:
    before = paper.get("/paper/clock")["market_ms"]
    pacing = pacer.build(settings)
    pacing.start()
    try:
        until(lambda: pacing.bars_played >= 4, 60)
    finally:
        pacing.stop()
    assert not pacing.healthy()
    with ctx.sessions() as session:
        cycles = session.scalars(select(DecisionCycle).order_by(DecisionCycle.created_at)).all()
    whole = [cycle for cycle in cycles if cycle.finished_at is not None][: 3 * 4]
    expected = [
        (inst_id, number) for number in range(4) for inst_id in settings.instruments
    ]  # the bar that had closed when the pacer came, then one after the other
    seen = [(c.inst_id, (c.slot.timestamp() * 1000 - before) / 300_000) for c in whole]
    assert seen == expected
    ended = [cycle.finished_at for cycle in whole]
    assert all(done is not None and done <= later.created_at for done, later in zip(ended, whole[1:], strict=False))


def test_the_peak_follows_the_equity_each_hour_of_the_market(
    ctx: ExecutionContext, settings: AnySettings, paper: ExchangeProcess
) -> None:
    def peak() -> Decimal | None:
        with ctx.sessions() as session:
            return session.get_one(BotState, ctx.account_id).peak_equity

    hour = ctx.clock.market_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    equity = ctx.exchange.balance().equity
    lower = equity - 100
    pacing = pacer.build(settings)
    try:
        pacing._observe_equity(hour - timedelta(minutes=5))
        with ctx.sessions.begin() as session:
            session.get_one(BotState, ctx.account_id).peak_equity = lower
        pacing._observe_equity(hour - timedelta(minutes=5))
        assert peak() == lower, "a push may tell of a deposit whose bill is not known yet"
        pacing._observe_equity(hour)
        assert peak() == equity
    finally:
        pacing._dispatcher.close()
        pacing._books.close()


def test_the_next_bar_waits_for_the_reflection_of_a_window_that_has_ended(
    ctx: ExecutionContext, settings: AnySettings, queued: Callable[..., list[object]], until: Until
) -> None:
    """Else the same seed would give other playbooks on a slower machine."""
    slot = ctx.clock.market_now()
    closed = slot - timedelta(hours=7)
    with ctx.sessions.begin() as session:
        session.add(
            Trade(
                account_id=ctx.account_id, inst_id=BTC, side="long", contracts=Decimal(0), max_contracts=Decimal(1),
                entry_px=Decimal(100), opened_market_at=closed - timedelta(hours=1), closed_market_at=closed,
            )
        )  # fmt: skip
    pacing = pacer.build(settings)
    learning = threading.Thread(target=pacing._learn, args=(slot,))
    learning.start()
    try:
        until(lambda: ("reflection.due", ["pacer"]) in queued("reflection"))
        assert learning.is_alive()
        with ctx.sessions.begin() as session:
            session.add(
                Reflection(
                    account_id=ctx.account_id, kind="deep", window="deep:first", window_end=slot, statistics={},
                    text="", outcome="no_change", reason="",
                )
            )  # fmt: skip
        learning.join(10)
        assert not learning.is_alive()
    finally:
        pacing._stopping.set()
        learning.join(10)
        pacing._dispatcher.close()
        pacing._books.close()
