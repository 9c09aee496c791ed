"""A patch as Opus writes it: the wire schema, and the answer read change by change.

The schema names every kind of change with exactly its fields. Bounds are not in it (the API does not enforce them):
the patch's own types and the validator have them. One change that is none does not cost the others.
"""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from trading.decision import Regime
from trading.playbook.patch import Patch, PatchChange

MOST_READ = 50
_CHANGE: TypeAdapter[PatchChange] = TypeAdapter(PatchChange)
_TEXT, _NUMBER, _INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_REGIME = {"type": "string", "enum": [str(regime) for regime in Regime]}
_IDS = {"type": "array", "items": _INTEGER}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def _change(kind: str, **properties: Any) -> dict[str, Any]:
    return _object(kind={"type": "string", "const": kind}, **properties, trade_ids=_IDS, reason=_TEXT)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_SCOPE = _object(
    strategy=_or_null(_TEXT), regime=_or_null(_REGIME), side=_or_null({"type": "string", "enum": ["long", "short"]}),
    hours={"type": "array", "items": _INTEGER},
)  # fmt: skip
SCHEMA: dict[str, Any] = _object(
    summary=_TEXT,
    changes={
        "type": "array",
        "items": {
            "anyOf": [
                _change("strategy_size", strategy=_TEXT, size_pct=_NUMBER),
                _change("regime_size", regime=_REGIME, size_factor=_NUMBER),
                _change("parameter", strategy=_TEXT, name=_TEXT, value=_NUMBER),
                _change("confidence_floor", value=_NUMBER),
                _change("avoid_hours", hours={"type": "array", "items": _INTEGER}),
                _change("lesson", scope=_SCOPE, stance={"type": "string", "enum": ["avoid", "favour"]}, text=_TEXT),
                _change("forget", scope=_SCOPE),
            ]
        },
    },
)
"""For `output_config.format`."""


def to_patch(answer: dict[str, Any]) -> tuple[Patch, tuple[str, ...]]:
    """The patch in a model's JSON, and which of its changes could not be read. Raises ValueError when it is none."""
    if set(answer) != {"summary", "changes"}:
        raise ValueError("a patch has a summary and changes, nothing else")
    summary, changes = answer["summary"], answer["changes"]
    if not isinstance(summary, str) or not isinstance(changes, list):
        raise ValueError("a patch is a summary in words and a list of changes")
    read: list[PatchChange] = []
    unreadable: list[str] = []
    for number, change in enumerate(changes[:MOST_READ], start=1):
        try:
            read.append(_CHANGE.validate_python(change))
        except ValidationError as error:
            unreadable.append(f"change {number}: {_fault(error)}")
    if len(changes) > MOST_READ:
        unreadable.append(f"{len(changes) - MOST_READ} more changes were not read")
    return Patch(summary=summary[:1500], changes=tuple(read)), tuple(unreadable)


def _fault(error: ValidationError) -> str:
    """The first wrong field by name, without its value: that is the model's, at any length."""
    item = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in item["loc"])[:60] or "it"
    if item["type"].startswith("union_tag"):
        return "is of no kind a playbook knows; hard limits are settings, out of reach"
    return f"{where}: {item['msg'][:120]}"
