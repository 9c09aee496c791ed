"""What changed between two versions of the playbook."""

import json
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, JsonValue

from trading.playbook.content import Playbook, Scope


class Change(BaseModel):
    """One difference: where (dotted path), what was there and what is there now; None where there was nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    before: JsonValue
    after: JsonValue


def diff(old: Playbook, new: Playbook) -> tuple[Change, ...]:
    """What changed from `old` to `new`, by path, in path order."""
    before, after = dict(_leaves(_json(old))), dict(_leaves(_json(new)))
    paths = sorted(before.keys() | after.keys())
    return tuple(
        Change(path=path, before=before.get(path), after=after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    )


def _json(playbook: Playbook) -> JsonValue:
    value: JsonValue = json.loads(playbook.model_dump_json())
    return value


def _leaves(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Every leaf with its dotted path. Items of a list go by their name where they have one, else by position."""
    if isinstance(value, dict) and value:
        named = _name(value) is not None
        for key, item in value.items():
            if not (named and key in ("scope", "source")):  # the path says it
                yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{_name(item) or index}")
    else:
        yield path, value


def _name(item: JsonValue) -> str | None:
    """What a learned lesson is about, or whose curve it is: a moved one then does not show as changed."""
    if not isinstance(item, dict):
        return None
    if item.get("scope") is not None:
        return str(Scope.model_validate(item["scope"]))
    source = item.get("source")
    return source if isinstance(source, str) else None
