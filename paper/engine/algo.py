"""Algo orders: stop-loss and take-profit (conditional, oco), plain triggers, and trailing stops."""

from dataclasses import dataclass, field
from decimal import Decimal

from paper.engine.order import Attached
from paper.engine.quote import Quote
from paper.numbers import ONE, ZERO

ALGO_TYPES = ("conditional", "oco", "trigger", "move_order_stop")
MARKET_PRICE = Decimal(-1)


@dataclass(slots=True)
class Algo:
    """An algo order. `sz` None with `close_fraction` = the whole position as it is when triggered.

    A trailing stop has `callback` (a fraction of price, or with `callback_spread` a price distance) and follows
    `extreme`, the best last price since it became active.
    """

    algo_id: str
    algo_cl_ord_id: str
    tag: str
    inst_id: str
    td_mode: str
    side: str
    pos_side: str
    ord_type: str
    sz: Decimal | None
    close_fraction: bool
    reduce_only: bool
    lever: Decimal
    created: int
    updated: int
    tp_trigger: Decimal | None = None
    tp_order: Decimal | None = None
    tp_type: str = "last"
    sl_trigger: Decimal | None = None
    sl_order: Decimal | None = None
    sl_type: str = "last"
    trigger_px: Decimal | None = None
    order_px: Decimal | None = None
    trigger_type: str = "last"
    rising: bool = True
    cancel_on_close: bool = False
    parent_ord_id: str = ""
    cl_ord_id: str = ""
    state: str = "live"
    ord_ids: list[str] = field(default_factory=list)
    actual_sz: Decimal = ZERO
    actual_px: Decimal | None = None
    actual_side: str = ""
    trigger_time: int | None = None
    fail_code: str = ""
    cancel_source: str = ""
    req_id: str = ""
    amend_result: str = ""
    attached: list[Attached] = field(default_factory=list)
    callback: Decimal | None = None
    callback_spread: bool = False
    active_px: Decimal | None = None
    extreme: Decimal | None = None

    @property
    def move_trigger(self) -> Decimal | None:
        """Where a trailing stop fires as things stand; None before it is active."""
        if self.callback is None or self.extreme is None:
            return None
        falls = -1 if self.side == "sell" else 1
        if self.callback_spread:
            return self.extreme + falls * self.callback
        return self.extreme * (ONE + falls * self.callback)

    def follow(self, price: Decimal) -> None:
        """Let a trailing stop see a last price: it becomes active at `active_px`, then follows the best price."""
        selling = self.side == "sell"
        if self.extreme is None:
            reached = self.active_px is None or (price >= self.active_px if selling else price <= self.active_px)
            self.extreme = price if reached else None
        else:
            self.extreme = max(self.extreme, price) if selling else min(self.extreme, price)

    @property
    def ends_with_position(self) -> bool:
        """Whether the system cancels it once the position it guards is gone."""
        return self.reduce_only or self.close_fraction or self.cancel_on_close or bool(self.parent_ord_id)

    def triggered(self, quote: Quote) -> tuple[str, Decimal] | None:
        """The leg that fires at this quote (`sl`, `tp` or blank for a plain trigger) and its order price."""
        if self.callback is not None:
            self.follow(quote.last)
            trigger = self.move_trigger
            if trigger is not None and (quote.last <= trigger if self.side == "sell" else quote.last >= trigger):
                return "", MARKET_PRICE
            return None
        if self.trigger_px is not None and self.order_px is not None:
            price = quote.trigger_price(self.trigger_type)
            if (price >= self.trigger_px) if self.rising else (price <= self.trigger_px):
                return "", self.order_px
            return None
        closing_long = self.side == "sell"
        if self.sl_trigger is not None:
            price = quote.trigger_price(self.sl_type)
            if (price <= self.sl_trigger) if closing_long else (price >= self.sl_trigger):
                return "sl", self.sl_order if self.sl_order is not None else MARKET_PRICE
        if self.tp_trigger is not None:
            price = quote.trigger_price(self.tp_type)
            if (price >= self.tp_trigger) if closing_long else (price <= self.tp_trigger):
                return "tp", self.tp_order if self.tp_order is not None else MARKET_PRICE
        return None
