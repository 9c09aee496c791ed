"""Algo orders: stop-loss and take-profit (conditional, oco) and plain triggers."""

from dataclasses import dataclass, field
from decimal import Decimal

from paper.engine.quote import Quote
from paper.numbers import ZERO

ALGO_TYPES = ("conditional", "oco", "trigger")


@dataclass(slots=True)
class Algo:
    """An algo order. `sz` None with `close_fraction` = the whole position as it is when triggered."""

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

    @property
    def ends_with_position(self) -> bool:
        """Whether the system cancels it once the position it guards is gone."""
        return self.reduce_only or self.close_fraction or self.cancel_on_close or bool(self.parent_ord_id)

    def triggered(self, quote: Quote) -> tuple[str, Decimal] | None:
        """The leg that fires at this quote (`sl`, `tp` or blank for a plain trigger) and its order price."""
        if self.trigger_px is not None and self.order_px is not None:
            price = quote.trigger_price(self.trigger_type)
            if (price >= self.trigger_px) if self.rising else (price <= self.trigger_px):
                return "", self.order_px
            return None
        closing_long = self.side == "sell"
        if self.sl_trigger is not None:
            price = quote.trigger_price(self.sl_type)
            if (price <= self.sl_trigger) if closing_long else (price >= self.sl_trigger):
                return "sl", self.sl_order if self.sl_order is not None else Decimal(-1)
        if self.tp_trigger is not None:
            price = quote.trigger_price(self.tp_type)
            if (price >= self.tp_trigger) if closing_long else (price <= self.tp_trigger):
                return "tp", self.tp_order if self.tp_order is not None else Decimal(-1)
        return None
