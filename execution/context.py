"""What every function here is given: one process's sessions, exchange, clock and account."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from exchange.market_cache import MarketCache
from models.session import SessionFactory
from settings import AnySettings
from trading.clock import Clock
from trading.instrument import Instrument

if TYPE_CHECKING:
    from exchange.client import OkxExchange


@dataclass(frozen=True, slots=True)
class Refusals:
    """Of moving one position's stop, in a row; the next attempt is `due` (wall)."""

    count: int
    due: datetime


@dataclass(frozen=True)
class ExecutionContext:
    """Built once a process, after the fork.

    `send(task, queue, args)` publishes a message by task name. It may fail, by returning False: the message stays in
    the outbox and the sweep sends it again.
    """

    sessions: SessionFactory
    exchange: "OkxExchange"
    clock: Clock
    settings: AnySettings
    account_id: int
    order_prefix: str
    send: Callable[[str, str, list[Any]], Any]
    market: MarketCache | None = None  # the feed's quotes, where this process reads them
    # By the position's row; forgotten with the process: then it is tried at once.
    refused_stop_moves: dict[int, Refusals] = field(default_factory=dict, repr=False, compare=False)
    _instruments: dict[str, Instrument] = field(default_factory=dict, repr=False, compare=False)

    def instrument(self, inst_id: str) -> Instrument:
        """The instrument as the exchange lists it, read once a process. Raises ReadFailed. Not in a transaction."""
        if inst_id not in self._instruments:
            self._instruments.update(self.exchange.instruments([inst_id]))
        return self._instruments[inst_id]
