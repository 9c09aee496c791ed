"""A call to a model, whole: booked, tried within one deadline, understood, settled and stored.

Providers send once and classify; this module alone retries, and only what cannot change anything but the bill. The
deadline covers everything: waiting, retries, dripping answers. A try that may have been billed without an answer
counts at its worst case. Failure is a `Reply` without a value; only a broken database raises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from time import monotonic, sleep
from typing import Any, Generic, Protocol, TypeVar

import structlog

from brain import costs
from brain.deadline import Connection, DeadlinePassed, within
from brain.ledger import BudgetSpent, CallIntent, Ledger, Settlement
from brain.wire import canonical, sha256

logger = structlog.get_logger()
T = TypeVar("T")

TRIES = 3
FIRST_BACKOFF_S = 0.5
# Less than this is no time to ask in.
LEAST_TRY_S = 0.05


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a provider. `body` is the answer's JSON; without one, `error` says why and the rest what to do."""

    outcome: str
    body: dict[str, Any] | None = None
    error: str | None = None
    retry: bool = False
    retry_after_s: float | None = None
    maybe_billed: bool = False


class Provider(Protocol):
    """One API. `send` makes one HTTP request through a client of its own, named to `connection`, and classifies."""

    @property
    def name(self) -> str: ...

    def send(self, request: dict[str, Any], timeout_s: float, connection: Connection) -> Attempt: ...


@dataclass(frozen=True, slots=True)
class CallSpec:
    """What to ask. `request` is the JSON body, free of secrets; seconds are wall time."""

    purpose: str
    cycle_id: int | None
    prompt_version: str
    request: dict[str, Any]
    max_output_tokens: int
    budget_s: float
    tries: int = TRIES


@dataclass(frozen=True, slots=True)
class Understood(Generic[T]):
    """An answer read: `value` only with outcome `ok`. `usage` None where the provider reported none."""

    outcome: str
    value: T | None
    error: str | None
    usage: costs.Usage | None


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """What the caller gets. Without a value, `reason` is fit to store and show."""

    value: T | None
    outcome: str
    reason: str
    call_id: int | None
    latency_ms: int


class Calls(Protocol):
    """Answers a `CallSpec`: really (`ModelCalls`) or from the store (`brain.replay.ReplayCalls`)."""

    def call(
        self, provider: Provider, spec: CallSpec, understand: Callable[[dict[str, Any]], Understood[T]]
    ) -> Reply[T]:
        """The reply; never raises for anticipated trouble."""


class ModelCalls:
    """Real calls, on the record."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def call(
        self, provider: Provider, spec: CallSpec, understand: Callable[[dict[str, Any]], Understood[T]]
    ) -> Reply[T]:
        """Ask within the budget of money and time."""
        started = monotonic()
        model = str(spec.request["model"])
        try:
            worst = costs.worst_case(model, len(canonical(spec.request)), spec.max_output_tokens)
        except costs.UnknownModel as error:
            return Reply(None, "error", str(error), None, 0)
        intent = CallIntent(
            spec.cycle_id, spec.purpose, provider.name, model, spec.prompt_version, spec.request, sha256(spec.request)
        )
        try:
            call_id = self._ledger.reserve(intent, worst)
        except BudgetSpent as error:
            logger.warning("model_budget_spent", purpose=spec.purpose, cycle_id=spec.cycle_id, detail=str(error))
            return Reply(None, "budget", str(error), None, _ms(started))
        attempt, attempts, lost = self._try(provider, spec, call_id, worst, started + spec.budget_s)
        if attempt.body is None:
            understood: Understood[T] = Understood(attempt.outcome, None, attempt.error, None)
            answered = Decimal(0)
        else:
            understood = understand(attempt.body)
            answered = _cost(model, understood.usage, worst)
        latency_ms, usage = _ms(started), understood.usage
        settlement = Settlement(
            outcome=understood.outcome, cost_usd=lost * worst + answered, attempts=attempts, latency_ms=latency_ms,
            response=attempt.body, error=understood.error,
            input_tokens=usage.input if usage else None, output_tokens=usage.output if usage else None,
            cache_read_tokens=usage.cache_read if usage else None,
            cache_write_tokens=usage.cache_write if usage else None,
        )  # fmt: skip
        self._ledger.settle(call_id, settlement)
        logger.info(
            "model_called", purpose=spec.purpose, model=model, cycle_id=spec.cycle_id, llm_call_id=call_id,
            outcome=settlement.outcome, attempts=attempts, latency_ms=latency_ms, cost_usd=str(settlement.cost_usd),
            error=settlement.error,
        )  # fmt: skip
        return Reply(understood.value, understood.outcome, understood.error or "", call_id, latency_ms)

    def _try(
        self, provider: Provider, spec: CallSpec, call_id: int, worst: Decimal, deadline: float
    ) -> tuple[Attempt, int, int]:
        """The last attempt, how many there were, and how many of them may have been billed without an answer."""
        lost = 0
        attempt = Attempt("timeout", error=f"no time left of {spec.budget_s:g} s")
        for number in range(1, spec.tries + 1):
            if attempt.maybe_billed:
                try:
                    self._ledger.extend(call_id, worst)
                except BudgetSpent as error:
                    return Attempt(attempt.outcome, error=f"{attempt.error}; {error}"), number - 1, lost
            left = deadline - monotonic()
            if left < LEAST_TRY_S:
                return attempt, number - 1, lost
            attempt = _once(provider, spec, left)
            lost += attempt.maybe_billed
            if attempt.body is not None or not attempt.retry or number == spec.tries:
                return attempt, number, lost
            pause = attempt.retry_after_s
            if pause is None:
                pause = FIRST_BACKOFF_S * 2 ** (number - 1)
            if monotonic() + pause + LEAST_TRY_S >= deadline:
                why = f"{attempt.error}; the next try would come after the deadline of {spec.budget_s:g} s"
                return Attempt(attempt.outcome, error=why), number, lost
            sleep(pause)
        return attempt, spec.tries, lost


def _once(provider: Provider, spec: CallSpec, left: float) -> Attempt:
    connection = Connection()
    try:
        return within(left, lambda: provider.send(spec.request, left, connection), connection.abandon)
    except DeadlinePassed:
        error = f"no answer within the deadline of {spec.budget_s:g} s"
        return Attempt("timeout", error=error, maybe_billed=True)


def _cost(model: str, usage: costs.Usage | None, worst: Decimal) -> Decimal:
    """What an answer cost; one that cannot be priced costs its reservation."""
    if usage is None:
        return worst
    try:
        return costs.cost(model, usage)
    except costs.Unpriced as error:
        logger.warning("usage_unpriced", model=model, detail=str(error))
        return worst


def _ms(started: float) -> int:
    return round((monotonic() - started) * 1000)
