"""Stops of ours that must go: attached ones once the position-level stop is live, second ones, orphans.

Runs in the `protect` worker only.
"""

from execution import mirror
from execution.context import ExecutionContext
from execution.identifiers import is_attached, is_ours

CANCELS_AT_ONCE = 10


def cancel_superfluous(ctx: ExecutionContext, canceled: list[str]) -> None:
    """Cancel attached stops once the exchange itself lists the position-level one, second ones, and orphans.

    The algoIds asked for are added to `canceled`; judged by the resulting state, not by the reply. Raises ReadFailed.
    """
    live = ctx.exchange.algos_pending()
    positions = {p.inst_id: p.contracts for p in ctx.exchange.positions()}
    for algo in live:
        mirror.ingest_algo(ctx, algo, source="reconcile")
    doomed: list[tuple[str, str]] = []
    level_seen: set[str] = set()
    for algo in sorted(live, key=lambda a: (a.created_at, int(a.algo_id) if a.algo_id.isdecimal() else 0)):
        if not is_ours(algo.algo_cl_ord_id, ctx.order_prefix):
            continue
        held = positions.get(algo.inst_id)
        closing = held is not None and algo.side == ("sell" if held > 0 else "buy")
        if not closing:
            doomed.append((algo.inst_id, algo.algo_id))
        elif algo.close_fraction == 1 and algo.stop_loss_px is not None:
            if algo.inst_id in level_seen:
                doomed.append((algo.inst_id, algo.algo_id))
            level_seen.add(algo.inst_id)
    for algo in live:
        if is_attached(algo.algo_cl_ord_id, ctx.order_prefix) and algo.inst_id in level_seen:
            doomed.append((algo.inst_id, algo.algo_id))
    doomed = list(dict.fromkeys(doomed))
    for start in range(0, len(doomed), CANCELS_AT_ONCE):
        some = doomed[start : start + CANCELS_AT_ONCE]
        ctx.exchange.cancel_algos(some)
    canceled += [algo_id for _, algo_id in doomed]
    for _, algo_id in doomed:
        after = ctx.exchange.algo_by_id(algo_id)
        if after is not None:
            mirror.ingest_algo(ctx, after, source="reconcile")
