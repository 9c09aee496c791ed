"""Pushes of the account's channels → the mirror tables, in the order received, on one thread behind a bounded
queue.

When the queue overflows or an ingestion fails, the push is dropped, logged, and a reconcile is asked for: the
mirror may then be behind, never wrong. After pushes that can leave a position uncovered the protection check
is asked for, once for a whole burst.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from time import monotonic

import structlog
from sqlalchemy.exc import DBAPIError

from exchange import parse_account, parse_orders
from exchange.errors import ReadFailed
from exchange.fields import Row, required_text, required_time
from exchange.websocket import Push
from execution import mirror, unsettled
from execution.context import ExecutionContext
from trading.clock import ClockUnavailable

logger = structlog.get_logger()

QUEUE_LIMIT = 5000
RECONCILE_EVERY_S = 5.0

Send = Callable[..., bool]


class Ingestion:
    """`push` never blocks. `connected` marks a (re)connect in the order of events."""

    def __init__(self, ctx: ExecutionContext, send: Send) -> None:
        self._ctx = ctx
        self._send = send
        self._queue: queue.Queue[Push | str | None] = queue.Queue(QUEUE_LIMIT)
        self._thread = threading.Thread(target=self._run, name="ingestion", daemon=True)
        self._contracts: dict[str, Decimal] = {}
        self._protect_due = False
        self._reconcile_due: str | None = None
        self._reconcile_asked = -RECONCILE_EVERY_S
        self._overflowed = threading.Event()
        self._unsettle: str | None = None

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def push(self, push: Push) -> None:
        """Queue a push."""
        self._offer(push)

    def connected(self, reason: str) -> None:
        """A connection stands; what happened before it is not known: reconcile."""
        self._offer(reason)

    def stop(self) -> None:
        """Ingest what is queued, then end."""
        self._queue.put(None)
        self._thread.join(10)

    def _offer(self, item: Push | str) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            if not self._overflowed.is_set():
                self._overflowed.set()
                logger.error("ingest_overflow", limit=QUEUE_LIMIT)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, str):
                self._reconcile_due, self._reconcile_asked = item, -RECONCILE_EVERY_S
                self._unsettle = item
                self._refuse_entries()
            else:
                for row in item.data:
                    self._ingest(item, row)
            if self._queue.empty():
                self._after_burst()

    def _after_burst(self) -> None:
        if self._overflowed.is_set():
            self._overflowed.clear()
            self._reconcile_due = self._unsettle = "pushes were lost"
        self._refuse_entries()
        if self._protect_due and self._send("protect.check"):
            self._protect_due = False
        if self._reconcile_due is not None and monotonic() - self._reconcile_asked >= RECONCILE_EVERY_S:
            if self._send("account.reconcile", self._reconcile_due):
                self._reconcile_due = None
            self._reconcile_asked = monotonic()

    def _refuse_entries(self) -> None:
        """Until a reconciliation begun after this moment has succeeded; tried again while PostgreSQL is away."""
        if self._unsettle is None:
            return
        try:
            unsettled.refuse_entries(self._ctx, self._unsettle)
            self._unsettle = None
        except DBAPIError as error:
            logger.error("unsettle_failed", reason=type(error.orig).__name__)

    def _ingest(self, push: Push, row: Row) -> None:
        try:
            match push.channel:
                case "orders":
                    self._order(row)
                case "positions":
                    self._position(row)
                case "account":
                    self._balance(row)
                case "orders-algo":
                    mirror.ingest_algo(self._ctx, parse_orders.algo(row))
                    self._protect_due = True
                case unexpected:
                    logger.warning("push_unexpected", channel=unexpected)
        except (ReadFailed, ClockUnavailable, DBAPIError) as error:
            reason = str(error) if not isinstance(error, DBAPIError) else type(error.orig).__name__
            logger.error("ingest_failed", channel=push.channel, reason=reason)
            self._reconcile_due = "a push was not ingested"

    def _balance(self, row: Row) -> None:
        """A push says what the account is worth now; its `uTime` may only say when the cash last changed."""
        report = parse_account.balance(row)
        at = max(report.updated_at, self._ctx.clock.market_now())
        mirror.ingest_balance(self._ctx, replace(report, updated_at=at))

    def _order(self, row: Row) -> None:
        """State first, so that the fill finds its order terminal; the fill the push carries after it."""
        mirror.ingest_order(self._ctx, parse_orders.order(row))
        fill = parse_orders.fill_of_push(row)
        if fill is not None:
            mirror.ingest_fill(self._ctx, fill)
        self._protect_due = True

    def _position(self, row: Row) -> None:
        inst_id = required_text(row, "instId", "position")
        if parse_account.is_flat(row):
            mirror.ingest_flat(self._ctx, inst_id, required_time(row, "uTime", f"position {inst_id}"))
            contracts = Decimal(0)
        else:
            report = parse_account.position(row)
            mirror.ingest_position(self._ctx, report)
            contracts = report.contracts
        # Every price tick is pushed too; only a change of size can uncover a position.
        if self._contracts.get(inst_id) != contracts:
            self._contracts[inst_id] = contracts
            self._protect_due = True
