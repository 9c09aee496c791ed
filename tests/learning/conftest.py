"""Closed trades in a real database, and a market clock that stands where a test puts it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select

from execution.context import ExecutionContext
from execution.playbook import write_version
from models import Account, BotState, DecisionCycle, PlaybookVersion, Reflection, Trade
from models.session import SessionFactory, build_engine, build_sessions
from settings import AnySettings, load_settings
from tests.databases import Databases, empty
from trading.clock import wall_now
from trading.closed_trade import ClosedTrade
from trading.playbook import Playbook, default_playbook

BTC = "BTC-USDT-SWAP"
START = datetime(2022, 5, 2, 0, 0, tzinfo=UTC)
D = Decimal


class StandingClock:
    """Market time stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = START

    def market_now(self) -> datetime:
        return self.at

    def wall_now(self) -> datetime:
        return wall_now()


@dataclass
class School:
    """A `Learner` with what tests put into its tables."""

    sessions: SessionFactory
    clock: StandingClock
    account_id: int
    settings: AnySettings

    def close(self, r: float, at: datetime, **columns: Any) -> int:
        """A long of half an hour that closed at `at` with this R: risk 10 USDT, entry 100, stop 99."""
        values: dict[str, Any] = {
            "inst_id": BTC, "side": "long", "contracts": D(0), "max_contracts": D(1), "exited_contracts": D(1),
            "entry_px": D(100), "exit_px": D(100) + D(str(r)), "risk": D(10), "r_multiple": D(str(r)),
            "pnl": D(str(r)) * 10, "net_pnl": D(str(r)) * 10, "exit_reason": "target" if r > 0 else "stop",
            "strategy": "rules:momentum", "regime": "ranging", "confidence": D("0.4"), "analyst": "rules",
            "playbook_version": 1, "plan": {"stop_loss": "99", "take_profit": "102"},
            "opened_market_at": at - timedelta(minutes=30), "closed_market_at": at,
        }  # fmt: skip
        values |= columns
        with self.sessions.begin() as session:
            cycle = DecisionCycle(
                account_id=self.account_id, inst_id=values["inst_id"], slot=at, opened_by="feed", stage="done",
                outcome="opened", deadline=at, analyst=values["analyst"],
            )  # fmt: skip
            session.add(cycle)
            session.flush()
            trade = Trade(account_id=self.account_id, cycle_id=cycle.id, **values)
            session.add(trade)
            session.flush()
            return trade.id

    def closes(self, rs: Sequence[float], start: datetime = START, every_min: int = 10, **columns: Any) -> list[int]:
        """One after the other; the market clock goes along."""
        found = []
        for number, r in enumerate(rs, start=1):
            at = start + timedelta(minutes=every_min * number)
            found.append(self.close(r, at, **columns))
            self.clock.at = max(self.clock.at, at)
        return found

    def deep(self) -> list[Reflection]:
        with self.sessions() as session:
            return list(session.scalars(select(Reflection).where(Reflection.kind == "deep").order_by(Reflection.id)))

    def versions(self) -> list[PlaybookVersion]:
        with self.sessions() as session:
            return list(session.scalars(select(PlaybookVersion).order_by(PlaybookVersion.version)))

    def playbook(self) -> Playbook:
        return Playbook.model_validate(next(v for v in self.versions() if v.active).content)

    def execution(self) -> ExecutionContext:
        """For what people order; nothing here reaches an exchange."""
        return ExecutionContext(
            self.sessions, None, self.clock, self.settings, self.account_id, "t", lambda *_: True,  # type: ignore[arg-type]
        )  # fmt: skip


@pytest.fixture(scope="session")
def school_engine(databases: Databases) -> Iterator[Engine]:
    with databases.lent() as url:
        engine = build_engine(url, "tests")
        yield engine
        engine.dispose()


@pytest.fixture
def school(school_engine: Engine) -> School:
    empty(school_engine)
    sessions = build_sessions(school_engine)
    with sessions.begin() as session:
        account = Account(mode="paper", uid="1", order_prefix="t")
        session.add(account)
        session.flush()
        session.add(BotState(account_id=account.id))
        write_version(session, account.id, default_playbook(), author="default", reason="first start", market_at=None)
        account_id = account.id
    return School(sessions, StandingClock(), account_id, load_settings({}, dotenv=False))


def trade(trade_id: int, r: float, at: datetime | None = None, **changed: Any) -> ClosedTrade:
    """A closed trade for pure code: number `trade_id`, ten minutes after the one before."""
    closed = at or START + timedelta(minutes=10 * trade_id)
    values: dict[str, Any] = {
        "trade_id": trade_id, "inst_id": BTC, "side": "long", "strategy": "momentum", "regime": "ranging",
        "source": "rules", "opened_at": closed - timedelta(minutes=5), "closed_at": closed, "net_pnl": D(str(r)) * 10,
        "r": D(str(r)), "hold_r": D(0), "confidence": D("0.4"), "playbook_version": 1,
    }  # fmt: skip
    return ClosedTrade(**values | changed)
