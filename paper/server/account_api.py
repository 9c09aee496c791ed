"""REST: the account — balance, positions, bills, leverage, configuration."""

from itertools import takewhile
from typing import Any

from paper.numbers import text
from paper.server.account_rows import balance_row, bill_row, position_history_row, position_row
from paper.server.call import DAY_MS, THREE_MONTHS_MS, Call, Route, page, since, span
from paper.server.public_api import instruments
from paper.store.credentials import IN_PROCESS


def balance(call: Call) -> list[Any]:
    row = balance_row(call.account, call.exchange.engine.state.balance(call.account))
    wanted = call.word("ccy")
    if wanted:
        row["details"] = [d for d in row["details"] if d["ccy"] in wanted.split(",")]
    return [row]


def config(call: Call) -> list[Any]:
    uid, key = call.uid, call.credentials or IN_PROCESS
    return [
        {
            "uid": uid, "mainUid": uid, "acctLv": "2", "acctStpMode": "cancel_maker",
            "posMode": call.account.pos_mode, "autoLoan": False, "greeksType": "PA", "feeType": "0", "level": "Lv1",
            "levelTmp": "", "ctIsoMode": "automatic", "mgnIsoMode": "automatic", "spotOffsetType": "",
            "roleType": "0", "traderInsts": [], "spotRoleType": "0", "spotTraderInsts": [], "opAuth": "0",
            "kycLv": "3", "label": key.label, "ip": key.ip, "perm": key.permissions, "liquidationGear": "-1",
            "enableSpotBorrow": False, "spotBorrowAutoRepay": False, "type": "0", "settleCcy": "USDT",
            "settleCcyList": ["USDT"],
        }
    ]  # fmt: skip


def positions(call: Call) -> list[Any]:
    state, account = call.exchange.engine.state, call.account
    if not call.is_swap():
        return []
    wanted = [name for name in call.word("instId").split(",") if name]
    ids = [name for name in call.word("posId").split(",") if name]
    for name in wanted:
        state.instrument(name)
    return [
        position_row(state, account, position)
        for position in account.positions.values()
        if (position.contracts != 0 or wanted)
        and (not wanted or position.inst_id in wanted)
        and (not ids or position.pos_id in ids)
    ]


def positions_history(call: Call) -> list[Any]:
    account, state = call.account, call.exchange.engine.state
    if not call.is_swap():
        return []
    partly = [p for p in account.open_positions() if p.closed]
    lives = sorted([*account.position_history, *partly], key=lambda p: p.updated, reverse=True)
    inst_id, mode, oldest = call.word("instId"), call.word("mgnMode"), since(call, THREE_MONTHS_MS)
    kind, pos_id = call.word("type"), call.word("posId")
    asked = (
        p
        for p in takewhile(lambda p: p.updated >= oldest, lives)
        if inst_id in ("", p.inst_id)
        and mode in ("", p.mgn_mode)
        and kind in ("", p.close_type or "1")
        and pos_id in ("", p.pos_id)
    )
    return [position_history_row(p, state.instruments[p.inst_id]) for p in page(call, asked, lambda p: p.updated)]


def _bills(call: Call, window_ms: int) -> list[Any]:
    if not call.is_swap() or call.word("ctType") not in ("", "linear"):
        return []
    begin, end = span(call)
    begin = max(begin, since(call, window_ms))
    kind, sub_type, ccy = call.word("type"), call.word("subType"), call.word("ccy")
    inst_type, inst_id, mode = call.word("instType"), call.word("instId"), call.word("mgnMode")
    asked = (
        bill
        for bill in takewhile(lambda bill: bill.ts >= begin, reversed(call.account.bills))
        if bill.ts <= end
        and (not inst_type or bill.inst_id)
        and kind in ("", bill.type)
        and sub_type in ("", bill.sub_type)
        and inst_id in ("", bill.inst_id)
        and mode in ("", bill.mgn_mode)
        and ccy in ("", "USDT")
    )
    return [bill_row(bill) for bill in page(call, asked, lambda bill: int(bill.bill_id))]


def bills(call: Call) -> list[Any]:
    return _bills(call, 7 * DAY_MS)


def bills_archive(call: Call) -> list[Any]:
    return _bills(call, THREE_MONTHS_MS)


def set_position_mode(call: Call) -> list[Any]:
    return [call.exchange.command(call.uid, "set_position_mode", call.params)]


def set_leverage(call: Call) -> list[Any]:
    return [call.exchange.command(call.uid, "set_leverage", call.params)]


def adjust_margin(call: Call) -> list[Any]:
    return [call.exchange.command(call.uid, "adjust_margin", call.params)]


def trade_fee(call: Call) -> list[Any]:
    call.need("instType")
    call.is_swap()
    call.inst_ids()
    rules = call.exchange.engine.state.rules
    maker, taker = text(-rules.maker), text(-rules.taker)
    return [
        {
            "level": "Lv1", "taker": taker, "maker": maker, "takerU": taker, "makerU": maker, "takerUSDC": taker,
            "makerUSDC": maker, "delivery": "", "exercise": "", "settle": "", "instType": call.word("instType"),
            "ruleType": "normal", "category": "1", "ts": str(call.exchange.now_ms()), "fiat": [],
            "feeGroup": [{"groupId": "1", "taker": taker, "maker": maker}],
        }
    ]  # fmt: skip


def position_risk(call: Call) -> list[Any]:
    state, account = call.exchange.engine.state, call.account
    whole = state.balance(account)
    held = []
    for position in account.open_positions():
        row = position_row(state, account, position)
        keep = ("instType", "mgnMode", "posId", "instId", "pos", "baseBal", "quoteBal", "posSide", "posCcy", "ccy")
        held.append({**{name: row[name] for name in keep}, "notionalCcy": "", "notionalUsd": row["notionalUsd"]})
    money = [{"ccy": "USDT", "eq": text(whole.equity), "disEq": text(whole.equity)}]
    return [{"ts": str(call.exchange.now_ms()), "adjEq": "", "balData": money, "posData": held}]


def nothing(call: Call) -> list[Any]:
    return []


def account_instruments(call: Call) -> list[Any]:
    return instruments(call)


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/v5/account/balance"): Route(balance, True),
    ("GET", "/api/v5/account/config"): Route(config, True),
    ("GET", "/api/v5/account/positions"): Route(positions, True),
    ("GET", "/api/v5/account/positions-history"): Route(positions_history, True),
    ("GET", "/api/v5/account/account-position-risk"): Route(position_risk, True),
    ("GET", "/api/v5/account/bills"): Route(bills, True),
    ("GET", "/api/v5/account/bills-archive"): Route(bills_archive, True),
    ("POST", "/api/v5/account/set-position-mode"): Route(set_position_mode, True, True),
    ("POST", "/api/v5/account/set-leverage"): Route(set_leverage, True, True),
    ("POST", "/api/v5/account/position/margin-balance"): Route(adjust_margin, True, True),
    ("GET", "/api/v5/account/trade-fee"): Route(trade_fee, True),
    ("GET", "/api/v5/account/instruments"): Route(account_instruments, True),
    ("GET", "/api/v5/asset/currencies"): Route(nothing, True),
    ("GET", "/api/v5/asset/balances"): Route(nothing, True),
}
