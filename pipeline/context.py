"""What stages are given: the rooms behind small interfaces."""

from dataclasses import dataclass
from decimal import Decimal

from brain.analyst import Analyst
from brain.research import Researcher
from brain.screening import Screener
from exchange.market_series import SeriesCache
from execution.context import ExecutionContext
from settings import AnySettings
from trading.gate.verdict import Limits
from trading.instrument import Instrument


@dataclass(frozen=True)
class PipelineContext:
    """Everything a stage may use. `execution` carries sessions, exchange, clock, account."""

    execution: ExecutionContext
    settings: AnySettings
    cache: SeriesCache
    analyst: Analyst
    screener: Screener | None
    researcher: Researcher | None
    limits: Limits
    # Read from the exchange once a process. What is not in them is not known, and the gate refuses.
    instruments: dict[str, Instrument]
    taker_fee_rates: dict[str, Decimal]
    leverages: dict[str, Decimal]
