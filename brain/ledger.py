"""The ledger of model spend: booked before a call, settled after it, in PostgreSQL.

The worst case is reserved in the transaction that checks the day's budget, under an account-wide lock, so that any
number of workers together cannot overspend. A process that dies leaves its reservation: the safe side. The day is
the UTC day of wall time, because the bill is; amounts are USD.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from models import LlmCall
from models.session import SessionFactory
from trading.clock import Clock

# First half of the two-part advisory lock key: "LLM$" in ASCII. The second is the account.
LOCK_SPACE = 0x4C4C4D24


class BudgetSpent(Exception):
    """The day's budget does not cover the worst case of one more call."""


@dataclass(frozen=True, slots=True)
class CallIntent:
    """A call about to be made. `request` holds no secret: it is stored as it is."""

    cycle_id: int | None
    purpose: str
    provider: str
    model: str
    prompt_version: str
    request: dict[str, Any]
    request_sha256: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What came of a call. Tokens are None where nothing was reported; `cost_usd` is what we must assume was billed."""

    outcome: str
    cost_usd: Decimal
    attempts: int
    latency_ms: int
    response: dict[str, Any] | None = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


def spent_since(account_id: Any, midnight: Any) -> Select[Decimal]:
    """Statement: USD spent or reserved since `midnight`, wall time."""
    return select(func.coalesce(func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd)), 0)).where(
        LlmCall.account_id == account_id, LlmCall.created_at >= midnight
    )


def spent_today(session: Session, account_id: int, wall_now: datetime) -> Decimal:
    """USD spent or reserved since 00:00 UTC of wall time."""
    midnight = wall_now.replace(hour=0, minute=0, second=0, microsecond=0)
    return session.scalar(spent_since(account_id, midnight)) or Decimal(0)


class Ledger:
    """Reserve, extend, settle."""

    def __init__(self, sessions: SessionFactory, clock: Clock, account_id: int, daily_budget_usd: Decimal) -> None:
        self._sessions = sessions
        self._clock = clock
        self._account_id = account_id
        self._budget = daily_budget_usd

    def reserve(self, intent: CallIntent, worst_case_usd: Decimal) -> int:
        """Book the worst case and store the request; returns the call's id. Raises BudgetSpent."""
        with self._sessions.begin() as session:
            now = self._check(session, worst_case_usd)
            row = LlmCall(
                account_id=self._account_id, cycle_id=intent.cycle_id, purpose=intent.purpose,
                provider=intent.provider, model=intent.model, prompt_version=intent.prompt_version,
                request=intent.request, request_sha256=intent.request_sha256, reserved_usd=worst_case_usd,
                created_at=now,
            )  # fmt: skip
            session.add(row)
            session.flush()
            return row.id

    def extend(self, call_id: int, worst_case_usd: Decimal) -> None:
        """Book one more try of a call whose last try may have been billed. Raises BudgetSpent."""
        with self._sessions.begin() as session:
            self._check(session, worst_case_usd)
            session.execute(
                update(LlmCall).where(LlmCall.id == call_id).values(reserved_usd=LlmCall.reserved_usd + worst_case_usd)
            )

    def settle(self, call_id: int, settlement: Settlement) -> None:
        """Replace the reservation by what was spent, and keep the answer."""
        with self._sessions.begin() as session:
            row = session.get_one(LlmCall, call_id)
            row.outcome = settlement.outcome
            row.cost_usd = settlement.cost_usd
            row.attempts = settlement.attempts
            row.latency_ms = settlement.latency_ms
            row.response = settlement.response
            row.error = settlement.error
            row.input_tokens = settlement.input_tokens
            row.output_tokens = settlement.output_tokens
            row.cache_read_tokens = settlement.cache_read_tokens
            row.cache_write_tokens = settlement.cache_write_tokens
            row.finished_at = self._clock.wall_now()

    def _check(self, session: Session, amount: Decimal) -> datetime:
        session.execute(select(func.pg_advisory_xact_lock(LOCK_SPACE, self._account_id)))
        now = self._clock.wall_now()
        spent = spent_today(session, self._account_id, now)
        if spent + amount > self._budget:
            raise BudgetSpent(
                f"model budget spent: {spent:.4f} of {self._budget} USD today, the next call may cost {amount:.4f}"
            )
        return now
