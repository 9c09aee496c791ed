"""Everything read from OKX: retried, typed, and either an answer or ReadFailed. Never a guess.

Times are market time but for `server_time`, which is OKX's wall clock. Lists are newest first, all pages.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial

from exchange import parse_account, parse_market, parse_orders
from exchange.errors import ReadFailed
from exchange.fields import Row, required_decimal, required_time, text
from exchange.paging import PAGE, all_rows
from exchange.quotes import Book, FeeRates, Funding, LimitPrices, MarkPrice, OpenInterest, Ticker
from exchange.retry import read
from exchange.transport import Call, Envelope, OkxTransport
from trading.candle import Candle
from trading.clock import to_ms
from trading.instrument import Instrument
from trading.orders import (
    AccountConfig,
    AlgoReport,
    BalanceReport,
    BillReport,
    FillReport,
    OrderReport,
    PositionReport,
)

ORDER_ABSENT = "51603"
SWAP = "SWAP"
ALGO_TYPES = "conditional,oco"


class Reads:
    """Typed reads over one transport."""

    def __init__(self, transport: OkxTransport) -> None:
        self._okx = transport

    # The market.

    def server_time(self) -> datetime:
        """OKX's clock, wall time."""
        return required_time(self._one("server time", self._okx.public.get_system_time), "ts", "server time")

    def instruments(self, inst_ids: Iterable[str]) -> dict[str, Instrument]:
        """The named swaps. Raises ReadFailed naming those OKX does not list."""
        wanted = list(inst_ids)
        rows = read("instruments", lambda: self._okx.public.get_instruments(SWAP)).data
        by_id = {text(row, "instId"): row for row in rows}
        missing = [inst_id for inst_id in wanted if inst_id not in by_id]
        if missing:
            raise ReadFailed(f"instruments: the exchange does not list {', '.join(missing)}", "51001")
        return {inst_id: parse_market.instrument(by_id[inst_id]) for inst_id in wanted}

    def candles(self, inst_id: str, bar: str, limit: int = 100, after: datetime | None = None) -> list[Candle]:
        """Up to 300 candles, newest first, the forming one included; with `after` only older ones."""
        return self._candles(self._okx.market.get_candlesticks, inst_id, bar, limit, after)

    def history_candles(self, inst_id: str, bar: str, limit: int = 100, after: datetime | None = None) -> list[Candle]:
        """Like `candles`, confirmed only, beyond the latest 1440 bars too."""
        return self._candles(self._okx.market.get_history_candlesticks, inst_id, bar, limit, after)

    def ticker(self, inst_id: str) -> Ticker:
        return parse_market.ticker(self._one(f"ticker {inst_id}", partial(self._okx.market.get_ticker, inst_id)))

    def book(self, inst_id: str, levels: int = 5) -> Book:
        call = partial(self._okx.market.get_orderbook, inst_id, str(levels))
        return parse_market.book(inst_id, self._one(f"book {inst_id}", call))

    def mark_price(self, inst_id: str) -> MarkPrice:
        call = partial(self._okx.public.get_mark_price, SWAP, instId=inst_id)
        return parse_market.mark_price(self._one(f"mark price {inst_id}", call))

    def funding_rate(self, inst_id: str) -> Funding:
        call = partial(self._okx.public.get_funding_rate, inst_id)
        return parse_market.funding(self._one(f"funding rate {inst_id}", call))

    def open_interest(self, inst_id: str) -> OpenInterest:
        call = partial(self._okx.public.get_open_interest, SWAP, instId=inst_id)
        return parse_market.open_interest(self._one(f"open interest {inst_id}", call))

    def limit_prices(self, inst_id: str) -> LimitPrices:
        call = partial(self._okx.public.get_price_limit, inst_id)
        return parse_market.limit_prices(self._one(f"price limit {inst_id}", call))

    # The account.

    def account_config(self) -> AccountConfig:
        return parse_account.account_config(self._one("account config", self._okx.account.get_account_config))

    def balance(self) -> BalanceReport:
        call = partial(self._okx.account.get_account_balance, "USDT")
        return parse_account.balance(self._one("balance", call))

    def positions(self, inst_id: str | None = None) -> list[PositionReport]:
        """Non-zero positions. Only a successful answer may be read as flat."""
        call = partial(self._okx.account.get_positions, SWAP, instId=inst_id or "")
        rows = read("positions", call).data
        return [parse_account.position(row) for row in rows if not parse_account.is_flat(row)]

    def leverage(self, inst_id: str, mgn_mode: str) -> Decimal:
        """Leverage in net mode."""
        call = partial(self._okx.account.get_leverage, mgn_mode, instId=inst_id)
        return required_decimal(self._one(f"leverage {inst_id}", call), "lever", f"leverage {inst_id}")

    def fee_rate(self, inst_id: str) -> FeeRates:
        """Maker and taker, positive: the share of notional paid."""
        family = inst_id.removesuffix("-SWAP")
        call = partial(self._okx.account.get_fee_rates, SWAP, instFamily=family)
        return parse_market.fee_rates(self._one(f"fee rate {inst_id}", call))

    def bills(self, since_bill_id: str | None = None) -> list[BillReport]:
        """Changes of the cash balance of the last seven days, those after `since_bill_id` only."""
        rows = all_rows(
            "bills",
            lambda after: self._okx.account.get_account_bills(after=after, limit=str(PAGE)),
            "billId",
            until=_is(since_bill_id, "billId"),
        )
        return [parse_account.bill(row) for row in rows]

    # Orders.

    def order(self, inst_id: str, cl_ord_id: str) -> OrderReport | None:
        """By our id. None only when OKX says it does not exist."""
        return self._order(f"order {cl_ord_id}", partial(self._okx.trade.get_order, inst_id, clOrdId=cl_ord_id))

    def order_by_id(self, inst_id: str, ord_id: str) -> OrderReport | None:
        """By OKX's id. None only when OKX says it does not exist."""
        return self._order(f"order {ord_id}", partial(self._okx.trade.get_order, inst_id, ordId=ord_id))

    def orders_pending(self) -> list[OrderReport]:
        """All resting orders of swaps."""
        rows = all_rows(
            "orders pending",
            lambda after: self._okx.trade.get_order_list(SWAP, after=after, limit=str(PAGE)),
            "ordId",
        )
        return [parse_orders.order(row) for row in rows]

    def orders_history(self, inst_id: str | None = None, since: datetime | None = None) -> list[OrderReport]:
        """Finished orders of the last seven days, created at or after `since`."""
        begin = str(to_ms(since)) if since else ""
        rows = all_rows(
            "orders history",
            lambda after: self._okx.trade.get_orders_history(
                SWAP, instId=inst_id or "", after=after, begin=begin, limit=str(PAGE)
            ),
            "ordId",
            until=_before(since, "cTime"),
        )
        return [parse_orders.order(row) for row in rows]

    def fills(
        self, inst_id: str | None = None, after_bill_id: str | None = None, since: datetime | None = None
    ) -> list[FillReport]:
        """Fills of the last three days: newer than `after_bill_id`, at or after `since`."""
        stop_id, stop_time = _is(after_bill_id, "billId"), _before(since, "ts")
        begin = str(to_ms(since)) if since else ""
        rows = all_rows(
            "fills",
            lambda after: self._okx.trade.get_fills(
                SWAP, instId=inst_id or "", after=after, begin=begin, limit=str(PAGE)
            ),
            "billId",
            until=lambda row: stop_id(row) or stop_time(row),
        )
        return [parse_orders.fill(row) for row in rows]

    def last_fill(self, inst_id: str | None = None) -> FillReport | None:
        """The newest fill, None when there is none in three days."""
        rows = read("last fill", lambda: self._okx.trade.get_fills(SWAP, instId=inst_id or "", limit="1")).data
        return parse_orders.fill(rows[0]) if rows else None

    # Algo orders: conditional and oco.

    def algos_pending(self) -> list[AlgoReport]:
        """All live stops and targets that are algo orders."""
        rows = all_rows(
            "algos pending",
            lambda after: self._okx.trade.order_algos_list(ALGO_TYPES, instType=SWAP, after=after, limit=str(PAGE)),
            "algoId",
        )
        return [parse_orders.algo(row) for row in rows]

    def algo(self, algo_cl_ord_id: str) -> AlgoReport | None:
        """By our id. None only when OKX says it does not exist."""
        return self._algo(algo_cl_ord_id, partial(self._okx.trade.get_algo_order_details, algoClOrdId=algo_cl_ord_id))

    def algo_by_id(self, algo_id: str) -> AlgoReport | None:
        """By OKX's id. None only when OKX says it does not exist."""
        return self._algo(algo_id, partial(self._okx.trade.get_algo_order_details, algoId=algo_id))

    def algo_history(self, inst_id: str | None = None, since: datetime | None = None) -> list[AlgoReport]:
        """Finished algo orders (effective, canceled, order_failed), created at or after `since`."""
        found: list[Row] = []
        for kind in ALGO_TYPES.split(","):
            for state in ("effective", "canceled", "order_failed"):
                call = partial(self._okx.trade.order_algos_history, kind, state=state, instType=SWAP)
                found += all_rows(
                    f"algo history {kind} {state}",
                    lambda after, call=call: call(instId=inst_id or "", after=after, limit=str(PAGE)),  # type: ignore[misc]
                    "algoId",
                    until=_before(since, "cTime"),
                )
        return sorted((parse_orders.algo(row) for row in found), key=lambda report: report.created_at, reverse=True)

    def _one(self, what: str, call: Call) -> Row:
        rows = read(what, call).data
        if not rows or not isinstance(rows[0], dict):
            raise ReadFailed(f"{what}: empty answer")
        return rows[0]

    def _candles(
        self, method: Callable[..., Envelope], inst_id: str, bar: str, limit: int, after: datetime | None
    ) -> list[Candle]:
        cursor = str(to_ms(after)) if after else ""
        rows = read(f"candles {inst_id} {bar}", lambda: method(inst_id, after=cursor, bar=bar, limit=str(limit))).data
        return [parse_market.candle(inst_id, bar, row) for row in rows]

    def _order(self, what: str, call: Call) -> OrderReport | None:
        row = self._absent_or_row(what, call)
        return None if row is None else parse_orders.order(row)

    def _algo(self, which: str, call: Call) -> AlgoReport | None:
        row = self._absent_or_row(f"algo {which}", call)
        return None if row is None else parse_orders.algo(row)

    def _absent_or_row(self, what: str, call: Call) -> Row | None:
        try:
            return self._one(what, call)
        except ReadFailed as failed:
            if failed.code == ORDER_ABSENT:
                return None
            raise


def _is(identifier: str | None, field: str) -> Callable[[Row], bool]:
    return lambda row: identifier is not None and text(row, field) == identifier


def _before(since: datetime | None, field: str) -> Callable[[Row], bool]:
    limit = to_ms(since) if since else None
    return lambda row: limit is not None and text(row, field).isdecimal() and int(text(row, field)) < limit
