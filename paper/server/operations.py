"""Order operations over the private WebSocket: the same commands as REST, named by `instId` or `instIdCode`."""

import re
from typing import Any

import orjson

from paper.clock import wall_us
from paper.errors import OkxError
from paper.exchange import Exchange
from paper.server.connection import Connection
from paper.server.hub import Hub
from paper.server.incoming import check_expiry
from paper.server.trade_api import operate

OPERATIONS = {
    "order": ("place", 1), "batch-orders": ("place", 20), "cancel-order": ("cancel", 1),
    "batch-cancel-orders": ("cancel", 20), "amend-order": ("amend", 1), "batch-amend-orders": ("amend", 20),
}  # fmt: skip
# Batches have codes of their own for too many elements.
TOO_MANY = {"batch-orders": "51111", "batch-cancel-orders": "51406", "batch-amend-orders": "51501"}
Message = dict[str, Any]
ID = re.compile(r"[A-Za-z0-9]{1,32}")


def is_message_id(given: object) -> bool:
    """Up to 32 letters and digits; a number is taken, too."""
    return isinstance(given, str | int) and not isinstance(given, bool) and ID.fullmatch(str(given)) is not None


def carry_out(hub: Hub, connection: Connection, request: Message, fault: str = "") -> Message:
    """Carry an operation out and return its answer, which the caller sends; the ledger has it then."""
    arrival = wall_us()
    op = request["op"]
    answer: Message = {"id": request.get("id"), "op": op, "data": [], "code": "0", "msg": ""}
    try:
        rows = _rows(hub, connection, request)
    except OkxError as refused:
        answer.update(code=refused.code, msg=refused.message)
    else:
        failed = sum(row["sCode"] != "0" for row in rows)
        answer["data"] = rows
        if failed:
            whole = failed == len(rows)
            answer["code"] = "1" if whole else "2"
            answer["msg"] = "All operations failed" if whole else "Bulk operation partially succeeded."
    answer.update(inTime=str(arrival), outTime=str(wall_us()))
    if connection.credentials is not None:
        _enter(hub.exchange, connection, request, answer, arrival, fault)
    return answer


def _rows(hub: Hub, connection: Connection, request: Message) -> list[Message]:
    exchange, op, args = hub.exchange, request["op"], request.get("args")
    name, most = OPERATIONS[op]
    if connection.endpoint not in ("private", "all") or connection.credentials is None:
        raise OkxError("60011", message="Please log in")
    if not is_message_id(request.get("id")) or not isinstance(args, list) or not args:
        raise OkxError("60013", message="Invalid args")
    if not all(isinstance(arg, dict) for arg in args):
        raise OkxError("60013", message="Invalid args")
    if len(args) > most:
        raise OkxError(TOO_MANY[op], str(most)) if op in TOO_MANY else OkxError("60013", message="Invalid args")
    if not connection.credentials.may_trade:
        raise OkxError("50120")
    check_expiry(str(request.get("expTime") or ""), exchange.wall_ms())
    uid = connection.credentials.uid
    named = [_named(exchange, arg) for arg in args]
    if hub.limiter is not None:
        hub.limiter.count_operation(uid, op, named)
    rows = [operate(exchange, uid, name, arg) if arg.get("instId") else _unnamed(exchange, arg) for arg in named]
    exchange.visibility.note(rows, exchange.wall_ms())
    return rows


def _named(exchange: Exchange, arg: Message) -> Message:
    """Resolve instIdCode to instId where only the code is sent."""
    if arg.get("instId") or not arg.get("instIdCode"):
        return arg
    for instrument in exchange.engine.state.instruments.values():
        if str(instrument.code) == str(arg["instIdCode"]):
            return {**arg, "instId": instrument.inst_id}
    return {**arg, "instId": "?"}


def _unnamed(exchange: Exchange, arg: Message) -> Message:
    given = {key: str(arg.get(key) or "") for key in ("clOrdId", "tag")}
    text = "Parameter instIdCode can not be empty."
    return {**given, "ordId": "", "ts": str(exchange.now_ms()), "sCode": "50014", "sMsg": text}


def _enter(
    exchange: Exchange, connection: Connection, request: Message, answer: Message, arrival: int, fault: str
) -> None:
    credentials, args = connection.credentials, request.get("args")
    keep = ("ordId", "clOrdId", "sCode", "sMsg")
    exchange.ledger.add(
        "request",
        {
            "wall_us": arrival, "reply_wall_us": wall_us(), "market_ms": exchange.now_ms(),
            "account": credentials.uid if credentials else "", "method": "WS", "path": request["op"],
            "body": orjson.dumps(request).decode(), "status": 0, "code": answer["code"], "msg": answer["msg"],
            "clOrdIds": [str(a["clOrdId"]) for a in args if isinstance(a, dict) and a.get("clOrdId")]
            if isinstance(args, list) else [],
            "fault": fault, "results": [{k: row[k] for k in keep if k in row} for row in answer["data"]],
        },
    )  # fmt: skip
