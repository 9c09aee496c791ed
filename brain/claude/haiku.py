"""Haiku screens: is this candle worth a decision by Opus? Fail-open: whatever goes wrong, the signal passes.

The bypasses of `brain.screening` come first and cost nothing; then the breaker of `brain.screener_health`.
"""

from decimal import Decimal
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field

from brain.calls import Calls, CallSpec, Provider
from brain.claude.answer import understand
from brain.claude.asking import api, body_of
from brain.prompts import load
from brain.prompts.market import render_market
from brain.screener_health import FAILURES, screener_health
from brain.screening import ScreenRequest, ScreenResult, bypass, is_audited
from models.session import SessionFactory
from settings import Settings
from trading.clock import Clock
from trading.snapshot import MarketSnapshot

logger = structlog.get_logger()
VERSION = f"{load('screen_system').version}+{load('screen_user').version}"
# Haiku thinks before it answers, and its thinking counts.
MAX_TOKENS = 2000

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "signal": {"type": "boolean"},
        "confidence": {"type": "number", "description": "0 to 1"},
        "reason": {"type": "string"},
    },
    "required": ["signal", "confidence", "reason"],
    "additionalProperties": False,
}


class _Screening(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    signal: bool
    confidence: float = Field(ge=0, le=1)
    reason: str


class HaikuScreener:
    """The screener of the `claude` analyst."""

    def __init__(
        self,
        settings: Settings,
        sessions: SessionFactory,
        clock: Clock,
        account_id: int,
        provider: Provider,
        calls: Calls,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._clock = clock
        self._account_id = account_id
        self._provider = provider
        self._calls = calls

    @classmethod
    def from_settings(
        cls, settings: Settings, sessions: SessionFactory, clock: Clock, account_id: int
    ) -> "HaikuScreener":
        """Talking to the real API. Raises ValueError without a key."""
        return cls(settings, sessions, clock, account_id, *api(settings, sessions, clock, account_id))

    def screen(self, request: ScreenRequest) -> ScreenResult:
        """Pass or not."""
        why = bypass(request.market, request.account, request.occasions)
        if why is not None:
            return ScreenResult("none", passed=True, reason=f"not screened: {why}", bypass=why)
        if self._breaker_is_open():
            reason = f"passed: haiku is not asked, it failed {FAILURES} times in a row"
            return ScreenResult("none", passed=True, reason=reason, fail_open=True)
        return self.ask(request)

    def ask(self, request: ScreenRequest) -> ScreenResult:
        """Haiku's word, or that it gave none."""
        reply = self._calls.call(
            self._provider,
            CallSpec(
                purpose="screen", cycle_id=request.cycle_id, prompt_version=VERSION,
                request=self.body(request.market), max_output_tokens=MAX_TOKENS,
                budget_s=self._settings.haiku_budget_s,
            ),
            lambda body: understand(body, _Screening.model_validate),
        )  # fmt: skip
        answer = reply.value
        if answer is None:
            logger.warning("screener_failed_open", cycle_id=request.cycle_id, outcome=reply.outcome)
            reason = f"passed because haiku did not answer: {reply.outcome}: {reply.reason}"
            # A call that was never made, for want of money or of a price, says nothing about Haiku.
            asked = "haiku" if reply.call_id is not None else "none"
            return ScreenResult(
                asked, passed=True, reason=reason, fail_open=True, llm_call_id=reply.call_id,
                latency_ms=reply.latency_ms,
            )  # fmt: skip
        audited = not answer.signal and is_audited(request.cycle_id, self._settings.haiku_audit_pct)
        return ScreenResult(
            "haiku", passed=answer.signal, reason=answer.reason, audited=audited,
            confidence=Decimal(repr(answer.confidence)), llm_call_id=reply.call_id, latency_ms=reply.latency_ms,
        )  # fmt: skip

    def _breaker_is_open(self) -> bool:
        now = self._clock.wall_now()
        with self._sessions() as session:
            return screener_health(session, self._account_id, now).is_open(now)

    def body(self, market: MarketSnapshot) -> dict[str, Any]:
        """The request as sent and stored. Too short for the API's cache, so nothing in it is marked."""
        return body_of(
            model=self._settings.haiku_model, max_tokens=MAX_TOKENS, effort="low", schema=SCHEMA,
            system=load("screen_system").text,
            user=load("screen_user").fill(market=render_market(market), inst_id=market.inst_id),
        )  # fmt: skip
