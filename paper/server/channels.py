"""The WebSocket channels: on which endpoint each lives, and which arguments it needs."""

from collections.abc import Mapping
from typing import Any

PUBLIC = {
    "tickers": "instId", "trades": "instId", "books": "instId", "books5": "instId", "bbo-tbt": "instId",
    "mark-price": "instId", "index-tickers": "instId", "funding-rate": "instId", "open-interest": "instId",
    "price-limit": "instId", "instruments": "instType", "status": "",
}  # fmt: skip
PRIVATE = {
    "account": "", "positions": "instType", "balance_and_position": "", "orders": "instType",
    "liquidation-warning": "instType", "fills": "",
}  # fmt: skip
BUSINESS_PRIVATE = {"orders-algo": "instType", "algo-advance": "instType"}
# Whose connections OKX counts, at most 30 to each of them.
COUNTED = ("account", "positions", "balance_and_position", "orders", "liquidation-warning")
INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "ANY")
CANDLES = ("candle", "mark-price-candle", "index-candle")


def candle_bar(channel: str) -> tuple[str, str] | None:
    """Kind and bar of a candle channel's name, e.g. ("candle", "5m")."""
    for kind in sorted(CANDLES, key=len, reverse=True):
        if channel.startswith(kind):
            return kind, channel.removeprefix(kind)
    return None


def endpoint_of(channel: str) -> str | None:
    """`public`, `private` or `business`; None for a channel that does not exist."""
    if channel in PUBLIC:
        return "public"
    if channel in PRIVATE:
        return "private"
    if channel in BUSINESS_PRIVATE or channel == "trades-all" or candle_bar(channel) is not None:
        return "business"
    return None


def needs_login(channel: str) -> bool:
    return channel in PRIVATE or channel in BUSINESS_PRIVATE


def counted(channel: str) -> bool:
    return channel in COUNTED


def by_index(channel: str) -> bool:
    """Whether a channel's instId names an index (BTC-USDT) rather than an instrument."""
    return channel == "index-tickers" or channel.startswith("index-candle")


def required_argument(channel: str) -> str:
    """The argument a subscription cannot do without; blank when none."""
    for table in (PUBLIC, PRIVATE, BUSINESS_PRIVATE):
        if channel in table:
            return table[channel]
    return "instId"


def concerns(arg: Mapping[str, Any], inst_id: str) -> bool:
    """Whether a private subscription covers an instrument."""
    if arg.get("instType") not in (None, "", "SWAP", "ANY"):
        return False
    if arg.get("instFamily") not in (None, "", inst_id.removesuffix("-SWAP")):
        return False
    return arg.get("instId") in (None, "", inst_id)
