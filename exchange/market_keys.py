"""Names and layout of the present moment in Redis database 0. Writer and reader agree here and nowhere else.

A candle stream's entry id is the bar's open in ms, so writing a bar twice changes nothing; its one field
holds seven numbers. `market:seen:{instId}` maps a channel to "received-wall-ms exchange-ts-ms": `candle` for the
newest push of any bar, `candle5m` and so on for each.
"""

CANDLE_FIELD = b"ohlcv"
"""open high low close vol_contracts vol_coins vol_quote, separated by blanks."""

KEPT_BARS = 800
CHANNELS = ("ticker", "candle", "book", "funding", "open_interest", "mark")
DATED = frozenset(("ticker", "book", "mark", "funding", "open_interest"))
"""Channels whose exchange time is that of the word itself; a candle's is the open of its bar."""
CALENDAR = "market:calendar"
"""JSON: `events` (name, at, expected) and `problem`."""
ALERTS = "market:alerts"
"""Stream of market alerts: type, inst_id, payload (JSON)."""
ALERTS_KEPT = 1000
ALERTED = "market:alerted"
"""Hash "kind:instId" → market ms of the last alert of that kind."""


def candles(inst_id: str, bar: str) -> str:
    """Stream of confirmed candles, oldest first."""
    return f"market:candles:{inst_id}:{bar}"


def edition(inst_id: str, bar: str) -> str:
    """Token that changes whenever the stream was rewritten rather than appended to."""
    return f"market:edition:{inst_id}:{bar}"


def forming(inst_id: str, bar: str) -> str:
    """Hash of the bar that is still forming."""
    return f"market:forming:{inst_id}:{bar}"


def ticker(inst_id: str) -> str:
    """Hash last, bid, ask, ts."""
    return f"market:ticker:{inst_id}"


def book(inst_id: str) -> str:
    """Hash bids, asks (`px:sz` pairs, best first), ts."""
    return f"market:book:{inst_id}"


def mark(inst_id: str) -> str:
    """Hash px, ts."""
    return f"market:mark:{inst_id}"


def funding(inst_id: str) -> str:
    """Hash rate, next (ms of the coming settlement), ts."""
    return f"market:funding:{inst_id}"


def open_interest(inst_id: str) -> str:
    """Hash contracts, ts."""
    return f"market:open_interest:{inst_id}"


def open_interest_past(inst_id: str) -> str:
    """Stream of open interest, an entry a minute of market time (its id), field `contracts`."""
    return f"market:open_interest_past:{inst_id}"


def seen(inst_id: str) -> str:
    """Hash channel → when it last spoke."""
    return f"market:seen:{inst_id}"
