"""A stand-in for Perplexity's chat completions: the wire format, sources, usage with its cost, and the refusals."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from standins.server import Fault, Standin

MODELS = {"sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research"}
FIELDS = {
    "model", "messages", "max_tokens", "search_recency_filter", "search_after_date_filter", "search_before_date_filter",
    "last_updated_after_filter", "last_updated_before_filter", "search_domain_filter", "search_mode",
    "web_search_options", "response_format", "return_images", "return_related_questions", "stream", "temperature",
    "top_p", "reasoning_effort", "disable_search", "language_preference",
}  # fmt: skip
ANSWER = "At 13:30 UTC the CPI came out at 2.4 % against 2.6 % expected (https://example.org/cpi). Nothing else is new."


class PerplexityStandin(Standin):
    """POST /chat/completions. `text` is what it answers."""

    def __init__(self, key: str = "pplx-standin", text: str = ANSWER, port: int = 0) -> None:
        super().__init__("/chat/completions", key, port)
        self.text = text

    def check(self, request: Request, body: Any) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, "invalid api key")
        if not isinstance(body, dict):
            return _error(400, "the body is not a JSON object")
        for name in body:
            if name not in FIELDS:
                return _error(400, f"{name}: Extra inputs are not permitted")
        if body.get("model") not in MODELS:
            return _error(400, f"Invalid model '{body.get('model')}'")
        roles = [message.get("role") for message in body.get("messages", [])]
        if roles not in (["user"], ["system", "user"]):
            return _error(400, "messages: after the optional system message, user and assistant must alternate")
        if body.get("search_recency_filter", "day") not in ("hour", "day", "week", "month", "year"):
            return _error(400, "search_recency_filter: unknown value")
        size = body.get("web_search_options", {}).get("search_context_size", "low")
        return None if size in ("low", "medium", "high") else _error(400, "search_context_size: unknown value")

    def answer(self, body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        prompt, completion = len(json.dumps(body["messages"])) // 4, len(self.text) // 4
        message = {"role": "assistant", "content": self.text}
        return {
            "id": "standin", "object": "chat.completion", "created": 1_767_000_000, "model": body["model"],
            "choices": [{"index": 0, "message": message, "delta": message, "finish_reason": "stop"}],
            "citations": ["https://example.org/cpi"],
            "search_results": [
                {"title": "CPI falls", "url": "https://example.org/cpi", "date": "2026-11-12", "source": "web"}
            ],
            "usage": {
                "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
                "search_context_size": "low",
                "cost": {
                    "input_tokens_cost": 0.0003, "output_tokens_cost": 0.0006, "request_cost": 0.006,
                    "total_cost": 0.0069,
                },
            },
        } | fields  # fmt: skip


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": "invalid_request", "code": status}}, status_code=status)


def rate_limited(retry_after: str) -> Fault:
    """429, with its header."""
    return Fault("status", 429, (("retry-after", retry_after),), '{"error": {"message": "too many requests"}}')
