"""Orders, fills and algo orders in OKX's words: every field present, numbers as strings, blank where blank."""

from decimal import Decimal
from typing import Any

from paper.engine.algo import Algo
from paper.engine.order import Attached, Fill, Order
from paper.instruments import Instrument
from paper.numbers import ZERO, text

Row = dict[str, Any]


def flag_text(value: bool) -> str:
    return "true" if value else "false"


def attached_row(attached: Attached) -> Row:
    return {
        "attachAlgoId": attached.attach_id, "attachAlgoClOrdId": attached.attach_cl_id, "tpOrdKind": "condition",
        "tpTriggerPx": text(attached.tp_trigger), "tpOrdPx": text(attached.tp_order),
        "tpTriggerPxType": attached.tp_type if attached.tp_trigger is not None else "",
        "slTriggerPx": text(attached.sl_trigger), "slOrdPx": text(attached.sl_order),
        "slTriggerPxType": attached.sl_type if attached.sl_trigger is not None else "",
        "sz": text(attached.sz), "amendPxOnTriggerType": attached.amend_on_trigger,
        "failCode": "", "failReason": "",
    }  # fmt: skip


def order_row(order: Order) -> Row:
    """An order as REST shows it."""
    last = order.last_fill
    return {
        "instType": "SWAP", "instId": order.inst_id, "tgtCcy": "", "ccy": "", "ordId": order.ord_id,
        "clOrdId": order.cl_ord_id, "tag": order.tag, "px": text(order.px), "pxUsd": "", "pxVol": "",
        "pxType": "", "sz": text(order.sz), "pnl": text(order.pnl), "ordType": order.ord_type,
        "side": order.side, "posSide": order.pos_side, "tdMode": order.td_mode,
        "accFillSz": text(order.filled), "fillPx": text(last.px) if last else "",
        "tradeId": last.trade_id if last else "", "fillSz": text(last.sz) if last else "0",
        "fillTime": str(last.ts) if last else "", "avgPx": text(order.avg_px), "state": order.state,
        "stpId": "", "stpMode": order.stp_mode, "lever": text(order.lever), "attachAlgoClOrdId": "",
        "tpTriggerPx": "", "tpTriggerPxType": "", "tpOrdPx": "", "slTriggerPx": "", "slTriggerPxType": "",
        "slOrdPx": "", "attachAlgoOrds": [attached_row(item) for item in order.attached],
        "linkedAlgoOrd": {"algoId": ""}, "feeCcy": "USDT", "fee": text(order.fee), "rebateCcy": "USDT",
        "rebate": "0", "source": order.source, "category": order.category,
        "reduceOnly": flag_text(order.reduce_only), "isTpLimit": "false", "cancelSource": order.cancel_source,
        "cancelSourceReason": "", "quickMgnType": "", "algoClOrdId": order.algo_cl_ord_id,
        "algoId": order.algo_id, "uTime": str(order.updated), "cTime": str(order.created),
        "tradeQuoteCcy": "USDT",
    }  # fmt: skip


def order_push(order: Order, fill: Fill | None, instrument: Instrument, last_px: Decimal) -> Row:
    """An order as the orders channel shows it: the REST row and what changed."""
    row = order_row(order)
    coins = instrument.coins(order.sz)
    row.update(
        notionalUsd=text(coins * (order.px if order.px is not None else last_px)),
        fillNotionalUsd=text(instrument.coins(order.filled) * (order.avg_px or ZERO)),
        fillPnl=text(fill.pnl) if fill else "0", fillFee=text(fill.fee) if fill else "0",
        fillFeeCcy="USDT" if fill else "", execType=fill.exec_type if fill else "",
        fillPxVol="", fillPxUsd="", fillMarkVol="", fillFwdPx="",
        fillMarkPx=text(fill.mark) if fill else "", fillIdxPx=text(fill.index) if fill else "",
        amendSource=order.amend_source, amendResult=order.amend_result, reqId=order.req_id,
        lastPx=text(last_px), code="0", msg="",
    )  # fmt: skip
    if fill:
        row.update(fillPx=text(fill.px), fillSz=text(fill.sz), tradeId=fill.trade_id, fillTime=str(fill.ts))
    else:
        row.update(fillPx="", fillSz="0", tradeId="", fillTime="")
    if not row["avgPx"]:
        row["avgPx"] = "0"
    return row


def fill_row(fill: Fill) -> Row:
    return {
        "instType": "SWAP", "instId": fill.inst_id, "tradeId": fill.trade_id, "ordId": fill.ord_id,
        "clOrdId": fill.cl_ord_id, "billId": fill.bill_id, "subType": fill.sub_type, "tag": fill.tag,
        "fillPx": text(fill.px), "fillSz": text(fill.sz), "fillIdxPx": text(fill.index),
        "fillPnl": text(fill.pnl), "fillPxVol": "", "fillPxUsd": "", "fillMarkVol": "", "fillFwdPx": "",
        "fillMarkPx": text(fill.mark), "side": fill.side, "posSide": fill.pos_side,
        "execType": fill.exec_type, "feeCcy": "USDT", "fee": text(fill.fee), "ts": str(fill.ts),
        "fillTime": str(fill.ts), "feeRate": text(fill.fee_rate), "tradeQuoteCcy": "USDT",
    }  # fmt: skip


def algo_row(algo: Algo, last_px: Decimal) -> Row:
    return {
        "instType": "SWAP", "instId": algo.inst_id, "ccy": "USDT",
        "ordId": algo.ord_ids[0] if algo.ord_ids else "", "ordIdList": list(algo.ord_ids),
        "algoId": algo.algo_id, "clOrdId": algo.cl_ord_id, "sz": text(algo.sz),
        "closeFraction": "1" if algo.close_fraction else "", "ordType": algo.ord_type, "side": algo.side,
        "posSide": algo.pos_side, "tdMode": algo.td_mode, "tgtCcy": "", "state": algo.state,
        "lever": text(algo.lever), "tpTriggerPx": text(algo.tp_trigger), "tpOrdPx": text(algo.tp_order),
        "tpTriggerPxType": algo.tp_type if algo.tp_trigger is not None else "",
        "slTriggerPx": text(algo.sl_trigger), "slOrdPx": text(algo.sl_order),
        "slTriggerPxType": algo.sl_type if algo.sl_trigger is not None else "",
        "triggerPx": text(algo.trigger_px),
        "triggerPxType": algo.trigger_type if algo.trigger_px is not None else "",
        "ordPx": text(algo.order_px), "actualSz": text(algo.actual_sz), "actualPx": text(algo.actual_px),
        "tag": algo.tag, "actualSide": algo.actual_side, "triggerTime": str(algo.trigger_time or ""),
        "pxVar": "", "pxSpread": "", "szLimit": "", "pxLimit": "", "timeInterval": "",
        "callbackRatio": "" if algo.callback_spread else text(algo.callback),
        "callbackSpread": text(algo.callback) if algo.callback_spread else "", "activePx": text(algo.active_px),
        "moveTriggerPx": text(algo.move_trigger), "reduceOnly": flag_text(algo.reduce_only),
        "quickMgnType": "", "last": text(last_px), "failCode": algo.fail_code,
        "algoClOrdId": algo.algo_cl_ord_id, "amendPxOnTriggerType": "0",
        "attachAlgoOrds": [attached_row(item) for item in algo.attached],
        "linkedOrd": {"ordId": algo.parent_ord_id}, "cTime": str(algo.created), "uTime": str(algo.updated),
        "isTradeBorrowMode": "", "chaseType": "", "chaseVal": "", "maxChaseType": "", "maxChaseVal": "",
        "tradeQuoteCcy": "USDT",
    }  # fmt: skip


def algo_push(algo: Algo, instrument: Instrument, last_px: Decimal) -> Row:
    row = algo_row(algo, last_px)
    notional = instrument.coins(algo.sz) * last_px if algo.sz is not None else None
    row.update(notionalUsd=text(notional), reqId=algo.req_id, amendResult=algo.amend_result)
    return row
