"""OKX rows → order, algo and fill reports, from REST and from pushes.

Raises ReadFailed on a blank or bad field.
"""

from exchange.fields import (
    Row,
    flag,
    optional_decimal,
    optional_time,
    required_decimal,
    required_text,
    required_time,
    text,
)
from trading.orders import AlgoReport, FillReport, OrderReport


def order(row: Row) -> OrderReport:
    """An order of trade/order, orders-pending, orders-history or the orders channel."""
    what = f"order {text(row, 'ordId')}"
    filled = required_decimal(row, "accFillSz", what)
    attached = row.get("attachAlgoOrds") or []
    return OrderReport(
        inst_id=required_text(row, "instId", what),
        ord_id=required_text(row, "ordId", what),
        cl_ord_id=text(row, "clOrdId"),
        state=required_text(row, "state", what),
        side=required_text(row, "side", what),
        ord_type=required_text(row, "ordType", what),
        sz_contracts=required_decimal(row, "sz", what),
        acc_fill_sz_contracts=filled,
        # Unfilled: REST says "", the channel says "0".
        avg_px=optional_decimal(row, "avgPx", what) if filled else None,
        px=optional_decimal(row, "px", what),
        fee=required_decimal(row, "fee", what),
        pnl=required_decimal(row, "pnl", what),
        reduce_only=flag(row, "reduceOnly"),
        cancel_source=text(row, "cancelSource"),
        algo_id=text(row, "algoId"),
        algo_cl_ord_id=text(row, "algoClOrdId"),
        source=text(row, "source"),
        category=text(row, "category"),
        created_at=required_time(row, "cTime", what),
        updated_at=required_time(row, "uTime", what),
        attached_fail_codes=tuple(code for item in attached if (code := text(item, "failCode")) not in ("", "0")),
    )


def fill(row: Row) -> FillReport:
    """A row of trade/fills."""
    what = f"fill {text(row, 'tradeId')}"
    return FillReport(
        inst_id=required_text(row, "instId", what),
        trade_id=required_text(row, "tradeId", what),
        ord_id=required_text(row, "ordId", what),
        cl_ord_id=text(row, "clOrdId"),
        bill_id=text(row, "billId"),
        side=required_text(row, "side", what),
        sz_contracts=required_decimal(row, "fillSz", what),
        px=required_decimal(row, "fillPx", what),
        fee=required_decimal(row, "fee", what),
        fee_ccy=text(row, "feeCcy"),
        pnl=required_decimal(row, "fillPnl", what),
        exec_type=text(row, "execType"),
        at=optional_time(row, "fillTime", what) or required_time(row, "ts", what),
    )


def fill_of_push(row: Row) -> FillReport | None:
    """The fill an orders push carries, None when it carries none. It has no billId; the REST fill adds it
    later.

    `fee` of an order is cumulative, so only `fillFee` will do here.
    """
    if not text(row, "tradeId"):
        return None
    what = f"fill {text(row, 'tradeId')}"
    return FillReport(
        inst_id=required_text(row, "instId", what),
        trade_id=text(row, "tradeId"),
        ord_id=required_text(row, "ordId", what),
        cl_ord_id=text(row, "clOrdId"),
        bill_id="",
        side=required_text(row, "side", what),
        sz_contracts=required_decimal(row, "fillSz", what),
        px=required_decimal(row, "fillPx", what),
        fee=required_decimal(row, "fillFee", what),
        fee_ccy=text(row, "fillFeeCcy"),
        pnl=required_decimal(row, "fillPnl", what),
        exec_type=text(row, "execType"),
        at=required_time(row, "fillTime", what),
    )


def algo(row: Row) -> AlgoReport:
    """A conditional or oco order. `sz` is blank with closeFraction."""
    what = f"algo {text(row, 'algoId')}"
    return AlgoReport(
        inst_id=required_text(row, "instId", what),
        algo_id=required_text(row, "algoId", what),
        algo_cl_ord_id=text(row, "algoClOrdId"),
        ord_type=required_text(row, "ordType", what),
        side=required_text(row, "side", what),
        state=required_text(row, "state", what),
        sz_contracts=optional_decimal(row, "sz", what) or None,
        close_fraction=optional_decimal(row, "closeFraction", what) or None,
        reduce_only=flag(row, "reduceOnly"),
        stop_loss_px=optional_decimal(row, "slTriggerPx", what),
        take_profit_px=optional_decimal(row, "tpTriggerPx", what),
        actual_side=text(row, "actualSide"),
        fail_code=text(row, "failCode"),
        ord_id=text(row, "ordId"),
        created_at=required_time(row, "cTime", what),
        updated_at=optional_time(row, "uTime", what),
    )
