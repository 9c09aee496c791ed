"""Reading a request's parameters: what is blank, what is a number, what belongs together.

Blank, null and absent are one; numbers and flags come as JSON values or as text. Raises `OkxError` in OKX's words.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from paper.engine.account import Account
from paper.engine.state import EngineState
from paper.errors import OkxError, bad_parameter
from paper.instruments import Instrument
from paper.numbers import is_multiple, parse

CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
TAG = re.compile(r"[A-Za-z0-9]{1,16}")
MARKET_PRICE = Decimal(-1)

Params = Mapping[str, object]


def word(params: Params, name: str) -> str:
    """A parameter as text; JSON true and false become words."""
    value = params.get(name)
    if value is None:
        return ""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | Decimal):
        return str(value)
    raise bad_parameter(name)


def number(params: Params, name: str) -> Decimal | None:
    try:
        return parse(word(params, name))
    except ValueError:
        raise bad_parameter(name) from None


def flag(params: Params, name: str) -> bool:
    value = word(params, name).lower()
    if value not in ("", "true", "false"):
        raise bad_parameter(name)
    return value == "true"


def client_id(params: Params, name: str) -> str:
    value = word(params, name)
    if value and not CLIENT_ID.fullmatch(value):
        raise bad_parameter(name)
    return value


def tag_of(params: Params) -> str:
    tag = word(params, "tag")
    if tag and not TAG.fullmatch(tag):
        raise bad_parameter("tag")
    return tag


def margin_mode(params: Params, name: str) -> str:
    mode = word(params, name)
    if mode not in ("cross", "isolated"):
        raise bad_parameter(name)
    return mode


def trade_mode(state: EngineState, account: Account, params: Params) -> tuple[Instrument, str, str, str]:
    """Instrument, margin mode, side and position side of a request."""
    instrument = state.instrument(word(params, "instId"))
    mode, side = margin_mode(params, "tdMode"), word(params, "side")
    if side not in ("buy", "sell"):
        raise bad_parameter("side")
    return instrument, mode, side, position_side(account, params)


def position_side(account: Account, params: Params) -> str:
    """`net` in net mode; long or short, which must be given, in long/short mode."""
    given = word(params, "posSide")
    if account.pos_mode == "net_mode":
        if given not in ("", "net"):
            raise bad_parameter("posSide")
        return "net"
    if given not in ("long", "short"):
        raise bad_parameter("posSide")
    return given


def closes(side: str, pos_side: str) -> bool:
    """Whether an order of long/short mode can only reduce, by its two sides."""
    return (side, pos_side) in (("sell", "long"), ("buy", "short"))


def check_size(instrument: Instrument, sz: Decimal | None, market: bool) -> Decimal:
    if sz is None or sz <= 0:
        raise bad_parameter("sz")
    if sz < instrument.min_sz:
        raise OkxError("51020")
    if not is_multiple(sz, instrument.lot):
        raise OkxError("51121")
    if market and sz > instrument.max_mkt_sz:
        raise OkxError("51202")
    if sz > instrument.max_lmt_sz:
        raise OkxError("51101", str(instrument.max_lmt_sz))
    return sz


def check_order_price(price: Decimal, tick: Decimal, name: str) -> None:
    """What a trigger sends: -1 for market, or a price on the tick grid."""
    if price != MARKET_PRICE and (price <= 0 or not is_multiple(price, tick)):
        raise bad_parameter(name)


def trigger_type(params: Params, name: str) -> str:
    kind = word(params, name) or "last"
    if kind not in ("last", "mark", "index"):
        raise bad_parameter(name)
    return kind
