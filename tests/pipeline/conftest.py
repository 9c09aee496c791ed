"""The pipeline in process: real database, real market cache filled by the real writer, real paper exchange in lockstep.

Messages are collected, not sent: a test delivers them itself, twice or never.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, select, update

from brain.rules_analyst import RulesAnalyst
from exchange.client import OkxExchange
from exchange.clock import build_clock
from exchange.market_series import SeriesCache
from exchange.market_writer import MarketWriter, Quote
from execution.context import ExecutionContext
from execution.heartbeat import protection_checked
from execution.startup import bind_and_verify
from models import DecisionCycle, RiskVerdict
from models.session import build_engine, build_sessions
from paper.launch import ExchangeProcess, launch
from pipeline import runner
from pipeline.account_view import account_view, read_account
from pipeline.context import PipelineContext
from pipeline.limits import limits_of
from pipeline.market_view import BARS, full_snapshot
from runtime.redis_server import EmbeddedRedis
from settings import AnySettings, load_settings
from tests.databases import Databases, empty
from tests.execution.conftest import Bot, clear
from trading.candle import Candle
from trading.clock import Clock, slot_close, wall_now
from trading.decision import Action, Decision, Regime

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
BAR_S = 300


@dataclass
class Market:
    """What the exchange says while it stands still, and the Redis it is written to."""

    writer: MarketWriter
    redis: redis.Redis
    okx: OkxExchange
    clock: Clock
    quotes: list[Quote]
    forming: list[Candle]
    known: dict[str, Any]

    def speaks(self) -> None:
        """Every channel has just spoken."""
        self.writer.write((quote, None) for quote in self.quotes)
        for candle in self.forming:
            self.writer.form(candle)


@dataclass
class Desk:
    """What the tests drive: a pipeline context and the bot under it."""

    ctx: PipelineContext
    bot: Bot
    market: "Market"

    @property
    def slot(self) -> datetime:
        """Close of the last bar the exchange has played."""
        return slot_close(self.bot.ctx.clock.market_now(), BAR_S)

    def enter(self, inst_id: str = BTC) -> None:
        """A position of an hour ago, with its stop."""
        self.bot.enter(inst_id)
        with self.bot.sessions.begin() as session:
            session.execute(update(DecisionCycle).values(slot=DecisionCycle.slot - timedelta(hours=1)))
        self.bot.sent.clear()

    def cycle(self, inst_id: str = BTC, **columns: Any) -> int:
        """A cycle at `collect`, or wherever `columns` put it."""
        values = {
            "account_id": self.bot.ctx.account_id,
            "inst_id": inst_id,
            "slot": self.slot,
            "opened_by": "feed",
            "deadline": wall_now() + timedelta(seconds=60),
            "analyst": "rules",
        }
        with self.bot.sessions.begin() as session:
            cycle = DecisionCycle(**values | columns)
            session.add(cycle)
        return cycle.id

    def decided(self, action: Action, inst_id: str = BTC, **columns: Any) -> int:
        """A cycle at `gate`: collected for real, decided as told, stop 1 % and target 3 % away."""
        self.market.speaks()
        # Too few 4H candles for a regime: the playbook would allow nothing.
        market = full_snapshot(self.ctx, inst_id, self.slot).model_copy(update={"regime": Regime.RANGING})
        reading = read_account(self.ctx)
        with self.bot.sessions() as session:
            view = account_view(self.ctx, session, reading, self.bot.ctx.clock.market_now())
        assert market.last is not None
        up = Decimal(-1 if action is Action.OPEN_SHORT else 1)
        entering = action not in (Action.CLOSE, Action.HOLD)
        decision = Decision(
            action=action, inst_id=inst_id, size_pct=Decimal(2), strategy="momentum", reasoning="a test",
            stop_loss=market.last * (1 - up / 100) if entering else None,
            take_profit=market.last * (1 + 3 * up / 100) if entering else None,
            confidence=Decimal("0.7"),
        )  # fmt: skip
        snapshot = {name: part.model_dump(mode="json") for name, part in
                    (("market", market), ("account", view.account), ("history", view.history))}  # fmt: skip
        given = {"stage": "gate", "snapshot": snapshot, "decision": decision.model_dump(mode="json"),
                 "decided_at": wall_now()}  # fmt: skip
        return self.cycle(inst_id, **given | columns)

    def advance(self, cycle_id: int, queue: str = "cycle") -> str:
        return runner.advance(self.ctx, cycle_id, queue)

    def row(self, cycle_id: int) -> DecisionCycle:
        with self.bot.sessions() as session:
            return session.get_one(DecisionCycle, cycle_id)

    def stages(self, cycle_id: int) -> list[str]:
        """The stages that committed, in order."""
        return [entry["stage"] for entry in self.row(cycle_id).stage_log]

    def verdict(self, cycle_id: int) -> RiskVerdict:
        with self.bot.sessions() as session:
            return session.scalars(select(RiskVerdict).where(RiskVerdict.cycle_id == cycle_id)).one()

    def change(self, cycle_id: int, **columns: Any) -> None:
        """As if time had passed, or somebody else had written."""
        with self.bot.sessions.begin() as session:
            session.execute(update(DecisionCycle).where(DecisionCycle.id == cycle_id).values(**columns))


@pytest.fixture(scope="session")
def exchange_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    server = launch(tmp_path_factory.mktemp("exchange"), ["--speed", "lockstep", "--admin", "--warmup-bars", "400"])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def settings(exchange_server: ExchangeProcess) -> AnySettings:
    return load_settings(
        {
            "OKX_REST_URL": exchange_server.rest_url,
            "PAPER_SPEED": "lockstep",
            "PAPER_ACCOUNT_FILE": str(exchange_server.data / "account.json"),
            "INSTRUMENTS": f"{BTC},{ETH},{SOL}",
            "HTTP_TIMEOUT_S": "2",
            "ANALYST": "rules",
        },
        dotenv=False,
    )


@pytest.fixture(scope="session")
def market(
    exchange_server: ExchangeProcess, settings: AnySettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Market]:
    """A Redis of this room, which no other room's fixtures flush, with the exchange's candles in it."""
    okx = OkxExchange.from_settings(settings)
    quotes: list[Quote] = []
    with EmbeddedRedis(tmp_path_factory.mktemp("market")) as server:
        client = redis.Redis.from_url(server.url)
        writer = MarketWriter(client)
        for inst_id in settings.instruments:
            for bar in BARS:
                writer.merge(inst_id, bar, okx.candles(inst_id, bar, 300))
            quotes += [
                okx.ticker(inst_id), okx.book(inst_id), okx.mark_price(inst_id), okx.funding_rate(inst_id),
                okx.open_interest(inst_id),
            ]  # fmt: skip
        forming = [okx.candles(inst_id, "5m", 1)[0] for inst_id in settings.instruments]
        known = {
            "instruments": okx.instruments(settings.instruments),
            "taker_fee_rates": {inst_id: okx.fee_rate(inst_id).taker for inst_id in settings.instruments},
            "leverages": {inst_id: Decimal(settings.leverage) for inst_id in settings.instruments},
        }
        yield Market(writer, client, okx, build_clock(settings), quotes, forming, known)
        okx.close()
        client.close()


@pytest.fixture(scope="session")
def engine(databases: Databases) -> Iterator[Engine]:
    """The room's database; each test finds it empty."""
    with databases.lent() as url:
        made = build_engine(url, "tests")
        yield made
        made.dispose()


@pytest.fixture
def desk(exchange_server: ExchangeProcess, settings: AnySettings, market: Market, engine: Engine) -> Iterator[Desk]:
    empty(engine)
    sessions = build_sessions(engine)
    exchange, clock = market.okx, market.clock
    binding = bind_and_verify(settings, sessions, exchange, clock)
    sent: list[tuple[str, str, list[Any]]] = []
    execution = ExecutionContext(
        sessions, exchange, clock, settings, binding.account_id, binding.order_prefix,
        lambda task, queue, args: sent.append((task, queue, args)),
    )  # fmt: skip
    bot = Bot(execution, exchange_server, settings, sent)  # type: ignore[arg-type]
    bot.look()
    context = PipelineContext(
        execution=execution,
        settings=settings,
        cache=SeriesCache(market.redis),
        analyst=RulesAnalyst(),
        screener=None,
        researcher=None,
        limits=limits_of(settings),
        **market.known,
    )
    made = Desk(context, bot, market)
    protection_checked(execution)
    sent.clear()
    yield made
    clear(exchange)


@pytest.fixture
def in_threads() -> Callable[[list[Callable[[], Any]]], list[Any]]:
    """Run these at the same moment; their answers in order."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    def run(calls: list[Callable[[], Any]]) -> list[Any]:
        start = Barrier(len(calls))

        def one(call: Callable[[], Any]) -> Any:
            start.wait()
            return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(one, calls))

    return run
