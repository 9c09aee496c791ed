"""A stand-in for Anthropic's Messages API: the wire format, the usage with a prompt cache, and the refusals.

It rejects what the API rejects for the models this project uses, so that a green test means a working call.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from standins.anthropic_refusals import THINKING, Refused, check_body, prompt_of
from standins.server import Fault, Standin
from trading.clock import wall_ms

VERSIONS = {"2023-06-01", "2026-10-21"}
MODELS = {"claude-opus-5-5", "claude-haiku-5-5", "claude-opus-5", "claude-sonnet-5-5"}
# A shorter prefix is silently not cached (512 on Opus 5).
LEAST_CACHED_TOKENS = 512
LIVES_S = {"5m": 300.0, "1h": 3600.0}
HOLD = {
    "action": "HOLD", "inst_id": "BTC-USDT-SWAP", "size_pct": 0, "order_type": "market", "limit_price": None,
    "stop_loss": None, "take_profit": None, "confidence": 0.6, "strategy": "none", "regime": "ranging",
    "observations": ["RSI14 of 5m at 51"], "risk_factors": [], "reasoning": "Nothing speaks clearly.",
    "invalidation": None, "research_question": None,
}  # fmt: skip
ASKED = re.compile(r"Decide about ([A-Z0-9]+-USDT-SWAP) now")
Answer = dict[str, Any] | str


class AnthropicStandin(Standin):
    """POST /v1/messages. `say` is the model: request body → the JSON (or raw text) of its answer."""

    def __init__(
        self, key: str = "sk-ant-standin", say: Callable[[dict[str, Any]], Answer] | None = None, port: int = 0
    ) -> None:
        super().__init__("/v1/messages", key, port)
        self._key, self._say = key, say or _ordinary
        # How many tokens there are is a guess without the tokenizer; what is cached of them is not.
        self.chars_per_token, self.thinking_tokens = 4, 20
        self.reset()

    def reset(self) -> None:
        super().reset()
        self.key, self.say = self._key, self._say
        self._cached: dict[str, float] = {}  # prefix → when its entry ends
        # What its entries live by, seconds.
        self.now: Callable[[dict[str, Any]], float] = lambda _body: wall_ms() / 1000

    def check(self, request: Request, body: Any) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, "authentication_error", "invalid bearer token")
        if request.headers.get("anthropic-version") not in VERSIONS:
            return _error(400, "invalid_request_error", "anthropic-version: header is required")
        try:
            check_body(body)
        except Refused as error:
            return _error(400, "invalid_request_error", str(error))
        if body["model"] not in MODELS:
            return _error(404, "not_found_error", f"model: {body['model']}")
        return None

    def answer(self, body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        if body["max_tokens"] == 0:
            usage = self._usage(body, "") | {"output_tokens": 0}
            return self._message(body, [], usage) | {"stop_reason": "max_tokens"} | fields
        said = self.say(body)
        text = said if isinstance(said, str) else json.dumps(said)
        content: list[dict[str, Any]] = [{"type": "text", "text": text}]
        if body["model"] in THINKING:
            content.insert(0, {"type": "thinking", "thinking": "", "signature": "c3RhbmRpbg=="})
        return self._message(body, content, self._usage(body, text)) | fields

    def _message(self, body: dict[str, Any], content: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": "msg_standin", "type": "message", "role": "assistant", "model": body["model"], "content": content,
            "stop_reason": "end_turn", "stop_sequence": None, "stop_details": None, "container": None, "usage": usage,
        }  # fmt: skip

    def _usage(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        """Tokens of so many characters each. A prefix that ends with a mark is written to the cache, and read for as
        long as its entry lives, which each reading renews. The answer's schema stands first, and is cached with it.
        """
        each, at = self.chars_per_token, self.now(body)
        asked = json.dumps(body.get("output_config"))
        prefix, pending, total = hashlib.sha256(asked.encode()), len(asked) // each, len(asked) // each
        read, written = 0, dict.fromkeys(LIVES_S, 0)
        for block in prompt_of(body):
            prefix.update(json.dumps(block).encode())
            pending += len(block["text"]) // each
            total += len(block["text"]) // each
            if "cache_control" in block and total >= LEAST_CACHED_TOKENS:
                life = block["cache_control"].get("ttl", "5m")
                key = prefix.hexdigest()
                if at <= self._cached.get(key, -math.inf):
                    read += pending
                else:
                    written[life] += pending
                self._cached[key] = at + LIVES_S[life]
                pending = 0
        return {
            "input_tokens": pending, "output_tokens": len(text) // each + self.thinking_tokens,
            "cache_creation_input_tokens": sum(written.values()), "cache_read_input_tokens": read,
            "service_tier": "standard", "inference_geo": "global",
            "cache_creation": {f"ephemeral_{life}_input_tokens": count for life, count in written.items()},
            "output_tokens_details": {"thinking_tokens": self.thinking_tokens},
        }  # fmt: skip


def _ordinary(body: dict[str, Any]) -> Answer:
    properties = body["output_config"]["format"]["schema"]["properties"]
    if "signal" in properties:
        return {"signal": True, "confidence": 0.7, "reason": "ADX14 of 15m at 31 with a rising histogram."}
    asked = ASKED.search(json.dumps(body["messages"]))
    return HOLD | ({"inst_id": asked[1]} if asked else {})


def _error(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> Response:
    content = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_standin"}
    return JSONResponse(content, status_code=status, headers=headers)


def error_body(kind: str, message: str) -> str:
    """The body of an error, for faults."""
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_standin"})


def rate_limited(retry_after: str | None) -> Fault:
    """429, with its header."""
    headers = () if retry_after is None else (("retry-after", retry_after),)
    return Fault("status", 429, headers, error_body("rate_limit_error", "too many requests"))


HANG = Fault("hang")
DRIP = Fault("drip")
CUT = Fault("cut")
OVERLOADED = Fault("status", 529, (), error_body("overloaded_error", "overloaded"))
SERVER_ERROR = Fault("status", 500, (), error_body("api_error", "internal server error"))
REFUSAL = Fault(
    "message",
    fields=(("stop_reason", "refusal"), ("content", []), ("stop_details", {"type": "refusal", "category": "cyber"})),
)
MAX_TOKENS = Fault(
    "message", fields=(("stop_reason", "max_tokens"), ("content", [{"type": "text", "text": '{"action": "OPEN_L'}]))
)
INVALID_JSON = Fault("body", text='{"id": "msg_standin", "type": "mess')


def saying(text: str) -> Fault:
    """A well-formed message whose text is `text`."""
    return Fault("message", fields=(("content", [{"type": "text", "text": text}]),))


# What `okxbot standins --fault NAME` can order.
MENU = {
    "drip": DRIP,
    "hang": HANG,
    "cut": CUT,
    "rate_limited": rate_limited("2"),
    "overloaded": OVERLOADED,
    "server_error": SERVER_ERROR,
    "refusal": REFUSAL,
    "max_tokens": MAX_TOKENS,
    "invalid_json": INVALID_JSON,
    "wrong_schema": saying('{"action": "OPEN_LONG", "leverage": 125}'),
    "huge": saying("x" * 2_000_000),
}
