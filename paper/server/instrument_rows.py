"""Contract terms and position tiers in OKX's words."""

from typing import Any

from paper.instruments import Instrument, Tier
from paper.numbers import text

Row = dict[str, Any]


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
