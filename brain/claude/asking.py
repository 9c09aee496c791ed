"""What every question to Claude has in common: the way to the API, on the record, and the form of a request."""

from typing import Any

from brain.calls import ModelCalls
from brain.claude.client import AnthropicProvider
from brain.ledger import Ledger
from brain.wire import storable
from models.session import SessionFactory
from settings import Settings
from trading.clock import Clock


def api(
    settings: Settings, sessions: SessionFactory, clock: Clock, account_id: int
) -> tuple[AnthropicProvider, ModelCalls]:
    """The real API, and calls within the day's budget. Raises ValueError without a key."""
    if settings.anthropic_api_key is None:
        raise ValueError("ANTHROPIC_API_KEY is required by the claude analyst")
    provider = AnthropicProvider(settings.anthropic_api_key, settings.anthropic_base_url)
    return provider, ModelCalls(Ledger(sessions, clock, account_id, settings.llm_daily_budget_usd))


def body_of(
    *, model: str, max_tokens: int, effort: str, system: Any, user: Any, schema: dict[str, Any]
) -> dict[str, Any]:
    """A request as sent and stored: one turn, answered by `schema`. The same input gives the same bytes."""
    body: dict[str, Any] = storable(
        {
            "model": model,
            "max_tokens": max_tokens,
            "system": system,
            "messages": [{"role": "user", "content": user}],
            "output_config": {"effort": effort, "format": {"type": "json_schema", "schema": schema}},
        }
    )
    return body
