"""An answer of the Messages API, read with suspicion: stop reason, usage, and the one JSON text asked for."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from brain.calls import Understood
from brain.costs import TokenCount, Usage
from brain.wire import Malformed, parse_object

T = TypeVar("T")


class _Lenient(BaseModel):
    """The API may add fields; those we use must be right."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _CacheCreation(_Lenient):
    ephemeral_5m_input_tokens: TokenCount = 0
    ephemeral_1h_input_tokens: TokenCount = 0


class _Usage(_Lenient):
    input_tokens: TokenCount
    output_tokens: TokenCount
    cache_creation_input_tokens: TokenCount | None = None
    cache_read_input_tokens: TokenCount | None = None
    cache_creation: _CacheCreation | None = None


class _Block(_Lenient):
    type: str
    text: str | None = None


class _StopDetails(_Lenient):
    category: str | None = None


class _Message(_Lenient):
    content: tuple[_Block, ...]
    stop_reason: str | None
    stop_details: _StopDetails | None = None


class _Metered(_Lenient):
    usage: _Usage


def usage_of(body: dict[str, Any]) -> Usage | None:
    """Tokens of an answer; None when it does not say, and the call then costs its reservation."""
    try:
        usage = _Metered.model_validate(body).usage
    except ValidationError:
        return None
    written = usage.cache_creation_input_tokens or 0
    hour = usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else 0
    return Usage(
        input=usage.input_tokens,
        output=usage.output_tokens,
        # The breakdown is optional: what it does not call an hour is not taken for cheaper than it may be.
        cache_write_5m=max(0, written - hour) if usage.cache_creation else 0,
        cache_write_1h=hour if usage.cache_creation else written,
        cache_read=usage.cache_read_input_tokens or 0,
    )


def understand(body: dict[str, Any], convert: Callable[[dict[str, Any]], T]) -> Understood[T]:
    """The converted JSON of the answer's text, or why there is none.

    `convert` raises ValueError (pydantic's ValidationError is one) on what does not fit; its message is stored.
    """
    usage = usage_of(body)
    try:
        message = _Message.model_validate(body)
    except ValidationError:
        return Understood("invalid", None, "the API's answer is not a message", usage)
    if message.stop_reason == "refusal":
        category = message.stop_details.category if message.stop_details else None
        return Understood("refusal", None, f"the model refused ({category or 'no category given'})", usage)
    if message.stop_reason in ("max_tokens", "model_context_window_exceeded"):
        return Understood("truncated", None, f"the answer was cut off ({message.stop_reason})", usage)
    if message.stop_reason != "end_turn":
        return Understood("invalid", None, f"unexpected stop reason {str(message.stop_reason)[:40]!r}", usage)
    texts = [block.text for block in message.content if block.type == "text" and block.text is not None]
    if len(texts) != 1:
        return Understood("invalid", None, f"{len(texts)} text blocks where one was asked for", usage)
    try:
        return Understood("ok", convert(parse_object(texts[0])), None, usage)
    except ValidationError as error:
        return Understood("invalid", None, _fields(error), usage)
    except Malformed as error:
        return Understood("invalid", None, f"the model's text is {error}", usage)
    except ValueError as error:
        return Understood("invalid", None, str(error), usage)


def _fields(error: ValidationError) -> str:
    """The first wrong fields by name, without their values: those are the model's, at any length."""
    items = error.errors(include_input=False, include_url=False, include_context=False)
    named = "; ".join(f"{'.'.join(str(p) for p in e['loc'])[:60] or 'answer'}: {e['msg'][:120]}" for e in items[:3])
    return f"the answer breaks the schema: {named}" + (f" and {len(items) - 3} more" if len(items) > 3 else "")
