"""Balance, fee and funding breaks: what we count against what the exchange booked. The bills are the truth."""

import structlog

from execution import booked_costs, money, outbox
from execution.breaks import Break, ReconcileReport
from execution.context import ExecutionContext

logger = structlog.get_logger()


def compare_money(ctx: ExecutionContext, chain: list[str], report: ReconcileReport) -> None:
    """`chain`: breaks of the chain of balances found before. Funding is mended from the bills. Raises ReadFailed."""
    report.breaks += [(Break.BALANCE_BREAK, "", what) for what in chain + money.settle(ctx)]
    with outbox.transaction(ctx) as session:
        report.breaks += [(Break.FEE_BREAK, *found) for found in booked_costs.fee_breaks(ctx, session)]
        report.breaks += [(Break.FUNDING_BREAK, *found) for found in booked_costs.mend_funding(ctx, session)]
