"""How much of a position is ours: what our fills make, read anew from the exchange. Contracts."""

from decimal import Decimal

from execution import journal, mirror
from execution.context import ExecutionContext
from trading.orders import PositionReport


def expected_contracts(ctx: ExecutionContext, inst_id: str) -> Decimal:
    """Signed contracts our books say are held: the open trade."""
    with ctx.sessions() as session:
        trade = journal.open_trade(session, ctx.account_id, inst_id)
        return journal.signed(trade) if trade is not None else Decimal(0)


def our_part(ctx: ExecutionContext, position: PositionReport) -> Decimal | None:
    """None: the whole position is ours; otherwise how many of its contracts are (zero: none).

    Reads the fills first. Raises ReadFailed.
    """
    for fill in reversed(ctx.exchange.fills(position.inst_id, since=position.created_at)):
        mirror.ingest_fill(ctx, fill)
    held = expected_contracts(ctx, position.inst_id)
    if held == 0 or (held > 0) != (position.contracts > 0):
        return Decimal(0)
    return None if abs(held) >= abs(position.contracts) else abs(held)
