"""A stand-in for Anthropic's Messages API: the wire format, the usage with a prompt cache, and the refusals.

It rejects what the API rejects for the models this project uses, so that a green test means a working call.
"""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from standins.server import Fault, Standin

VERSIONS = {"2023-06-01", "2026-10-21"}
MODELS = {"claude-opus-5-5", "claude-haiku-5-5", "claude-opus-5", "claude-sonnet-5-5"}
ALWAYS_THINKING = {"claude-opus-5-5"}
THINKING = ALWAYS_THINKING | {"claude-haiku-5-5"}
# A shorter prefix is silently not cached (512 on Opus 5).
LEAST_CACHED_TOKENS = 512
FIELDS = {
    "model", "max_tokens", "messages", "system", "output_config", "cache_control", "container", "diagnostics",
    "inference_geo", "metadata", "service_tier", "speed", "stop_sequences", "thinking", "tool_choice", "tools",
    "stream", "user_profile_id",
}  # fmt: skip
SCHEMA_KEYS = {
    "type", "properties", "required", "additionalProperties", "enum", "const", "anyOf", "allOf", "items", "minItems",
    "description", "title", "$ref", "$defs", "format", "default",
}  # fmt: skip
HOLD = {
    "action": "HOLD", "inst_id": "BTC-USDT-SWAP", "size_pct": 0, "order_type": "market", "limit_price": None,
    "stop_loss": None, "take_profit": None, "confidence": 0.6, "strategy": "none", "regime": "ranging",
    "observations": ["RSI14 of 5m at 51"], "risk_factors": [], "reasoning": "Nothing speaks clearly.",
    "invalidation": None, "research_question": None,
}  # fmt: skip
ASKED = re.compile(r"Decide about ([A-Z0-9]+-USDT-SWAP) now")
Answer = dict[str, Any] | str


class Refused(Exception):
    """A 400 of the API."""


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
        self._cached: set[str] = set()

    def check(self, request: Request, body: Any) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, "authentication_error", "invalid bearer token")
        if request.headers.get("anthropic-version") not in VERSIONS:
            return _error(400, "invalid_request_error", "anthropic-version: header is required")
        try:
            _check_body(body)
        except Refused as error:
            return _error(400, "invalid_request_error", str(error))
        if body["model"] not in MODELS:
            return _error(404, "not_found_error", f"model: {body['model']}")
        return None

    def answer(self, body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        said = self.say(body)
        text = said if isinstance(said, str) else json.dumps(said)
        content: list[dict[str, Any]] = [{"type": "text", "text": text}]
        if body["model"] in THINKING:
            content.insert(0, {"type": "thinking", "thinking": "", "signature": "c3RhbmRpbg=="})
        return {
            "id": "msg_standin", "type": "message", "role": "assistant", "model": body["model"], "content": content,
            "stop_reason": "end_turn", "stop_sequence": None, "stop_details": None, "container": None,
            "usage": self._usage(body, text),
        } | fields  # fmt: skip

    def _usage(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        """Tokens of so many characters each; a marked block is written to the cache once and read ever after.

        The answer's schema stands before the system prompt, and is cached with it.
        """
        each = self.chars_per_token
        system = body.get("system", [])
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
        written = read = plain = 0
        asked = json.dumps(body.get("output_config"))
        prefix, pending, total = hashlib.sha256(asked.encode()), len(asked) // each, len(asked) // each
        for block in blocks:
            prefix.update(json.dumps(block).encode())
            pending += len(block["text"]) // each
            total += len(block["text"]) // each
            if "cache_control" in block and total >= LEAST_CACHED_TOKENS:
                key = prefix.hexdigest()
                if key in self._cached:
                    read += pending
                else:
                    written += pending
                    self._cached.add(key)
                pending = 0
        plain += pending + sum(len(json.dumps(m["content"], ensure_ascii=False)) // each for m in body["messages"])
        return {
            "input_tokens": plain, "output_tokens": len(text) // each + self.thinking_tokens,
            "cache_creation_input_tokens": written, "cache_read_input_tokens": read, "service_tier": "standard",
            "inference_geo": "global",
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": written},
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


def _check_body(body: Any) -> None:
    if not isinstance(body, dict):
        raise Refused("the body is not a JSON object")
    for name in ("temperature", "top_p", "top_k"):
        if name in body:
            raise Refused(f"{name}: is not supported")
    for name in body:
        if name not in FIELDS:
            raise Refused(f"{name}: Extra inputs are not permitted")
    for name, kind in (("model", str), ("max_tokens", int), ("messages", list)):
        if not isinstance(body.get(name), kind) or isinstance(body.get(name), bool):
            raise Refused(f"{name}: Field required")
    if body["max_tokens"] < 0:
        raise Refused("max_tokens: must be at least 0")
    if body.get("stream"):
        raise Refused("stream: this stand-in answers whole messages only")
    if body["model"] in ALWAYS_THINKING:
        if body.get("thinking", {}).get("type") in ("enabled", "disabled"):
            raise Refused("thinking: is always on for this model")
        if body.get("tool_choice", {}).get("type") in ("any", "tool"):
            raise Refused("tool_choice: may not force tool use on this model")
    _check_messages(body["messages"])
    _check_caching(body)
    _check_output_config(body.get("output_config", {}))


def _check_messages(messages: list[Any]) -> None:
    if not messages:
        raise Refused("messages: at least one message is required")
    for index, message in enumerate(messages):
        if set(message) != {"role", "content"} or message["role"] not in ("user", "assistant"):
            raise Refused(f"messages.{index}: role and content are required, nothing else")
        if not message["content"]:
            raise Refused(f"messages.{index}: content is empty")
    if messages[0]["role"] != "user":
        raise Refused("messages.0: first message must use the user role")
    if messages[-1]["role"] != "user":
        raise Refused("messages: this model does not support prefill")


def _check_caching(body: dict[str, Any]) -> None:
    system = body.get("system", [])
    blocks = [] if isinstance(system, str) else list(system)
    for message in body["messages"]:
        blocks += [] if isinstance(message["content"], str) else message["content"]
    marks = []
    for block in blocks:
        if block.get("type") != "text" or not block.get("text") or set(block) - {"type", "text", "cache_control"}:
            raise Refused("a content block is malformed")
        if "cache_control" in block:
            marks.append(block["cache_control"])
    for mark in marks + ([body["cache_control"]] if "cache_control" in body else []):
        if mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h") or set(mark) - {"type", "ttl"}:
            raise Refused("cache_control: malformed")
    if len(marks) > 4:
        raise Refused("cache_control: at most 4 blocks")
    lives = [mark.get("ttl", "5m") for mark in marks]
    if lives != sorted(lives):
        raise Refused("cache_control: a 1h block must come before every 5m block")


def _check_output_config(config: dict[str, Any]) -> None:
    if set(config) - {"effort", "format"}:
        raise Refused("output_config: Extra inputs are not permitted")
    if config.get("effort", "medium") not in ("low", "medium", "high", "xhigh", "max"):
        raise Refused("output_config.effort: unknown value")
    wanted = config.get("format")
    if wanted is None:
        return
    if set(wanted) != {"type", "schema"} or wanted["type"] != "json_schema":
        raise Refused("output_config.format: malformed")
    schema = wanted["schema"]
    if schema.get("type") != "object":
        raise Refused("output_config.format.schema: must be an object")
    optional = _check_schema(schema, set(schema.get("$defs", {})), "schema")
    if optional > 24:
        raise Refused("output_config.format.schema: too many optional properties")


def _check_schema(schema: dict[str, Any], definitions: set[str], where: str) -> int:
    """Checks one schema and those below it; returns how many optional properties there are."""
    unknown = set(schema) - SCHEMA_KEYS
    if unknown:
        raise Refused(f"{where}: {sorted(unknown)[0]} is not supported")
    if "$ref" in schema and schema["$ref"].removeprefix("#/$defs/") not in definitions:
        raise Refused(f"{where}: unknown $ref")
    optional = 0
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            raise Refused(f"{where}: for 'object' type, 'additionalProperties' must be explicitly set to false")
        names = set(schema.get("properties", {}))
        if set(schema.get("required", [])) - names:
            raise Refused(f"{where}: required names what is not in properties")
        optional += len(names - set(schema.get("required", [])))
    if schema.get("minItems", 0) > 1:
        raise Refused(f"{where}: minItems above 1 is not supported")
    below: list[tuple[str, dict[str, Any]]] = []
    for group in ("properties", "$defs"):
        below += [(f"{where}.{name}", item) for name, item in schema.get(group, {}).items()]
    for group in ("anyOf", "allOf"):
        below += [(f"{where}.{group}", item) for item in schema.get(group, [])]
    if "items" in schema:
        below.append((f"{where}.items", schema["items"]))
    return optional + sum(_check_schema(item, definitions, name) for name, item in below)


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
