"""Queue `account`: reads of the exchange, reconciliation, confirmation, snapshots."""

from execution import jobs
from execution.clock_skew import measure
from execution.invariants import check as check_invariants
from execution.invariants import check_after_start
from execution.reconcile import reconcile as run_reconcile
from execution.resolver import resolve_for
from execution.snapshots import take_due_snapshots
from models import BotState
from pipeline import runner
from tasks.app import app
from tasks.context import execution_context
from tasks.pipeline_context import pipeline_context
from tasks.policies import RepeatableTask

RESOLVE_FOR_S = 1.5  # a tick comes every two seconds


@app.task(name="account.confirm", base=RepeatableTask)
def confirm(cycle_id: int) -> None:
    """See whether the cycle's orders have ended."""
    runner.advance(pipeline_context(), cycle_id, "account")


@app.task(name="account.reconcile", base=RepeatableTask)
def reconcile(reason: str = "asked") -> None:
    """Compare everything we hold with the exchange."""
    ctx = execution_context()
    run_reconcile(ctx, reason)
    check_after_start(ctx)


@app.task(name="account.reconcile_due", base=RepeatableTask, send_events=False)
def reconcile_due() -> None:
    """Reconcile once a wall minute, whoever asks how often; and at once while none has succeeded since the start."""
    ctx = execution_context()
    with ctx.sessions() as session:
        never = session.get_one(BotState, ctx.account_id).reconciled_at is None
    if never:
        run_reconcile(ctx, "start")
        check_after_start(ctx)
        return
    with jobs.wall_minute(ctx, "reconcile") as mine:
        if mine:
            run_reconcile(ctx, "minute")


@app.task(name="account.resolve", base=RepeatableTask, send_events=False)
def resolve() -> None:
    """Look for the truth about orders whose outcome is unknown, until the next tick does."""
    resolve_for(execution_context(), RESOLVE_FOR_S)


@app.task(name="account.invariants", base=RepeatableTask, send_events=False)
def invariants() -> None:
    """See that what must hold holds."""
    check_invariants(execution_context())


@app.task(name="account.clock_skew", base=RepeatableTask, send_events=False)
def clock_skew() -> None:
    """Measure the exchange's wall clock against ours."""
    measure(execution_context())


@app.task(name="account.snapshots_due", base=RepeatableTask, send_events=False)
def snapshots_due() -> None:
    """Take the hourly, daily and weekly snapshots whose slot has come."""
    take_due_snapshots(execution_context())
