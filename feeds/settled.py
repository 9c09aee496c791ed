"""Whether everything an exchange step causes has been written down: what the pacer waits for before it goes
on.

One SQL round trip a look. The exchange's own answers (positions, newest fill) are compared with the mirror;
orders must not be under way; every position must have a live stop.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from execution.context import ExecutionContext
from trading.orders import OrderState

UNSETTLED = (OrderState.INTENDED, OrderState.SUBMITTING, OrderState.UNKNOWN)

_LOOK = text("""
    SELECT
      (SELECT state FROM bot_state WHERE account_id = :account) AS state,
      (SELECT reconciled_at IS NOT NULL FROM bot_state WHERE account_id = :account) AS reconciled,
      (SELECT array_agg(cl_ord_id) FROM orders
        WHERE account_id = :account AND state = ANY(:unsettled)) AS unsettled,
      (SELECT json_object_agg(inst_id, contracts::text) FROM positions
        WHERE account_id = :account AND contracts <> 0) AS contracts,
      (SELECT array_agg(inst_id) FROM positions
        WHERE account_id = :account AND contracts <> 0 AND stop_px IS NULL) AS uncovered,
      (SELECT count(*) FROM fills
        WHERE account_id = :account AND inst_id = :fill_inst AND trade_id = :fill_trade) AS fill_seen
""")

_CYCLE = text("""
    SELECT stage, outcome, id FROM decision_cycles
    WHERE account_id = :account AND inst_id = :inst_id AND slot = :slot
""")

_CLOSED = text("SELECT count(closed_market_at) AS n FROM trades WHERE account_id = :account")


@dataclass(frozen=True, slots=True)
class Truth:
    """What the exchange says: contracts by instrument (non-zero), newest fill as (instrument, trade id)."""

    contracts: dict[str, Decimal]
    fill: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class CycleLook:
    """A cycle's row."""

    cycle_id: int
    stage: str
    outcome: str | None


def newest_fill(ctx: ExecutionContext) -> tuple[str, str] | None:
    """The account's newest fill as (instrument, trade id). Raises ReadFailed."""
    newest = ctx.exchange.last_fill()
    return (newest.inst_id, newest.trade_id) if newest else None


def read_truth(ctx: ExecutionContext, old_fill: tuple[str, str] | None = None) -> Truth:
    """Ask the exchange; `old_fill` is of before our time and awaited by nobody. Raises ReadFailed."""
    fill = newest_fill(ctx)
    return Truth(
        {report.inst_id: report.contracts for report in ctx.exchange.positions()}, None if fill == old_fill else fill
    )


class Books:
    """Looks into PostgreSQL over one connection of its own in autocommit: a look is one round trip, because the
    pacer looks hundreds of times a second. Errors (`DBAPIError`) pass through; the next look connects again.
    """

    def __init__(self, ctx: ExecutionContext) -> None:
        self._account_id = ctx.account_id
        self._engine: Engine = ctx.sessions.kw["bind"]
        self._connection: Connection | None = None

    def unsettled(self, truth: Truth) -> list[str]:
        """What is still awaited, in words; empty when everything is settled."""
        row = self._look(
            _LOOK,
            unsettled=[state.value for state in UNSETTLED],
            fill_inst=truth.fill[0] if truth.fill else "",
            fill_trade=truth.fill[1] if truth.fill else "",
        )
        return list(_reasons(row, truth))

    def cycle(self, inst_id: str, slot: datetime) -> CycleLook | None:
        """The cycle of a slot, None when it has not been opened."""
        row = self._look(_CYCLE, inst_id=inst_id, slot=slot)
        return None if row is None else CycleLook(row.id, row.stage, row.outcome)

    def closed_trades(self) -> int:
        """How many trades have closed."""
        return int(self._look(_CLOSED).n)

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look(self, query: TextClause, **parameters: object) -> Any:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            return self._connection.execute(query, {"account": self._account_id, **parameters}).one_or_none()
        except DBAPIError:
            broken, self._connection = self._connection, None
            broken.invalidate()
            broken.close()
            raise


def _reasons(row: Any, truth: Truth) -> list[str]:
    found = []
    if row.state != "running":
        found.append(f"the bot is {row.state or 'not bound'}")
    elif not row.reconciled:
        found.append("the first reconcile")
    if row.unsettled:
        found.append(f"orders {', '.join(sorted(row.unsettled))}")
    mirrored = {inst_id: Decimal(contracts) for inst_id, contracts in (row.contracts or {}).items()}
    if mirrored != truth.contracts:
        found.append("the mirror of positions")
    if truth.fill is not None and not row.fill_seen:
        found.append(f"the mirror of fill {truth.fill[1]}")
    if row.uncovered:
        found.append(f"a stop in {', '.join(sorted(row.uncovered))}")
    return found
