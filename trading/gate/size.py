"""The size that is left is whole lots, at least the minimum and at most what one order may carry; more is cut.

The smaller of the exchange's two maxima holds, so that one market order can always close what one entry opened.
Runs last: it sees the size after every cut.
"""

from trading.gate.answers import cut, exact, missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.SIZE


def check(given: GateInput, entry: Entry) -> CheckResult:
    instrument = given.instrument
    most = instrument.round_down(min(instrument.max_lmt_sz, instrument.max_mkt_sz))
    limit = f"{exact(instrument.min_sz)} to {exact(most)} contracts, lots of {exact(instrument.lot_sz)}"
    if entry.contracts is None:
        return missing(NAME, limit, "the size asked for")
    value = f"{exact(entry.contracts)} contracts"
    left = instrument.round_down(min(entry.contracts, most))
    if left < instrument.min_sz or left <= 0:
        return rejected(NAME, value, limit, "less than the smallest order the exchange takes")
    if left < entry.contracts:
        return cut(NAME, value, limit, "cut to the largest order or to whole lots", left)
    return passed(NAME, value, limit)
