"""How orders are sent and positions protected."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from configuration.kinds import Seconds


class Execution(BaseModel):
    """How orders are sent and positions protected."""

    order_exp_s: Annotated[float, Field(ge=0.5, le=3)] = Field(3, description="`expTime` of every placement.")
    http_timeout_s: Seconds = Field(5, description="One call to OKX, connect to last byte.")
    entry_order_type: Literal["fok", "market"] = Field(
        "fok", description="fok: whole with its stop or nothing; market: if OKX refuses attached stops on fok."
    )
    entry_limit: Literal["fok", "rest"] = Field(
        "fok",
        description="A limit decision. fok: fills whole at once, or not at all; rest: waits on the book until "
        "DECISION_MAX_AGE_S, and what fills before the rest is covered a moment later than it is held.",
    )
    entry_slippage_bps: Annotated[Decimal, Field(gt=0, le=100)] = Field(
        Decimal(15), description="Worst acceptable entry price, beyond the opposite quote, basis points."
    )
    break_even_at_r: Annotated[Decimal, Field(ge=0, le=100)] = Field(
        Decimal(0),
        description="Profit, in R (the plan's risk), from which the stop stands at break-even. 0: the plan decides.",
    )
    trail_stop_r: Annotated[Decimal, Field(ge=0, le=100)] = Field(
        Decimal(0), description="The stop follows the price so many R behind, never back. 0: off, the plan decides."
    )
    naked_grace_s: Seconds = Field(5, description="Longest time a position may be seen uncovered before we act.")
    unknown_grace_s: Seconds = Field(2, description="Wait past `expTime` before an absence counts.")
