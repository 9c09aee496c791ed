"""Which subscriptions are possible on which endpoint: refusals in OKX's words."""

from collections.abc import Mapping
from typing import Any

import orjson

from paper.exchange import Exchange
from paper.server.channels import INST_TYPES, by_index, candle_bar, endpoint_of, needs_login, required_argument
from paper.server.market_rows import MarketRows

Refusal = tuple[str, str]
MOVED = (
    "64001", "This channel has been migrated to the '/business' URL. Subscribe using the new URL. For more "
    "information, visit: https://www.okx.com/docs-v5/log_en",
)  # fmt: skip
NOT_BUSINESS = (
    "64002", 'This channel is not supported by "/business" URL. Please use "/private" URL(for private channels), or '
    '"/public" URL(for public channels).',
)  # fmt: skip


def refusal_of(
    rows: MarketRows, exchange: Exchange, arg: Mapping[str, Any], here: str, logged_in: bool, text: str
) -> Refusal | None:
    """Code and message when a subscription is not possible on the endpoint `here`; `text` is the whole request."""
    invalid = "60012", f"Invalid request: {text}"
    channel = arg.get("channel")
    if not isinstance(channel, str) or not all(_is_plain(value) for value in arg.values()):
        return invalid
    named = ",".join(f"{name}:{value}" for name, value in arg.items())
    unknown = (
        "60018",
        f"Wrong URL or {named} doesn't exist. Please use the correct URL, channel and parameters referring to API "
        "document.",
    )
    home, candle = endpoint_of(channel), candle_bar(channel)
    if home is None:
        return unknown
    lenient = candle is not None and here == "public" and exchange.options.switch("candles_on_public") == "accept"
    if here not in ("all", home) and not lenient:
        if here == "business":
            return NOT_BUSINESS
        return MOVED if (here, home) == ("public", "business") else unknown
    if needs_login(channel) and not logged_in:
        return "60011", "Please log in"
    needed = required_argument(channel)
    if (needed and not arg.get(needed)) or not _readable(arg.get("extraParams")):
        return invalid
    if candle is not None and rows.grid(candle[1]) is None:
        return unknown
    return None if _exists(exchange, channel, needed, arg) else unknown


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | dict)


def _readable(extra: object) -> bool:
    """Whether `extraParams` is absent, an object, or the text of one."""
    if not isinstance(extra, str) or not extra:
        return extra in (None, "") or isinstance(extra, dict)
    try:
        return isinstance(orjson.loads(extra), dict)
    except orjson.JSONDecodeError:
        return False


def _exists(exchange: Exchange, channel: str, needed: str, arg: Mapping[str, Any]) -> bool:
    """Whether the named instrument, family and type exist here; other types than swaps exist, but list nothing."""
    listed = exchange.engine.state.instruments
    families = {instrument.family for instrument in listed.values()}
    name, family, kind = arg.get("instId"), arg.get("instFamily"), arg.get("instType")
    if needed == "instId":
        return name in (families if by_index(channel) else listed)
    if kind and (kind not in INST_TYPES or (channel == "instruments" and kind == "ANY")):
        return False
    if kind not in (None, "", "ANY", "SWAP"):
        return True
    return (not name or name in listed) and (not family or family in families)
