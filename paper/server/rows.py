"""The engine's objects in OKX's words: every field present, numbers as strings, blank where blank."""

from decimal import Decimal
from typing import Any

from paper.engine.account import Account, Bill
from paper.engine.algo import Algo
from paper.engine.margin import Balance
from paper.engine.order import Attached, Fill, Order
from paper.engine.position import Position
from paper.engine.state import EngineState
from paper.instruments import Instrument, Tier
from paper.numbers import ZERO, text

Row = dict[str, Any]


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _price(value: Decimal | None) -> str:
    return "" if value is None else text(value)


def attached_row(attached: Attached) -> Row:
    return {
        "attachAlgoId": attached.attach_id, "attachAlgoClOrdId": attached.attach_cl_id, "tpOrdKind": "condition",
        "tpTriggerPx": _price(attached.tp_trigger), "tpOrdPx": _price(attached.tp_order),
        "tpTriggerPxType": attached.tp_type if attached.tp_trigger is not None else "",
        "slTriggerPx": _price(attached.sl_trigger), "slOrdPx": _price(attached.sl_order),
        "slTriggerPxType": attached.sl_type if attached.sl_trigger is not None else "",
        "sz": text(attached.sz), "amendPxOnTriggerType": attached.amend_on_trigger,
        "failCode": "", "failReason": "",
    }  # fmt: skip


def order_row(order: Order) -> Row:
    """An order as REST shows it."""
    last = order.last_fill
    return {
        "instType": "SWAP", "instId": order.inst_id, "tgtCcy": "", "ccy": "", "ordId": order.ord_id,
        "clOrdId": order.cl_ord_id, "tag": order.tag, "px": _price(order.px), "pxUsd": "", "pxVol": "",
        "pxType": "", "sz": text(order.sz), "pnl": text(order.pnl), "ordType": order.ord_type,
        "side": order.side, "posSide": order.pos_side, "tdMode": order.td_mode,
        "accFillSz": text(order.filled), "fillPx": text(last.px) if last else "",
        "tradeId": last.trade_id if last else "", "fillSz": text(last.sz) if last else "0",
        "fillTime": str(last.ts) if last else "", "avgPx": _price(order.avg_px), "state": order.state,
        "stpId": "", "stpMode": order.stp_mode, "lever": text(order.lever), "attachAlgoClOrdId": "",
        "tpTriggerPx": "", "tpTriggerPxType": "", "tpOrdPx": "", "slTriggerPx": "", "slTriggerPxType": "",
        "slOrdPx": "", "attachAlgoOrds": [attached_row(item) for item in order.attached],
        "linkedAlgoOrd": {"algoId": ""}, "feeCcy": "USDT", "fee": text(order.fee), "rebateCcy": "USDT",
        "rebate": "0", "source": order.source, "category": order.category,
        "reduceOnly": _flag(order.reduce_only), "isTpLimit": "false", "cancelSource": order.cancel_source,
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
        "lever": text(algo.lever), "tpTriggerPx": _price(algo.tp_trigger), "tpOrdPx": _price(algo.tp_order),
        "tpTriggerPxType": algo.tp_type if algo.tp_trigger is not None else "",
        "slTriggerPx": _price(algo.sl_trigger), "slOrdPx": _price(algo.sl_order),
        "slTriggerPxType": algo.sl_type if algo.sl_trigger is not None else "",
        "triggerPx": _price(algo.trigger_px),
        "triggerPxType": algo.trigger_type if algo.trigger_px is not None else "",
        "ordPx": _price(algo.order_px), "actualSz": text(algo.actual_sz), "actualPx": _price(algo.actual_px),
        "tag": algo.tag, "actualSide": algo.actual_side, "triggerTime": str(algo.trigger_time or ""),
        "pxVar": "", "pxSpread": "", "szLimit": "", "pxLimit": "", "timeInterval": "", "callbackRatio": "",
        "callbackSpread": "", "activePx": "", "moveTriggerPx": "", "reduceOnly": _flag(algo.reduce_only),
        "quickMgnType": "", "last": text(last_px), "failCode": algo.fail_code,
        "algoClOrdId": algo.algo_cl_ord_id, "amendPxOnTriggerType": "0", "attachAlgoOrds": [],
        "linkedOrd": {"ordId": algo.parent_ord_id}, "cTime": str(algo.created), "uTime": str(algo.updated),
        "isTradeBorrowMode": "", "chaseType": "", "chaseVal": "", "maxChaseType": "", "maxChaseVal": "",
        "tradeQuoteCcy": "USDT",
    }  # fmt: skip


def algo_push(algo: Algo, instrument: Instrument, last_px: Decimal) -> Row:
    row = algo_row(algo, last_px)
    notional = instrument.coins(algo.sz) * last_px if algo.sz is not None else None
    row.update(notionalUsd=text(notional), reqId=algo.req_id, amendResult=algo.amend_result)
    return row


def position_row(state: EngineState, account: Account, position: Position) -> Row:
    instrument, quote = state.instruments[position.inst_id], state.quotes[position.inst_id]
    isolated, flat = position.mgn_mode == "isolated", position.contracts == 0
    mark, rate = quote.mark, state.rules.taker
    upl, upl_last = position.upl(instrument, mark), position.upl(instrument, quote.last)
    base = instrument.coins(position.size) * position.avg_px / position.lever
    balance = state.balance(account)
    ratio = position.margin_ratio(instrument, mark, rate) if isolated else balance.margin_ratio
    margin = position.margin
    if not isolated:
        others = balance.maintenance - position.maintenance(instrument, mark, rate)
        margin = balance.cash - balance.frozen_orders + balance.cross_upl - upl - others
    liq = None if flat else position.liquidation_price(instrument, margin, rate)
    be_px = None
    if not flat:
        # price at which closing with a taker fee leaves nothing: entry costs so far are per coin of the position
        coins = instrument.coins(position.contracts)
        be_px = (position.avg_px * coins - position.fee - position.funding) / (coins * (1 - rate * position.sign))
    closers = [
        {
            "algoId": a.algo_id, "slTriggerPx": _price(a.sl_trigger), "slTriggerPxType": a.sl_type,
            "tpTriggerPx": _price(a.tp_trigger), "tpTriggerPxType": a.tp_type, "closeFraction": "1",
        }
        for a in account.open_algos.values()
        if a.close_fraction and (a.inst_id, a.td_mode, a.pos_side)
        == (position.inst_id, position.mgn_mode, position.pos_side)
    ]  # fmt: skip
    row = dict.fromkeys(
        [
            "baseBal",
            "quoteBal",
            "baseBorrowed",
            "baseInterest",
            "quoteBorrowed",
            "quoteInterest",
            "posCcy",
            "interest",
            "liab",
            "liabCcy",
            "optVal",
            "pendingCloseOrdLiabVal",
            "deltaBS",
            "deltaPA",
            "gammaBS",
            "gammaPA",
            "thetaBS",
            "thetaPA",
            "vegaBS",
            "vegaPA",
            "spotInUseAmt",
            "spotInUseCcy",
            "clSpotInUseAmt",
            "maxSpotInUseAmt",
            "bizRefId",
            "bizRefType",
        ],
        "",
    )
    return {
        **row, "instType": "SWAP", "mgnMode": position.mgn_mode, "posId": position.pos_id,
        "posSide": position.pos_side, "pos": text(_shown(position)), "availPos": "" if flat else text(position.size),
        "avgPx": "" if flat else text(position.avg_px), "nonSettleAvgPx": "", "markPx": text(mark),
        "upl": text(upl), "uplRatio": "0" if flat else text((upl / base).quantize(Decimal("1E-16"))),
        "uplLastPx": text(upl_last),
        "uplRatioLastPx": "0" if flat else text((upl_last / base).quantize(Decimal("1E-16"))),
        "instId": position.inst_id, "lever": text(position.lever), "liqPx": text(liq),
        "imr": "" if isolated else text(position.initial_margin(instrument, mark)),
        "margin": text(position.margin) if isolated else "",
        "mgnRatio": text(ratio) if ratio is not None else "",
        "mmr": text(position.notional(instrument, mark) * instrument.mmr_for(position.size)),
        "tradeId": position.trade_id, "notionalUsd": text(position.notional(instrument, mark)), "adl": "1",
        "ccy": "USDT", "last": text(quote.last), "idxPx": text(quote.index), "usdPx": "1", "bePx": text(be_px),
        "realizedPnl": text(position.realized), "settledPnl": "", "pnl": text(position.pnl),
        "fee": text(position.fee), "fundingFee": text(position.funding), "liqPenalty": text(position.liq_penalty),
        "closeOrderAlgo": closers, "cTime": str(position.created), "uTime": str(position.updated),
    }  # fmt: skip


def _shown(position: Position) -> Decimal:
    """Signed in net mode, positive in long/short mode."""
    return position.contracts if position.pos_side == "net" else position.size


def position_history_row(position: Position, instrument: Instrument) -> Row:
    """A finished (or, type 1, partly closed) position."""
    open_avg = position.opened_value / position.opened if position.opened else ZERO
    close_avg = position.closed_value / position.closed if position.closed else None
    base = instrument.coins(position.open_max) * open_avg / position.lever
    direction = "long" if position.direction > 0 else "short"
    return {
        "instType": "SWAP", "instId": position.inst_id, "mgnMode": position.mgn_mode,
        "type": position.close_type or "1", "cTime": str(position.created), "uTime": str(position.updated),
        "openAvgPx": text(open_avg), "nonSettleAvgPx": "", "closeAvgPx": text(close_avg),
        "posId": position.pos_id, "openMaxPos": text(position.open_max), "closeTotalPos": text(position.closed),
        "realizedPnl": text(position.realized), "settledPnl": "",
        "pnlRatio": text((position.realized / base).quantize(Decimal("1E-16"))) if base else "0",
        "fee": text(position.fee), "fundingFee": text(position.funding), "liqPenalty": text(position.liq_penalty),
        "pnl": text(position.pnl), "posSide": position.pos_side, "lever": text(position.lever),
        "direction": direction, "triggerPx": "", "uly": instrument.family, "ccy": "USDT",
    }  # fmt: skip


def balance_row(account: Account, balance: Balance) -> Row:
    """account/balance in Futures mode: margin figures per currency, blank at the top."""
    blank = dict.fromkeys(
        [
            "borrowFroz",
            "interest",
            "crossLiab",
            "isoLiab",
            "liab",
            "maxLoan",
            "twap",
            "uplLiab",
            "fixedBal",
            "spotInUseAmt",
            "clSpotInUseAmt",
            "maxSpotInUse",
            "spotBal",
            "openAvgPx",
            "accAvgPx",
            "spotUpl",
            "spotUplRatio",
            "totalPnl",
            "totalPnlRatio",
            "colRes",
            "autoLendStatus",
            "autoLendMtAmt",
        ],
        "",
    )
    ratio = balance.margin_ratio
    detail = {
        **blank, "ccy": "USDT", "eq": text(balance.equity), "cashBal": text(balance.cash),
        "uTime": str(account.updated), "isoEq": text(balance.isolated_equity), "availEq": text(balance.available),
        "disEq": text(balance.equity), "availBal": text(balance.available),
        "frozenBal": text(balance.equity - balance.available), "ordFrozen": text(balance.frozen_orders),
        "upl": text(balance.upl), "mgnRatio": text(ratio) if ratio is not None else "",
        "imr": text(balance.initial_margin), "mmr": text(balance.maintenance), "eqUsd": text(balance.equity),
        "notionalLever": text((balance.notional / balance.equity).quantize(Decimal("1E-10")))
        if balance.equity > 0 else "0",
        "stgyEq": "0", "isoUpl": text(balance.isolated_upl), "spotIsoBal": "0", "smtSyncEq": "0",
        "spotCopyTradingEq": "0", "rewardBal": "0", "frpType": "0", "colBorrAutoConversion": "0",
        "collateralRestrict": False, "collateralEnabled": False,
    }  # fmt: skip
    top = dict.fromkeys(
        [
            "adjEq",
            "availEq",
            "borrowFroz",
            "imr",
            "mmr",
            "mgnRatio",
            "notionalUsd",
            "notionalUsdForBorrow",
            "notionalUsdForSwap",
            "notionalUsdForFutures",
            "notionalUsdForOption",
            "ordFroz",
            "upl",
        ],
        "",
    )
    return {
        **top, "totalEq": text(balance.equity), "isoEq": text(balance.isolated_equity),
        "uTime": str(account.updated), "details": [detail],
    }  # fmt: skip


def bill_row(bill: Bill) -> Row:
    return {
        "instType": "SWAP" if bill.inst_id else "", "billId": bill.bill_id, "type": bill.type,
        "subType": bill.sub_type, "ts": str(bill.ts), "balChg": text(bill.bal_chg),
        "posBalChg": text(bill.pos_bal_chg), "bal": text(bill.bal), "posBal": text(bill.pos_bal),
        "sz": text(bill.sz), "px": _price(bill.px), "ccy": "USDT", "pnl": text(bill.pnl), "fee": text(bill.fee),
        "earnAmt": "", "earnApr": "", "mgnMode": bill.mgn_mode, "instId": bill.inst_id, "ordId": bill.ord_id,
        "execType": bill.exec_type, "from": "6" if bill.type == "1" else "", "to": "18" if bill.type == "1" else "",
        "notes": "", "interest": "0", "tag": bill.tag, "fillTime": str(bill.ts) if bill.trade_id else "",
        "tradeId": bill.trade_id, "clOrdId": bill.cl_ord_id, "fillIdxPx": "", "fillMarkPx": "", "fillPxVol": "",
        "fillPxUsd": "", "fillMarkVol": "", "fillFwdPx": "",
    }  # fmt: skip


def instrument_row(instrument: Instrument) -> Row:
    return {
        "instType": "SWAP", "instId": instrument.inst_id, "uly": instrument.family,
        "instFamily": instrument.family, "category": "1", "baseCcy": "", "quoteCcy": "", "settleCcy": "USDT",
        "ctVal": text(instrument.ct_val), "ctMult": "1", "ctValCcy": instrument.base, "optType": "", "stk": "",
        "listTime": str(instrument.list_time_ms), "auctionEndTime": "", "contTdSwTime": "", "preMktSwTime": "",
        "openType": "", "expTime": "", "lever": text(instrument.max_lever), "tickSz": text(instrument.tick),
        "lotSz": text(instrument.lot), "minSz": text(instrument.min_sz), "ctType": "linear", "alias": "",
        "state": "live", "ruleType": "normal", "posLmtAmt": "", "posLmtPct": "", "maxPlatOILmt": "",
        "maxLmtSz": text(instrument.max_lmt_sz), "maxMktSz": text(instrument.max_mkt_sz),
        "maxLmtAmt": "20000000", "maxMktAmt": "", "maxTwapSz": text(instrument.max_lmt_sz),
        "maxIcebergSz": text(instrument.max_lmt_sz), "maxTriggerSz": text(instrument.max_lmt_sz),
        "maxStopSz": text(instrument.max_mkt_sz), "futureSettlement": False, "tradeQuoteCcyList": [],
        "instIdCode": instrument.code, "groupId": "",
    }  # fmt: skip


def tier_row(instrument: Instrument, tier: Tier) -> Row:
    return {
        "uly": instrument.family, "instFamily": instrument.family, "instId": "", "tier": str(tier.number),
        "minSz": text(tier.min_sz), "maxSz": text(tier.max_sz), "mmr": text(tier.mmr), "imr": text(tier.imr),
        "maxLever": text(tier.max_lever), "optMgnFactor": "0", "quoteMaxLoan": "", "baseMaxLoan": "",
    }  # fmt: skip
