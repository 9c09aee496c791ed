"""Which of many messages that have come at once are worth reading: of what only the newest word counts, that one.

Told from the raw bytes, because reading a message costs ten times as much. A candle that has closed, a push with
several bars, an update of a book and whatever is of another form than OKX's ordinary one are all kept. What is kept
stays in order; a newer word takes the place of its own time, not of the one it supersedes.
"""

from collections.abc import Collection

CANDLE, FORMING, BARS_APART = b'{"arg":{"channel":"candle', b'"0"]]}', b"],["
QUOTES = tuple(
    b'{"arg":{"channel":"' + channel + b'"'
    for channel in (b"tickers", b"books5", b"mark-price", b"open-interest", b"funding-rate")
)
DATA, WITHIN = b'},"data":[', 160


def newest(payloads: list[bytes]) -> Collection[bytes]:
    """Those of `payloads`, in order of arrival, that a later one does not make worthless."""
    if len(payloads) == 1:
        return payloads
    kept: dict[bytes, bytes] = {}
    for payload in payloads:
        subject = payload[: payload.find(DATA, 0, WITHIN)]
        if subject.startswith(CANDLE):
            if not payload.endswith(FORMING) or BARS_APART in payload:
                subject = payload
        elif not subject.startswith(QUOTES):
            subject = payload
        kept.pop(subject, None)
        kept[subject] = payload
    return kept.values()
