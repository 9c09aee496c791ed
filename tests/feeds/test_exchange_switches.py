"""The feeds on an exchange that does either of what OKX leaves open about its channels."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy import select

from exchange.redis_client import build_redis
from execution.context import ExecutionContext
from feeds.account import AccountFeed
from feeds.control import ControlStream
from feeds.dispatch import Dispatcher
from feeds.market import MarketFeed
from models import AlgoOrder, Fill, Position
from paper.launch import ExchangeProcess, launch
from settings import AnySettings
from tests.feeds.test_account import BTC, SIZE, Queued, Until, buy

WAYS = (
    ("push_order=positions_first", "push_timing=before_reply", "instruments_greeting=list"),
    ("push_order=positions_first", "push_timing=after_reply", "candles_on_public=accept"),
    ("push_order=orders_first", "push_timing=after_reply", "rate_limits=on"),
)


@pytest.fixture(scope="module", params=WAYS, ids=", ".join)
def paper(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    given = [part for switch in request.param for part in ("--switch", switch)]
    arguments = ["--speed", "lockstep", "--admin", "--warmup-bars", "600", *given]
    process = launch(tmp_path_factory.mktemp("paper"), arguments)
    yield process
    process.stop()


@pytest.fixture
def account_feed(
    settings: AnySettings, ctx: ExecutionContext, dispatcher: Dispatcher, redis_url: str, queued: Queued, until: Until
) -> Iterator[AccountFeed]:
    """A connected account feed."""
    feed = AccountFeed(settings, ctx, dispatcher, ControlStream(ctx, build_redis(redis_url)))
    feed.start()
    until(lambda: any(task == "account.reconcile" for task, _ in queued("account")))
    yield feed
    feed.stop()


def test_a_life_reaches_the_mirror(account_feed: AccountFeed, ctx: ExecutionContext, until: Until) -> None:
    def mirrored() -> tuple[Decimal, list[Decimal], int]:
        with ctx.sessions() as session:
            held = session.scalar(select(Position.contracts).where(Position.inst_id == BTC)) or Decimal(0)
            fills = session.scalars(select(Fill.sz_contracts).order_by(Fill.id)).all()
            stops = session.scalars(select(AlgoOrder.id).where(AlgoOrder.state == "live")).all()
        return held, list(fills), len(stops)

    buy(ctx, "either1")
    until(lambda: mirrored() == (SIZE, [SIZE], 1))
    ctx.exchange.close_position(BTC, "isolated", "either1c")
    until(lambda: mirrored() == (Decimal(0), [SIZE, SIZE], 0))


def test_the_market_feed_gets_ready(feed: MarketFeed) -> None:
    """The fixture waits for every channel of every instrument."""
    assert feed.ready
