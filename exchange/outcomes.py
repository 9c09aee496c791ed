"""The table: what one mutating call's answer means. The only place that decides accepted, rejected or
unknown.

The codes are in `outcome_codes.csv`, from which `docs/outcomes.md` is generated; a code that is not there is unknown.
Rejected are only codes OKX documents as a refusal made before anything took effect. Everything else that is
not a plain success is unknown: listed ambiguous codes, codes nobody documented, 5xx, timeouts, lost
connections, text that is not JSON. A wrong "rejected" loses an order that exists; a wrong "unknown" costs one
look-up.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from exchange.transport import Envelope, TransportFailure
from trading.orders import Outcome, OutcomeKind

TABLE_FILE = Path(__file__).with_name("outcome_codes.csv")


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the table: OKX's code, what it means for a mutation, OKX's words, and why where that needs one."""

    code: str
    kind: OutcomeKind
    message: str
    why: str


def _read() -> dict[str, Meaning]:
    with TABLE_FILE.open(encoding="utf-8", newline="") as lines:
        rows = [Meaning(r["code"], OutcomeKind(r["means"]), r["message"], r["why"]) for r in csv.DictReader(lines)]
    return {row.code: row for row in rows}


TABLE = _read()
REFUSED = frozenset(row.code for row in TABLE.values() if row.kind is OutcomeKind.REJECTED)
AMBIGUOUS = frozenset(row.code for row in TABLE.values() if row.kind is OutcomeKind.UNKNOWN)
DUPLICATE_ID = ("50071", "51016", "51065", "51068")
"""The exchange has the id already. Ours are sent once: whatever answers this was sent twice."""

TRANSPORT: tuple[tuple[str, OutcomeKind, str], ...] = (
    ("connect_failed", OutcomeKind.REJECTED, "no connection came up: nothing was written"),
    ("connect_timeout", OutcomeKind.REJECTED, "no connection came up in time: nothing was written"),
    ("pool_timeout", OutcomeKind.REJECTED, "no connection was free in time: nothing was written"),
    ("timeout", OutcomeKind.UNKNOWN, "written, and no answer in time"),
    ("connection_lost", OutcomeKind.UNKNOWN, "the connection broke after something was written"),
    ("http_NNN", OutcomeKind.UNKNOWN, "an answer that is not OKX's JSON, whatever its status"),
    ("HTTP 5xx", OutcomeKind.UNKNOWN, "whatever code comes with it"),
)
"""Failures without an answer of OKX, for readers: `TransportFailure.sent` decides."""


def kind_of(code: str) -> OutcomeKind:
    """What an OKX code (per item `sCode` where there is one) means for a mutation."""
    row = TABLE.get(code)
    return OutcomeKind.UNKNOWN if row is None else row.kind


def classify(answer: Envelope | TransportFailure, id_field: str | None = None) -> Outcome:
    """One mutating call's answer → Outcome. With `id_field`, a success that names no id is unknown."""
    if isinstance(answer, TransportFailure):
        kind = OutcomeKind.UNKNOWN if answer.sent else OutcomeKind.REJECTED
        return Outcome(kind, None, answer.word, answer.detail)
    if answer.status >= 500:
        return Outcome(OutcomeKind.UNKNOWN, None, answer.code, answer.message or f"HTTP {answer.status}")
    if not answer.data:
        kind = kind_of(answer.code)
        if kind is OutcomeKind.ACCEPTED:
            return Outcome(OutcomeKind.UNKNOWN, None, answer.code, "success without an item")
        return Outcome(kind, None, answer.code, answer.message)
    return _worst([_item(answer, item, id_field) for item in answer.data])


def _item(answer: Envelope, item: object, id_field: str | None) -> Outcome:
    if not isinstance(item, dict):
        return Outcome(OutcomeKind.UNKNOWN, None, answer.code, "an item that is not an object")
    code = str(item.get("sCode") or answer.code)
    message = str(item.get("sMsg") or answer.message)
    kind = kind_of(code)
    exchange_id = str(item.get(id_field) or "") or None if id_field else None
    if kind is OutcomeKind.ACCEPTED and id_field and exchange_id is None:
        return Outcome(OutcomeKind.UNKNOWN, None, code, f"success without {id_field}")
    return Outcome(kind, exchange_id, code, message)


def _worst(outcomes: list[Outcome]) -> Outcome:
    """Of several items the least certain: unknown before rejected before accepted."""
    order = (OutcomeKind.UNKNOWN, OutcomeKind.REJECTED, OutcomeKind.ACCEPTED)
    return min(outcomes, key=lambda outcome: order.index(outcome.kind))
