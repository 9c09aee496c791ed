"""The account feed on a real exchange and PostgreSQL: what happens on the account ends in the mirror tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from exchange.redis_client import build_redis
from execution.context import ExecutionContext
from execution.reconcile import reconcile
from feeds.account import AccountFeed
from feeds.channel_watch import LONGEST_S
from feeds.control import ControlStream
from feeds.dispatch import Dispatcher
from models import AlgoOrder, BotState, Fill, InstrumentLock, Position
from paper.launch import ExchangeProcess
from settings import AnySettings
from trading.clock import wall_now
from trading.orders import OrderRequest

BTC = "BTC-USDT-SWAP"
SIZE = Decimal("0.4")
Until = Callable[..., None]
Queued = Callable[[str], list[tuple[str, list[Any]]]]


@pytest.fixture
def feed(settings: AnySettings, ctx: ExecutionContext, dispatcher: Dispatcher, redis_url: str, queued: Queued,
         until: Until) -> Iterator[AccountFeed]:  # fmt: skip
    """A connected account feed."""
    made = AccountFeed(settings, ctx, dispatcher, ControlStream(ctx, build_redis(redis_url)))
    with connected(made, queued, until):
        yield made


@contextmanager
def connected(feed: AccountFeed, queued: Queued, until: Until) -> Iterator[AccountFeed]:
    feed.start()
    try:
        until(lambda: reconciles(queued))
        yield feed
    finally:
        feed.stop()


def reconciles(queued: Queued) -> list[str]:
    """Why reconciliations were asked for, oldest first."""
    return [str(args[0]) for task, args in queued("account") if task == "account.reconcile"]


def equity_seen_at(ctx: ExecutionContext) -> datetime | None:
    with ctx.sessions() as session:
        return session.get_one(BotState, ctx.account_id).equity_at


def buy(ctx: ExecutionContext, cl_ord_id: str) -> None:
    quote = ctx.exchange.ticker(BTC)
    request = OrderRequest(
        BTC, "buy", "market", SIZE, cl_ord_id, "isolated",
        stop_loss_px=(quote.last * Decimal("0.97")).quantize(Decimal("0.1")),
        attach_algo_cl_ord_id=f"{cl_ord_id}s",
    )  # fmt: skip
    outcome = ctx.exchange.place_order(request, wall_now() + timedelta(seconds=3))
    assert outcome.kind == "accepted", outcome


def held(ctx: ExecutionContext) -> Decimal:
    with ctx.sessions() as session:
        return session.scalar(select(Position.contracts).where(Position.inst_id == BTC)) or Decimal(0)


def test_fill_position_and_stop_reach_the_mirror(feed: AccountFeed, ctx: ExecutionContext, until: Until) -> None:
    buy(ctx, "handmade1")
    until(lambda: held(ctx) == SIZE)

    def mirrored() -> bool:
        with ctx.sessions() as session:
            fills = session.scalars(select(Fill).where(Fill.cl_ord_id == "handmade1")).all()
            stops = session.scalars(select(AlgoOrder).where(AlgoOrder.state == "live")).all()
            return [fill.sz_contracts for fill in fills] == [SIZE] and len(stops) == 1

    until(mirrored)


def test_close_is_mirrored_as_flat(feed: AccountFeed, ctx: ExecutionContext, until: Until) -> None:
    buy(ctx, "handmade2")
    until(lambda: held(ctx) == SIZE)
    ctx.exchange.close_position(BTC, "isolated", "handmade2c")
    until(lambda: held(ctx) == 0)


def test_change_of_position_asks_for_protection_in_few_messages(
    feed: AccountFeed, ctx: ExecutionContext, queued: Queued, until: Until
) -> None:
    before = len(queued("protect"))
    buy(ctx, "handmade3")
    until(lambda: held(ctx) == SIZE)
    until(lambda: len(queued("protect")) > before)
    asked = queued("protect")[before:]
    assert {task for task, _ in asked} == {"protect.check"}
    assert len(asked) <= 6


def test_equity_is_observed_at_market_time(feed: AccountFeed, ctx: ExecutionContext, until: Until) -> None:
    buy(ctx, "handmade4")

    def observed() -> bool:
        with ctx.sessions() as session:
            state = session.get_one(BotState, ctx.account_id)
            return state.equity_market_at == ctx.clock.market_now() and (state.equity or 0) > 0

    until(observed)


def test_order_by_hand_locks_the_instrument(feed: AccountFeed, ctx: ExecutionContext, until: Until) -> None:
    far = (ctx.exchange.ticker(BTC).last * Decimal("0.98")).quantize(Decimal("0.1"))
    request = OrderRequest(BTC, "buy", "limit", SIZE, "byhand", "isolated", far)
    ctx.exchange.place_order(request, wall_now() + timedelta(seconds=3))

    def locked() -> bool:
        with ctx.sessions() as session:
            return session.scalar(select(InstrumentLock.id).where(InstrumentLock.inst_id == BTC)) is not None

    until(locked)
    ctx.exchange.cancel_order(BTC, "byhand")


def test_reconnect_asks_for_a_reconcile(
    feed: AccountFeed, ctx: ExecutionContext, paper: ExchangeProcess, queued: Queued, until: Until
) -> None:
    before = len(queued("account"))
    paper.post("/paper/faults", {"name": "ws_drop"})
    until(lambda: len(queued("account")) > before)
    assert any("reconnected" in args[0] for task, args in queued("account")[before:] if task == "account.reconcile")


def test_reconnect_refuses_entries_until_reconciled(
    feed: AccountFeed, ctx: ExecutionContext, paper: ExchangeProcess, until: Until
) -> None:
    def state() -> BotState:
        with ctx.sessions() as session:
            return session.get_one(BotState, ctx.account_id)

    until(lambda: state().unsettled_at is not None)
    connected = state().unsettled_at
    reconcile(ctx, "test")
    assert state().reconciled_at is not None
    paper.post("/paper/faults", {"name": "ws_drop"})
    until(lambda: state().reconciled_at is None)
    assert connected is not None
    assert (state().unsettled_at or connected) > connected
    reconcile(ctx, "test")
    assert state().reconciled_at is not None


def test_an_account_channel_that_is_acknowledged_but_empty_is_subscribed_anew(
    settings: AnySettings, ctx: ExecutionContext, dispatcher: Dispatcher, redis_url: str, paper: ExchangeProcess,
    queued: Queued, until: Until, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("feeds.channel_watch.FIRST_WORD_S", 1.0)
    paper.post("/paper/faults", {"name": "ws_ack_without_data", "path": "/private/account$"})
    made = AccountFeed(settings, ctx, dispatcher, ControlStream(ctx, build_redis(redis_url)))
    with connected(made, queued, until):
        until(lambda: equity_seen_at(ctx) is not None)  # only a push of the channel tells it: nobody reconciles here
        assert "but silent" in reconciles(queued)[-1]


def test_an_account_channel_that_falls_silent_is_mended_and_reconciled(
    feed: AccountFeed, ctx: ExecutionContext, paper: ExchangeProcess, queued: Queued, until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    until(lambda: equity_seen_at(ctx) is not None)
    # The paper exchange repeats it every five seconds, too; with so little patience left the test stays short.
    monkeypatch.setitem(LONGEST_S, "account", 6.0)
    paper.post("/paper/faults", {"name": "push_lost", "path": "/private/account$", "count": 0})
    until(lambda: any("account channel is silent" in reason for reason in reconciles(queued)), 30)
    silent_since = equity_seen_at(ctx)
    with ctx.sessions() as session:
        assert session.get_one(BotState, ctx.account_id).reconciled_at is None  # no entries until it is reconciled
    paper.clear_faults()
    until(lambda: equity_seen_at(ctx) != silent_since, 30)
