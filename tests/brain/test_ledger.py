"""The budget holds against any number of workers and against a crash."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from brain.ledger import BudgetSpent, CallIntent, Ledger, Settlement, spent_today
from models import LlmCall
from models.session import SessionFactory
from tests.brain.test_research import SetClock
from trading.clock import wall_now

INTENT = CallIntent(None, "decide", "anthropic", "claude-opus-5-5", "1", {"model": "claude-opus-5-5"}, "0" * 64)
Spent = Callable[[], Decimal]


@pytest.fixture
def wall() -> SetClock:
    return SetClock(wall_now().replace(hour=23, minute=50))


@pytest.fixture
def ledger(sessions: SessionFactory, wall: SetClock, account_id: int) -> Ledger:
    return Ledger(sessions, wall, account_id, Decimal(1))


@pytest.fixture
def spent(sessions: SessionFactory, wall: SetClock, account_id: int) -> Spent:
    def read() -> Decimal:
        with sessions() as session:
            return spent_today(session, account_id, wall.wall_now())

    return read


def settled(cost: str) -> Settlement:
    return Settlement(outcome="ok", cost_usd=Decimal(cost), attempts=1, latency_ms=10)


def test_a_reservation_counts_until_it_is_settled(ledger: Ledger, spent: Spent) -> None:
    call_id = ledger.reserve(INTENT, Decimal("0.7"))
    assert spent() == Decimal("0.7")
    with pytest.raises(BudgetSpent, match=r"0\.7000 of 1 USD today, the next call may cost 0\.5000"):
        ledger.reserve(INTENT, Decimal("0.5"))
    ledger.settle(call_id, settled("0.02"))
    assert spent() == Decimal("0.02")
    ledger.reserve(INTENT, Decimal("0.5"))


def test_what_exactly_fits_is_allowed(ledger: Ledger) -> None:
    ledger.reserve(INTENT, Decimal(1))


def test_a_crash_leaves_the_reservation(ledger: Ledger, spent: Spent, sessions: SessionFactory) -> None:
    call_id = ledger.reserve(INTENT, Decimal("0.4"))
    with sessions() as session:
        assert session.get_one(LlmCall, call_id).outcome == "reserved"
    assert spent() == Decimal("0.4")


def test_a_further_try_is_booked_too(ledger: Ledger, spent: Spent) -> None:
    call_id = ledger.reserve(INTENT, Decimal("0.4"))
    ledger.extend(call_id, Decimal("0.4"))
    assert spent() == Decimal("0.8")
    with pytest.raises(BudgetSpent):
        ledger.extend(call_id, Decimal("0.4"))


def test_workers_together_cannot_overspend(ledger: Ledger, spent: Spent) -> None:
    def reserve(_: int) -> bool:
        try:
            ledger.reserve(INTENT, Decimal("0.3"))
        except BudgetSpent:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(reserve, range(8))) == 3
    assert spent() == Decimal("0.9")


def test_the_budget_is_new_at_midnight_utc_of_wall_time(ledger: Ledger, spent: Spent, wall: SetClock) -> None:
    ledger.reserve(INTENT, Decimal(1))
    midnight: datetime = (wall.at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    wall.at = midnight - timedelta(microseconds=1)
    assert spent() == 1
    wall.at = midnight
    assert spent() == 0
    ledger.reserve(INTENT, Decimal(1))
