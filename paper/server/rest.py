"""The REST side: from raw request to raw reply, without any network.

`Rest.handle` verifies the signature over the exact path, query and body, routes, and wraps the answer in OKX's
envelope. Every mutating request is written to the ledger with its raw body and outcome.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import orjson
import structlog

from paper.clock import wall_us
from paper.errors import OkxError
from paper.exchange import Exchange
from paper.server import account_api, algo_api, public_api, sizing_api, trade_api
from paper.server.auth import verify
from paper.server.call import Call, Route
from paper.server.incoming import check_expiry, read_json
from paper.server.ratelimit import PLACING, RateLimiter
from paper.server.trade_api import client_ids

logger = structlog.get_logger()
ROUTES: dict[tuple[str, str], Route] = {
    **public_api.ROUTES, **account_api.ROUTES, **sizing_api.ROUTES, **trade_api.ROUTES, **algo_api.ROUTES,
}  # fmt: skip
PATHS = {path for _, path in ROUTES}
MAX_BODY = 1_000_000
# The calls that know the expTime header.
EXPIRING = {f"/api/v5/{path}" for path in PLACING}


@dataclass
class Reply:
    """Status, JSON body, and for mutating requests the ledger entry it left."""

    status: int
    body: bytes
    entry: dict[str, Any] = field(default_factory=dict)
    html: bool = False


class Rest:
    """Answers requests on behalf of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        options = exchange.options
        limited = options.rate_limited
        self.limiter = RateLimiter(options.switch("rate_limit_status")) if limited else None
        self._html = options.switch("unknown_path") == "html"
        self._documented = options.switch("auth_messages") == "documented"

    def handle(
        self,
        method: str,
        target: bytes,
        headers: Mapping[str, str],
        body: bytes = b"",
        fault: str = "",
        address: str = "",
    ) -> Reply:
        """`target` is path and query as sent; header names are lower-case; `fault` names what strikes the reply."""
        arrival = wall_us()
        raw_path, _, query = target.partition(b"?")
        path = raw_path.decode("latin-1")
        call = Call(self.exchange, method, path, {}, wall_ms=self.exchange.wall_ms(), fault=fault, address=address)
        route = ROUTES.get((method, path))
        if route is None:
            error = OkxError("50115") if path in PATHS else OkxError("404", message="Not Found", status=404)
            self._note("refused", call, query, arrival, error.status, error.code)
            if self._html and error.code == "404":
                return Reply(404, b"<html><body><h1>404 Not Found</h1></body></html>", html=True)
            return refusal(error)
        try:
            if route.private:
                call.credentials = verify(
                    self.exchange.credentials, method, target, body, headers, call.wall_ms, address
                )  # fmt: skip
                self.exchange.admit(call.credentials)
                if route.mutates and not call.credentials.may_trade:
                    raise OkxError("50120")
            if method == "GET":
                call.params = _query(query)
            else:
                _read_body(call, headers, body)
            if self.limiter is not None:
                self.limiter.count(call)
            if route.mutates:
                if path in EXPIRING:
                    check_expiry(headers.get("exptime", ""), call.wall_ms)
                return self._mutate(route, call, body, arrival)
            reply = _answer(route.handler(call))
            self._note("read", call, query, arrival, reply.status, "0")
            return reply
        except OkxError as refused:
            if self._documented and refused.code == "50113":
                refused = OkxError("50113", message="Invalid signature.")
            reply = refusal(refused)
            if route.mutates and call.credentials is not None:
                self._enter(reply, call, body, arrival, [])
            else:
                known = call.credentials is not None or not route.private
                self._note("read" if known else "refused", call, query, arrival, reply.status, refused.code)
            return reply
        except Exception:
            # A fault of ours: the request may or may not have been carried out, which is what 50026 means.
            logger.exception("request_failed", method=method, path=path)
            return refusal(OkxError("50026"))

    def _mutate(self, route: Route, call: Call, body: bytes, arrival: int) -> Reply:
        try:
            data = route.handler(call)
        except OkxError as refused:
            # A refusal of a single-purpose call (close, leverage) keeps HTTP 200: it is the call's outcome.
            reply = refusal(OkxError(refused.code, message=refused.message, status=200))
            self._enter(reply, call, body, arrival, [])
            return reply
        per_order = bool(data) and "sCode" in data[0]
        envelope: dict[str, Any] = {"code": "0", "data": data, "msg": ""}
        if per_order:
            failed = sum(row["sCode"] != "0" for row in data)
            if failed:
                whole = failed == len(data)
                envelope["code"] = "1" if whole else "2"
                envelope["msg"] = "All operations failed" if whole else "Bulk operation partially succeeded."
            envelope.update(inTime=str(arrival), outTime=str(wall_us()))
        reply = Reply(200, orjson.dumps(envelope))
        self._enter(reply, call, body, arrival, data)
        self.exchange.visibility.note(data, call.wall_ms)
        return reply

    def _note(self, kind: str, call: Call, query: bytes, arrival: int, status: int, code: str) -> None:
        self.exchange.ledger.add(
            kind,
            {
                "wall_us": arrival, "reply_wall_us": wall_us(),
                "account": call.credentials.uid if call.credentials is not None else "", "method": call.method,
                "path": call.path, "query": query.decode("latin-1"), "status": status, "code": code,
                "fault": call.fault,
            },
        )  # fmt: skip

    def _enter(self, reply: Reply, call: Call, body: bytes, arrival: int, data: list[Any]) -> None:
        outcome = orjson.loads(reply.body)
        keep = ("ordId", "clOrdId", "algoId", "algoClOrdId", "sCode", "sMsg")
        reply.entry = self.exchange.ledger.add(
            "request",
            {
                "wall_us": arrival, "reply_wall_us": wall_us(), "market_ms": self.exchange.now_ms(),
                "account": call.uid, "method": call.method, "path": call.path,
                "body": body.decode("utf-8", "replace"), "status": reply.status, "code": outcome["code"],
                "msg": outcome["msg"], "clOrdIds": client_ids(call), "fault": call.fault,
                "results": [{**{k: row[k] for k in keep if k in row}, **call.ledger_notes} for row in data],
            },
        )  # fmt: skip


def _query(query: bytes) -> dict[str, object]:
    params: dict[str, object] = {}
    for pair in query.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if name:
            params[unquote_plus(name)] = unquote_plus(value)
    return params


def _read_body(call: Call, headers: Mapping[str, str], body: bytes) -> None:
    if "json" not in headers.get("content-type", "").lower():
        raise OkxError("50006")
    if not body.strip():
        raise OkxError("50000")
    if len(body) > MAX_BODY:
        raise OkxError("50002")
    try:
        parsed = read_json(body)
    except ValueError:
        raise OkxError("50002") from None
    if isinstance(parsed, dict):
        call.params = parsed
    elif isinstance(parsed, list) and all(isinstance(item, dict) for item in parsed):
        call.items = parsed
    else:
        raise OkxError("50002")


def _answer(data: list[Any]) -> Reply:
    return Reply(200, orjson.dumps({"code": "0", "data": data, "msg": ""}))


def refusal(error: OkxError) -> Reply:
    """The whole request's refusal. Those of the signature come without `data`, as from OKX."""
    if error.code.startswith("501"):
        return Reply(error.status, orjson.dumps({"msg": error.message, "code": error.code}))
    return Reply(error.status, orjson.dumps({"code": error.code, "data": [], "msg": error.message}))
