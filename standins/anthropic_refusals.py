"""What Anthropic's Messages API refuses with a 400, for the models this project uses."""

from typing import Any

ALWAYS_THINKING = {"claude-opus-5-5"}
THINKING = ALWAYS_THINKING | {"claude-haiku-5-5"}
FIELDS = {
    "model", "max_tokens", "messages", "system", "output_config", "cache_control", "container", "diagnostics",
    "inference_geo", "metadata", "service_tier", "speed", "stop_sequences", "thinking", "tool_choice", "tools",
    "stream", "user_profile_id",
}  # fmt: skip
SCHEMA_KEYS = {
    "type", "properties", "required", "additionalProperties", "enum", "const", "anyOf", "allOf", "items", "minItems",
    "description", "title", "$ref", "$defs", "format", "default",
}  # fmt: skip


class Refused(Exception):
    """A 400 of the API."""


def blocks_of(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The text blocks of a system prompt or a turn, in either of its forms."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def prompt_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """All text blocks of a request in the order the model reads them."""
    turns = [body.get("system", []), *(message["content"] for message in body["messages"])]
    return [block for turn in turns for block in blocks_of(turn)]


def check_body(body: Any) -> None:
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
    check_output_config(body.get("output_config", {}))


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
    marks = []
    for block in prompt_of(body):
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


def check_output_config(config: dict[str, Any]) -> None:
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
