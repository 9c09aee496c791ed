"""Typed facts: the only form in which third-party text reaches a deciding model.

A fact is a short statement with its kind, direction, time and source. Its text is somebody else's and stays data:
bounded, on one line, without links or markup.
"""

import re
import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from brain.wire import storable

MAX_FACTS = 8
MAX_STATEMENT = 240
LINK = re.compile(r"(?:https?://|www\.)\S+")
KINDS = ("reported", "scheduled", "expected", "disputed")
DIRECTIONS = ("up", "down", "either", "none")


def plain(text: str) -> str:
    """One bounded line: no links, no control or invisible characters, no angle brackets or back-ticks."""
    text = LINK.sub("[link]", str(storable(text)))
    text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    text = " ".join(re.sub(r"[<>`]", " ", text).split())
    return text if len(text) <= MAX_STATEMENT else text[: MAX_STATEMENT - 1].rstrip() + "…"


class Fact(BaseModel):
    """One fact. `direction`: what it argues for the price; `at` as the source states it; `source` counts from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    statement: Annotated[str, Field(min_length=1), AfterValidator(plain)]
    kind: Literal["reported", "scheduled", "expected", "disputed"]
    direction: Literal["up", "down", "either", "none"]
    at: Annotated[str, AfterValidator(lambda text: plain(text)[:40])] | None
    source: int | None


class Findings(BaseModel):
    """What research came to. `instructions_found`: the text tried to give orders, and they were left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    question: str
    facts: tuple[Fact, ...]
    instructions_found: bool = False
