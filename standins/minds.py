"""What the stand-in for Claude thinks: enough to see the whole bot at work, no more.

It reads the prompt the bot sends, as text, and answers by the schema it was asked for. Deterministic. Where a prompt
no longer reads as expected it holds.
"""

import re
from typing import Any

from standins.anthropic_refusals import blocks_of

ASKED = re.compile(r"Decide about ([A-Z0-9]+-USDT-SWAP) now")
NUMBER = r"(-?\d+(?:\.\d+)?)"
ATR_STOP, LEAST_STOP, MOST_STOP, REWARD = 1.5, 0.008, 0.025, 2.0


def minimal(schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """The emptiest value a JSON schema allows."""
    root = root or schema
    if "$ref" in schema:
        return minimal(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        options = schema["anyOf"]
        return None if {"type": "null"} in options else minimal(options[0], root)
    match schema.get("type"):
        case "object":
            return {name: minimal(item, root) for name, item in schema.get("properties", {}).items()}
        case "array":
            return [minimal(schema["items"], root)] * schema.get("minItems", 0)
        case "number" | "integer":
            return 0
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return ""


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Screens, decides, or gives the emptiest answer to whatever else is asked."""
    schema = body["output_config"]["format"]["schema"]
    made: dict[str, Any] = minimal(schema)
    text = said_to(body)
    if "signal" in schema["properties"]:
        return screen(text)
    if "stop_loss" in schema["properties"]:
        return made | decide(text)
    return made


def said_to(body: dict[str, Any]) -> str:
    """The text of the last turn, all its blocks."""
    return "\n\n".join(block["text"] for block in blocks_of(body["messages"][-1]["content"]))


def screen(text: str) -> dict[str, Any]:
    """A signal when the 5m candle closed outside its 20-bar range, or on twice its usual volume."""
    frame = _frame(text, "5m")
    close, low, high = (
        _found(frame, p) for p in (rf"close {NUMBER}", rf"range {NUMBER} to", rf"range [^ ]+ to {NUMBER}")
    )
    volume = _found(frame, rf"volume x{NUMBER}")
    if close is None or low is None or high is None:
        return {"signal": True, "confidence": 0.5, "reason": "the 5m candle cannot be read"}
    outside = close > high or close < low
    signal = outside or (volume is not None and volume >= 2)
    reason = f"5m close {close:g} {'left' if outside else 'is inside'} its range {low:g} to {high:g}"
    return {"signal": signal, "confidence": 0.7, "reason": reason}


def decide(text: str) -> dict[str, Any]:
    """With the hour's averages where there is no position; otherwise it holds."""
    asked = ASKED.search(text)
    inst_id = asked[1] if asked else ""
    held = {"action": "HOLD", "inst_id": inst_id, "confidence": 0.6, "regime": "ranging", "strategy": "none"}
    hour, four = _frame(text, "1H"), _frame(text, "4H")
    last, atr = _found(text, rf"\nLast {NUMBER}"), _found(hour, rf"ATR14 {NUMBER}")
    close, fast, slow = (_found(hour, rf"{name} {NUMBER}") for name in ("close", "EMA20", "EMA50"))
    if f"\n- {inst_id} " in text.partition("\n# Open positions")[2].partition("\n# Research")[0]:
        return held | {"reasoning": "The position stands by its plan."}
    if not (last and atr and close and fast and slow and four):
        return held | {"reasoning": "Figures of the hour are missing."}
    sign = 1 if close > fast > slow else -1 if close < fast < slow else 0
    if not sign:
        return held | {"reasoning": f"1H close {close:g}, EMA20 {fast:g} and EMA50 {slow:g} do not line up."}
    distance = min(max(ATR_STOP * atr, last * LEAST_STOP), last * MOST_STOP)
    return {
        "action": "OPEN_LONG" if sign > 0 else "OPEN_SHORT", "inst_id": inst_id, "size_pct": 3.0,
        "order_type": "market", "limit_price": None, "stop_loss": _round(last - sign * distance),
        "take_profit": _round(last + sign * REWARD * distance), "confidence": 0.6, "strategy": "momentum",
        "regime": "trending_up" if sign > 0 else "trending_down",
        "observations": [f"1H close {close:g} and EMA20 {fast:g} lie on one side of EMA50 {slow:g}"],
        "risk_factors": ["a stand-in thought this"],
        "reasoning": "The hour's averages line up. This is a stand-in's opinion, worth nothing.",
        "invalidation": {
            "indicator": "close", "timeframe": "1H", "comparison": "below" if sign > 0 else "above",
            "level": _round(slow),
        },
    }  # fmt: skip


def _frame(text: str, bar: str) -> str:
    """The lines about one timeframe."""
    return text.partition(f"## {bar},")[2].partition("\n\n")[0]


def _found(text: str, pattern: str) -> float | None:
    found = re.search(pattern, text)
    return float(found[1]) if found else None


def _round(price: float) -> float:
    return float(f"{price:.6g}")
