"""The private channels: what an account's commands and the market's steps changed, told to the account's sockets.

Two switches set what OKX leaves open: `push_order` says whether orders or positions report a fill first,
`push_timing` whether pushes leave before or after the acknowledgement of the request that caused them.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson

from paper.engine.events import AlgoEvent, BalanceEvent, Event, OrderEvent
from paper.engine.order import Fill
from paper.exchange import Exchange
from paper.numbers import text
from paper.server.account_rows import balance_row, position_row
from paper.server.channels import concerns
from paper.server.connection import Connection
from paper.server.order_rows import algo_push, order_push

Row = dict[str, Any]
Key = tuple[str, str, str]
AFTER_REPLY_S = 0.005
# How often the regular snapshots come unless the subscription says otherwise, s; 0: events only.
REGULAR_S = 5.0
INTERVALS_S = {"0": 0.0, "2000": 2.0, "3000": 3.0, "4000": 4.0}
# The liquidation-warning channel speaks at a margin ratio of 300 %.
WARNING_RATIO = 3
WARNED_FIELDS = (
    "instType", "mgnMode", "posId", "posSide", "pos", "posCcy", "instId", "lever", "markPx", "mgnRatio", "ccy",
    "cTime", "uTime",
)  # fmt: skip


class PrivateChannels:
    """Pushes to `connections`, which belong to the hub."""

    def __init__(self, exchange: Exchange, connections: set[Connection]) -> None:
        self._exchange = exchange
        self._connections = connections
        self._positions_first = exchange.options.switch("push_order") == "positions_first"
        self._after_reply = exchange.options.switch("push_timing") == "after_reply"
        self._held: list[Event] = []
        self._regular_at = self._beat_s = 0.0
        self._warned: set[tuple[str, Key]] = set()

    def _targets(self, account_id: str, channel: str) -> Iterable[tuple[Connection, Row]]:
        for connection in self._connections:
            if connection.credentials is None or connection.credentials.uid != account_id:
                continue
            for arg in list(connection.subscriptions.values()):
                if arg["channel"] == channel:
                    yield connection, {**arg, "uid": account_id}

    # --- events ---------------------------------------------------------------------------------------------

    def on_events(self, events: list[Event]) -> None:
        """Push now, or once the reply under way has left."""
        if not self._after_reply:
            self._tell(events)
            return
        if not self._held:
            asyncio.get_running_loop().call_later(AFTER_REPLY_S, self.release)
        self._held += events

    def release(self) -> None:
        """Push what was held back."""
        held, self._held = self._held, []
        if held:
            self._tell(held)

    def _tell(self, events: list[Event]) -> None:
        """Orders and algos one by one, positions and balance once each."""
        if not self._connections:
            return
        touched: dict[str, list[BalanceEvent]] = {}
        for event in events:
            if isinstance(event, BalanceEvent):
                touched.setdefault(event.account_id, []).append(event)
        if self._positions_first:
            self._tell_balances(touched)
        for event in events:
            if isinstance(event, OrderEvent):
                self._tell_order(event)
            elif isinstance(event, AlgoEvent):
                self._tell_algo(event)
        if not self._positions_first:
            self._tell_balances(touched)

    def _tell_order(self, event: OrderEvent) -> None:
        state, order = self._exchange.engine.state, event.order
        row = order_push(order, event.fill, state.instruments[order.inst_id], state.quotes[order.inst_id].last)
        self._tell_about(event.account_id, "orders", order.inst_id, row)
        if event.fill is not None:
            self._tell_about(event.account_id, "fills", order.inst_id, _fill_push(event.fill))

    def _tell_algo(self, event: AlgoEvent) -> None:
        state, algo = self._exchange.engine.state, event.algo
        row = algo_push(algo, state.instruments[algo.inst_id], state.quotes[algo.inst_id].last)
        advanced = algo.ord_type == "move_order_stop"
        self._tell_about(event.account_id, "algo-advance" if advanced else "orders-algo", algo.inst_id, row)

    def _tell_about(self, account_id: str, channel: str, inst_id: str, row: Row) -> None:
        for connection, arg in self._targets(account_id, channel):
            if concerns(arg, inst_id):
                connection.push(arg, [row])

    def _tell_balances(self, touched: dict[str, list[BalanceEvent]]) -> None:
        for account_id, changes in touched.items():
            keys = {(c.inst_id, c.mgn_mode, c.pos_side) for c in changes if c.inst_id}
            self._push_positions(account_id, keys, "event_update")
            self._push_account(account_id, "event_update")
            trades = [{"instId": c.inst_id, "tradeId": c.trade_id} for c in changes if c.trade_id]
            row = self._balance_and_position(account_id, changes[-1].reason, keys, trades)
            for connection, arg in self._targets(account_id, "balance_and_position"):
                connection.push(arg, [row])

    # --- positions and balance ------------------------------------------------------------------------------

    def _push_positions(self, account_id: str, keys: set[Key] | None, kind: str) -> None:
        for connection, arg in self._targets(account_id, "positions"):
            if keys is None and not self._due(arg):
                continue
            data = self._position_rows(account_id, arg, keys)
            if data or keys is None:
                connection.push(arg, data, eventType=kind, curPage=1, lastPage=True)

    def _position_rows(self, account_id: str, arg: Row, keys: set[Key] | None) -> list[Row]:
        """Those in `keys`, flat ones too, or every open one."""
        state, account = self._exchange.engine.state, self._exchange.engine.account(account_id)
        stamp = str(self._exchange.now_ms())
        return [
            {**position_row(state, account, position), "pTime": stamp}
            for key, position in account.positions.items()
            if (key in keys if keys is not None else position.contracts != 0) and concerns(arg, position.inst_id)
        ]

    def _push_account(self, account_id: str, kind: str) -> None:
        for connection, arg in self._targets(account_id, "account"):
            if kind == "snapshot" and not self._due(arg):
                continue
            data = self._account_rows(account_id, arg)
            connection.push(arg, data, eventType=kind, curPage=1, lastPage=True)

    def _account_rows(self, account_id: str, arg: Row) -> list[Row]:
        account = self._exchange.engine.account(account_id)
        row = balance_row(account, self._exchange.engine.state.balance(account))
        if arg.get("ccy"):
            row["details"] = [detail for detail in row["details"] if detail["ccy"] == arg["ccy"]]
        for detail in row["details"]:
            detail["coinUsdPrice"] = "1"
            detail["maxSpotInUseAmt"] = detail.pop("maxSpotInUse")  # named otherwise than over REST
        return [row]

    def _balance_and_position(self, account_id: str, kind: str, keys: set[Key] | None, trades: list[Row]) -> Row:
        account = self._exchange.engine.account(account_id)
        held = [
            {
                "posId": p.pos_id, "tradeId": p.trade_id, "instId": p.inst_id, "instType": "SWAP",
                "mgnMode": p.mgn_mode, "avgPx": text(p.avg_px) if p.contracts else "", "ccy": "USDT",
                "posSide": p.pos_side, "pos": text(p.contracts if p.pos_side == "net" else p.size), "baseBal": "",
                "quoteBal": "", "posCcy": "", "nonSettleAvgPx": "", "settledPnl": "", "uTime": str(p.updated),
            }
            for key, p in account.positions.items()
            if (key in keys if keys is not None else p.contracts != 0)
        ]  # fmt: skip
        return {
            "pTime": str(self._exchange.now_ms()), "eventType": kind,
            "balData": [{"ccy": "USDT", "cashBal": text(account.cash), "uTime": str(account.updated)}],
            "posData": held, "trades": trades,
        }  # fmt: skip

    # --- regularly, and on subscribing ----------------------------------------------------------------------

    def _due(self, arg: Row) -> bool:
        """Whether a subscription's regular snapshot comes with this beat."""
        interval = _interval_s(arg)
        if interval == 0:
            return False
        return self._regular_at // interval > (self._regular_at - self._beat_s) // interval

    def regular(self, beat_s: float) -> None:
        """The regular snapshots, to those whose time has come; called every `beat_s` seconds."""
        self._regular_at, self._beat_s = self._regular_at + beat_s, beat_s
        for uid in {c.credentials.uid for c in self._connections if c.credentials is not None}:
            self._push_positions(uid, None, "snapshot")
            self._push_account(uid, "snapshot")

    def warn(self) -> None:
        """After a step: tell whose margin ratio has come down to 300 %, once until it has recovered."""
        for uid in {c.credentials.uid for c in self._connections if c.credentials is not None}:
            if not any(True for _ in self._targets(uid, "liquidation-warning")):
                continue
            state, account = self._exchange.engine.state, self._exchange.engine.account(uid)
            for position in account.open_positions():
                key = (position.inst_id, position.mgn_mode, position.pos_side)
                row = position_row(state, account, position)
                low = row["mgnRatio"] != "" and float(row["mgnRatio"]) <= WARNING_RATIO
                if low and (uid, key) not in self._warned:
                    shown = {name: row[name] for name in WARNED_FIELDS} | {"pTime": str(self._exchange.now_ms())}
                    self._tell_about(uid, "liquidation-warning", position.inst_id, shown)
                (self._warned.add if low else self._warned.discard)((uid, key))

    def greet(self, connection: Connection, arg: Row) -> None:
        """The snapshot that follows a subscription's acknowledgement, where the channel has one."""
        if connection.credentials is None:
            return
        uid = connection.credentials.uid
        shown = {**arg, "uid": uid}
        if arg["channel"] == "account":
            rows = self._account_rows(uid, arg)
            connection.push(shown, rows, eventType="snapshot", curPage=1, lastPage=True)
        elif arg["channel"] == "positions":
            rows = self._position_rows(uid, arg, None)
            connection.push(shown, rows, eventType="snapshot", curPage=1, lastPage=True)
        elif arg["channel"] == "balance_and_position":
            connection.push(shown, [self._balance_and_position(uid, "snapshot", None, [])])


def _interval_s(arg: Row) -> float:
    """Seconds between regular snapshots, as the subscription's `extraParams` ask (updateInterval, ms)."""
    raw = arg.get("extraParams")
    wanted = orjson.loads(raw) if isinstance(raw, str) and raw else raw
    given = wanted.get("updateInterval") if isinstance(wanted, dict) else None
    return INTERVALS_S.get(str(given), REGULAR_S)


def _fill_push(fill: Fill) -> Row:
    return {
        "instId": fill.inst_id, "fillSz": text(fill.sz), "fillPx": text(fill.px), "side": fill.side,
        "ts": str(fill.ts), "ordId": fill.ord_id, "clOrdId": fill.cl_ord_id, "tradeId": fill.trade_id,
        "execType": fill.exec_type, "count": "1",
    }  # fmt: skip
