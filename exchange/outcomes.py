"""The table: what one mutating call's answer means. The only place that decides accepted, rejected or
unknown.

Rejected are only codes OKX documents as a refusal made before anything took effect. Everything else that is
not a plain success is unknown: listed ambiguous codes, codes nobody documented, 5xx, timeouts, lost
connections, text that is not JSON. A wrong "rejected" loses an order that exists; a wrong "unknown" costs one
look-up.
"""

from collections.abc import Iterable

from exchange.transport import Envelope, TransportFailure
from trading.orders import Outcome, OutcomeKind

# Mean neither yes nor no, whatever a range below says.
AMBIGUOUS = frozenset({
    "50001",  # service temporarily unavailable
    "50004",  # endpoint request timeout: "does not mean that the request was successful or failed"
    "50005",  # endpoint inactive or unavailable
    "50013",  # systems are busy
    "50026",  # system error
    "51054",  # request timed out
    "51149",  # order timed out: "does not mean that the request was successful or failed"
    "51412",  # cancellation timed out
    "50042",  # repeated request,
    "50071",  # and an id that exists already: our ids are sent once, so the first of the two took effect
    "51016",
    "51065",
    "51068",
})  # fmt: skip

# Documented refusals, as runs of documented codes; the gaps are codes OKX does not document: unknown.
_REFUSALS = """
50000 50002 50006-50012 50014-50025 50027-50030 50032-50033 50035-50041 50044-50053 50055-50064
50067 50069 50072 50075-50077 50100-50116 50118-50122
51000-51012 51014-51044 51046-51053 51055-51059 51063 51066 51069-51096 51098-51113 51115-51117
51120-51140 51142-51144 51147-51148 51150 51152-51156 51158-51159 51162-51171 51173-51182
51185-51187 51192-51197 51201-51207 51220-51226 51250-51265 51267-51295 51298-51300 51302-51313
51317 51320-51333 51340-51359 51370 51380-51411 51413 51415-51416 51500-51503 51505-51514
51521-51532 51536-51539 51543 51600-51603
54000-54001 54004-54009 54011-54012 54018-54019 54024-54031 54035-54036 54070-54075
59000-59002 59004-59006 59101-59114 59117-59118 59122-59125 59128-59130 59132-59139 59200-59202
59206 59300-59317 59319 59601 59603-59604 59606 59641-59643 59648-59652 59658-59662 59664-59666
59668-59676 59678-59679 59683-59684 59686
"""


def _expand(runs: str) -> Iterable[str]:
    for run in runs.split():
        first, _, last = run.partition("-")
        for code in range(int(first), int(last or first) + 1):
            yield str(code)


REFUSED = frozenset(_expand(_REFUSALS)) - AMBIGUOUS


def kind_of(code: str) -> OutcomeKind:
    """What an OKX code (per item `sCode` where there is one) means for a mutation."""
    if code == "0":
        return OutcomeKind.ACCEPTED
    return OutcomeKind.REJECTED if code in REFUSED else OutcomeKind.UNKNOWN


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
