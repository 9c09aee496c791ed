"""Positions, balances and bills in OKX's words: every field present, numbers as strings, blank where blank."""

from decimal import Decimal
from typing import Any

from paper.engine.account import Account, Bill
from paper.engine.margin import Balance
from paper.engine.orders import available_to_close
from paper.engine.position import Position
from paper.engine.state import EngineState
from paper.instruments import Instrument
from paper.numbers import ZERO, text

Row = dict[str, Any]


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
            "algoId": a.algo_id, "slTriggerPx": text(a.sl_trigger), "slTriggerPxType": a.sl_type,
            "tpTriggerPx": text(a.tp_trigger), "tpTriggerPxType": a.tp_type, "closeFraction": "1",
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
        "posSide": position.pos_side, "pos": text(_shown(position)), "availPos": "" if flat else text(
            available_to_close(account, position.inst_id, position.mgn_mode, position.pos_side)),
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
        "sz": text(bill.sz), "px": text(bill.px), "ccy": "USDT", "pnl": text(bill.pnl), "fee": text(bill.fee),
        "earnAmt": "", "earnApr": "", "mgnMode": bill.mgn_mode, "instId": bill.inst_id, "ordId": bill.ord_id,
        "execType": bill.exec_type, "from": "6" if bill.type == "1" else "", "to": "18" if bill.type == "1" else "",
        "notes": "", "interest": "0", "tag": bill.tag, "fillTime": str(bill.ts) if bill.trade_id else "",
        "tradeId": bill.trade_id, "clOrdId": bill.cl_ord_id, "fillIdxPx": "", "fillMarkPx": "", "fillPxVol": "",
        "fillPxUsd": "", "fillMarkVol": "", "fillFwdPx": "",
    }  # fmt: skip
