"""A bot without queues: real database, real paper exchange in lockstep; messages are collected, not sent."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from exchange.client import OkxExchange
from exchange.clock import build_clock
from execution import intents, protection
from execution.context import ExecutionContext
from execution.reconcile import ReconcileReport, reconcile
from execution.startup import bind_and_verify
from execution.submit import submit
from models import BotState, DecisionCycle, InstrumentLock, Order, Position, Trade
from models.session import SessionFactory, build_engine, build_sessions
from paper.launch import ExchangeProcess, launch
from paper.store.credentials import create_key
from settings import PaperSettings
from trading.clock import wall_now
from trading.decision import Action, Decision, Regime
from trading.entry_price import worst_price
from trading.gate.verdict import Effect, Verdict
from trading.orders import PositionReport
from trading.snapshot import AccountSnapshot, MarketSnapshot, PositionPlan

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"


def until(condition: Callable[[], object], within_s: float = 60) -> None:
    """Look until it holds. Raises AssertionError when it never does."""
    deadline = monotonic() + within_s
    while not condition():
        assert monotonic() < deadline, f"did not happen within {within_s:.0f} s"
        sleep(0.05)


@dataclass
class Bot:
    """What the tests drive. Sizes in contracts, distances in per cent of the live price."""

    ctx: ExecutionContext
    server: ExchangeProcess
    settings: PaperSettings
    sent: list[tuple[str, str, list[Any]]] = field(default_factory=list)

    @property
    def okx(self) -> OkxExchange:
        return self.ctx.exchange

    @property
    def uid(self) -> str:
        return str(json.loads(self.settings.paper_account_file.read_text())["uid"])

    @property
    def sessions(self) -> SessionFactory:
        return self.ctx.sessions

    def market(self, inst_id: str) -> MarketSnapshot:
        ticker = self.okx.ticker(inst_id)
        now = self.ctx.clock.market_now()
        return MarketSnapshot(
            inst_id=inst_id,
            slot=now,
            taken_at=wall_now(),
            market_at=now,
            last=ticker.last,
            bid=ticker.bid,
            ask=ticker.ask,
        )

    def cycle(self, inst_id: str, decision: Decision, market: MarketSnapshot | None = None) -> DecisionCycle:
        now = self.ctx.clock.market_now()
        with self.sessions.begin() as session:
            count = len(session.scalars(select(DecisionCycle.id)).all())
            cycle = DecisionCycle(
                account_id=self.ctx.account_id,
                inst_id=inst_id,
                slot=now + timedelta(microseconds=count),
                opened_by="operator",
                stage="execute",
                deadline=wall_now() + timedelta(seconds=60),
                analyst="rules",
                playbook_version=1,
                snapshot={"market": (market or self.market(inst_id)).model_dump(mode="json")},
                decision=decision.model_dump(mode="json"),
                decided_at=wall_now(),
            )
            session.add(cycle)
        return cycle

    def intend(
        self,
        inst_id: str = BTC,
        action: Action = Action.OPEN_LONG,
        contracts: str = "0.5",
        stop_pct: str = "2",
        target_pct: str = "4",
        limit_price: Decimal | None = None,
        **changes: Any,
    ) -> Order:
        """An entry as the gate records it; with `limit_price`, of a limit decision."""
        market = self.market(inst_id)
        instrument = self.ctx.instrument(inst_id)
        assert market.last is not None
        up = Decimal(-1 if action is Action.OPEN_SHORT else 1)
        stop = instrument.round_price(market.last * (1 - up * Decimal(stop_pct) / 100))
        target = instrument.round_price(market.last * (1 + up * Decimal(target_pct) / 100))
        decision = Decision(
            action=action, inst_id=inst_id, size_pct=Decimal(1), stop_loss=stop, take_profit=target,
            confidence=Decimal("0.6"), strategy="momentum", regime=Regime.RANGING, reasoning="a test",
            order_type="market" if limit_price is None else "limit", limit_price=limit_price,
        )  # fmt: skip
        cycle = self.cycle(inst_id, decision, market)
        plan = PositionPlan(
            cycle_id=cycle.id, strategy="momentum", entry=market.last, stop_loss=stop, take_profit=target,
            confidence=Decimal("0.6"), opened_at=market.market_at,
        )  # fmt: skip
        verdict = Verdict(
            approved=True,
            effect=Effect.PASS,
            contracts=Decimal(contracts),
            leverage=Decimal(3),
            margin=Decimal(100),
            checks=(),
            side="sell" if action is Action.OPEN_SHORT else "buy",
            price=worst_price(
                "short" if action is Action.OPEN_SHORT else "long",
                decision,
                market,
                instrument,
                self.settings.entry_slippage_bps,
            ),
            stop_loss=stop,
            take_profit=target,
        )
        with self.sessions.begin() as session:
            intents.account_lock(session, self.ctx.account_id)
            order = intents.record_entry(self.ctx, session, cycle, decision, instrument, market, verdict, plan)
            for name, value in changes.items():
                setattr(order, name, value)
        return order

    def enter(self, inst_id: str = BTC, action: Action = Action.OPEN_LONG, **more: Any) -> Order:
        """An entry, sent, filled and seen."""
        order = self.intend(inst_id, action, **more)
        assert submit(self.ctx, order.id) == "live"
        self.look()
        assert self.order(order.id).state == "filled"
        return self.order(order.id)

    def exit(self, inst_id: str, action: Action = Action.CLOSE, contracts: str = "0") -> Order:
        """The intent of a decision to close or reduce."""
        decision = Decision(action=action, inst_id=inst_id, reasoning="a test")
        cycle = self.cycle(inst_id, decision)
        account = AccountSnapshot(taken_at=wall_now(), equity=None, available=None)
        with self.sessions.begin() as session:
            return intents.record_exit(self.ctx, session, cycle, decision, account, Decimal(contracts))

    def look(self) -> ReconcileReport:
        """What pushes do in a running bot."""
        return reconcile(self.ctx, "test")

    def protect(self) -> protection.ProtectionReport:
        return protection.check(self.ctx)

    def order(self, order_id: int) -> Order:
        with self.sessions() as session:
            return session.get_one(Order, order_id)

    def state(self) -> BotState:
        with self.sessions() as session:
            return session.get_one(BotState, self.ctx.account_id)

    def locks(self) -> set[tuple[str, str]]:
        with self.sessions() as session:
            rows = session.scalars(select(InstrumentLock).where(InstrumentLock.lifted_at.is_(None))).all()
        return {(row.inst_id, row.reason) for row in rows}

    def trades(self) -> list[Trade]:
        with self.sessions() as session:
            return list(session.scalars(select(Trade).order_by(Trade.id)))

    def position(self, inst_id: str = BTC) -> Position | None:
        with self.sessions() as session:
            return session.scalars(select(Position).where(Position.inst_id == inst_id)).one_or_none()

    def held(self, inst_id: str = BTC) -> PositionReport | None:
        """As the exchange has it."""
        return next(iter(self.okx.positions(inst_id)), None)

    def fault(self, name: str, path: str, **more: Any) -> None:
        """The next request to `path` meets this fault."""
        answer = self.server.post("/paper/faults", {"name": name, "path": path, **more})
        assert "name" in str(answer), answer

    def accepted(self, cl_ord_id: str) -> int:
        """How many orders of this id the exchange accepted."""
        return int(self.audit()["accepted"].get(cl_ord_id, 0))

    def audit(self) -> dict[str, Any]:
        return dict(self.server.get("/paper/audit")["accounts"][self.uid])

    def with_settings(self, **changes: Any) -> "Bot":
        """The same bot under other settings."""
        settings = self.settings.model_copy(update=changes)
        return Bot(replace(self.ctx, settings=settings), self.server, settings, self.sent)


@pytest.fixture(scope="module")
def exchange_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """One exchange for a module: every test has a database and an account of its own."""
    server = launch(tmp_path_factory.mktemp("exchange"), ["--speed", "lockstep", "--admin", "--warmup-bars", "300"])
    yield server
    server.stop()


@pytest.fixture
def account_file(exchange_server: ExchangeProcess) -> Path:
    """The keys of an account nobody has traded on."""
    return create_key(exchange_server.data, uuid4().hex)


@pytest.fixture
def settings(exchange_server: ExchangeProcess, account_file: Path) -> PaperSettings:
    return PaperSettings(
        okx_rest_url=exchange_server.rest_url,
        paper_speed="lockstep",
        paper_account_file=account_file,
        http_timeout_s=3,
        order_exp_s=3,
        unknown_grace_s=0.2,
        naked_grace_s=0.3,
    )


@pytest.fixture
def sessions(database_url: str) -> Iterator[SessionFactory]:
    engine = build_engine(database_url, "tests")
    yield build_sessions(engine)
    engine.dispose()


@pytest.fixture
def unbound(exchange_server: ExchangeProcess, settings: PaperSettings, sessions: SessionFactory) -> Iterator[Bot]:
    """Bound and verified, not yet reconciled."""
    exchange = OkxExchange.from_settings(settings)
    clock = build_clock(settings)
    binding = bind_and_verify(settings, sessions, exchange, clock)
    sent: list[tuple[str, str, list[Any]]] = []
    ctx = ExecutionContext(
        sessions=sessions,
        exchange=exchange,
        clock=clock,
        settings=settings,
        account_id=binding.account_id,
        order_prefix=binding.order_prefix,
        send=lambda task, queue, args: sent.append((task, queue, args)),
    )
    yield Bot(ctx, exchange_server, settings, sent)
    clear(exchange)
    exchange.close()


def clear(exchange: OkxExchange) -> None:
    """Nothing left on the account for the next test."""
    for order in exchange.orders_pending():
        exchange.cancel_order_by_id(order.inst_id, order.ord_id)
    for position in exchange.positions():
        exchange.close_position(position.inst_id, position.mgn_mode, "")
    algos = [(algo.inst_id, algo.algo_id) for algo in exchange.algos_pending()]
    if algos:
        exchange.cancel_algos(algos[:10])
    assert (exchange.positions(), exchange.algos_pending(), exchange.orders_pending()) == ([], [], [])


@pytest.fixture
def bot(unbound: Bot) -> Bot:
    """Bound, verified, reconciled: ready to trade."""
    unbound.look()
    return unbound
