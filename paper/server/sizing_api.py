"""REST: what an order would take — leverage, largest sizes, and the check before an order is sent."""

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import Any

from paper.engine.account import Account
from paper.engine.depth import best
from paper.engine.limits import expected_price, most_contracts
from paper.engine.margin import opening_part
from paper.engine.order import Order
from paper.engine.orders import read_order
from paper.engine.params import margin_mode, number, position_side
from paper.engine.position import Position
from paper.engine.state import EngineState
from paper.errors import bad_parameter
from paper.numbers import PRICE_STEP, ZERO, money, text
from paper.server.call import Call, Route

MAX_INSTRUMENTS = 20


def _names(call: Call, most: int = MAX_INSTRUMENTS) -> list[str]:
    names = call.need("instId").split(",")
    if len(names) > most:
        raise bad_parameter("instId")
    return [call.exchange.engine.state.instrument(name).inst_id for name in names]


def leverage_info(call: Call) -> list[Any]:
    call.need("mgnMode")
    mode = margin_mode(call.params, "mgnMode")
    hedge = call.account.pos_mode == "long_short_mode"
    sides = ("long", "short") if hedge else ("net",)
    return [
        {
            "instId": name, "ccy": "", "mgnMode": mode, "posSide": side,
            "lever": text(call.account.lever(name, mode, side)),
        }
        for name in _names(call)
        for side in sides
    ]  # fmt: skip


def _mode(call: Call) -> str:
    call.need("tdMode")
    return margin_mode(call.params, "tdMode")


def max_size(call: Call) -> list[Any]:
    """Largest order of each side in contracts, closing what is held included."""
    state, account, mode = call.exchange.engine.state, call.account, _mode(call)
    px, given = number(call.params, "px"), number(call.params, "leverage")
    if (px is not None and px <= 0) or (given is not None and given < 1):
        raise bad_parameter("px" if px is not None and px <= 0 else "leverage")
    available = state.balance(account).available
    found = []
    for name in _names(call, 5):
        sizes = {}
        for side, key, book in (("buy", "maxBuy", "asks"), ("sell", "maxSell", "bids")):
            lever = given or account.lever(name, mode, _side_of(account, side))
            opening = _affordable(state, name, px or best(state, name, book), lever, available)
            sizes[key] = text(opening + _closing(account, name, mode, side))
        found.append({"instId": name, "ccy": "USDT", **sizes})
    return found


def _side_of(account: Account, side: str) -> str:
    if account.pos_mode == "net_mode":
        return "net"
    return "long" if side == "buy" else "short"


def _affordable(state: EngineState, name: str, px: Decimal, lever: Decimal, available: Decimal) -> Decimal:
    instrument = state.instruments[name]
    cost = px * instrument.ct_val * (1 / lever + state.rules.taker)
    return min(most_contracts(instrument, lever), (available / cost).quantize(instrument.lot, ROUND_DOWN))


def _closing(account: Account, name: str, mode: str, side: str) -> Decimal:
    """Contracts an order of that side would close in net mode."""
    position = account.position(name, mode)
    against = position is not None and (position.contracts > 0) == (side == "sell")
    return position.size if against and position is not None else ZERO


def max_avail_size(call: Call) -> list[Any]:
    """Free margin of each side in USDT; with reduceOnly the contracts that could be closed."""
    mode = _mode(call)
    reduce_only = call.word("reduceOnly") == "true"
    available = text(call.exchange.engine.state.balance(call.account).available)
    found = []
    for name in _names(call, 5):
        sizes = {"availBuy": available, "availSell": available}
        if reduce_only:
            closing = {side: _closing(call.account, name, mode, side) for side in ("buy", "sell")}
            sizes = {"availBuy": text(closing["buy"]), "availSell": text(closing["sell"])}
        found.append({"instId": name, **sizes})
    return found


def precheck(call: Call) -> list[Any]:
    """What an order would change, were it filled now. Refused as the order itself would be; nothing is kept."""
    state, account = call.exchange.engine.state, call.account
    position_side(account, call.params)
    with state.trial():
        order = read_order(state, account, call.params)
    price = order.px if order.px is not None else expected_price(state, order)
    before, after = _before(account, order), _after(state, account, order, price)
    instrument, mark = state.instruments[order.inst_id], state.quotes[order.inst_id].mark
    whole = state.balance(account)
    row = dict.fromkeys(
        ["adjEq", "adjEqChg", "posBal", "posBalChg", "liab", "liabChg", "liabChgCcy", "type"], ""
    )  # fmt: skip
    figures = {
        "imr": (before.initial_margin(instrument, mark), after.initial_margin(instrument, mark)),
        "mmr": tuple(p.notional(instrument, mark) * instrument.mmr_for(p.size) for p in (before, after)),
        "availBal": (whole.available, max(ZERO, whole.available - order.frozen)),
    }
    for name, (was, becomes) in figures.items():
        row |= {name: text(becomes), f"{name}Chg": text(becomes - was)}
    taker = state.rules.taker
    ratios = [p.margin_ratio(instrument, mark, taker) if p.contracts else None for p in (before, after)]
    liquidation = after.liquidation_price(instrument, after.margin, taker) if order.td_mode == "isolated" else None
    return [
        {
            **row,
            "mgnRatio": _ratio(ratios[1]),
            "mgnRatioChg": _ratio(ratios[1] - (ratios[0] or ZERO)) if ratios[1] is not None else "",
            "liqPx": text(liquidation),
            "liqPxDiff": text(liquidation - mark) if liquidation is not None else "",
            "liqPxDiffRatio": _ratio((liquidation - mark) / mark) if liquidation is not None else "",
        }
    ]


def _ratio(value: Decimal | None) -> str:
    return "" if value is None else text(value.quantize(PRICE_STEP))


def _before(account: Account, order: Order) -> Position:
    found = account.position(order.inst_id, order.td_mode, order.pos_side)
    return found or Position(order.inst_id, order.td_mode, order.pos_side, "", order.lever)


def _after(state: EngineState, account: Account, order: Order, price: Decimal) -> Position:
    """The position as it would be: the closing part goes first, the rest opens at `price`."""
    before = _before(account, order)
    opening = opening_part(account, order.inst_id, order.td_mode, order.pos_side, order.side, order.sz)
    closing = order.sz - opening
    kept = before.size - closing
    after = replace(before, contracts=kept * before.sign, lever=order.lever)
    after.margin = before.margin * kept / before.size if before.size else ZERO
    if opening:
        after.avg_px = (before.avg_px * kept + price * opening) / (kept + opening)
        after.contracts += opening * order.direction
        if order.td_mode == "isolated":
            after.margin += money(state.instruments[order.inst_id].coins(opening) * price / order.lever)
    return after


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/v5/account/leverage-info"): Route(leverage_info, True),
    ("GET", "/api/v5/account/max-size"): Route(max_size, True),
    ("GET", "/api/v5/account/max-avail-size"): Route(max_avail_size, True),
    ("POST", "/api/v5/trade/order-precheck"): Route(precheck, True),
}
