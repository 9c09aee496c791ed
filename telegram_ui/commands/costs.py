"""/costs: what the models have cost, today and in the last thirty days, by purpose."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import func, select

from models import LlmCall
from telegram_ui.commands.status import spent_today
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import escaped, money, pairs, plural, table

DAYS = 30
MOST_ROWS = 20


def costs(desk: Desk, _request: Request) -> Answer:
    """USD spent or reserved; the day is the UTC day of wall time, as the bill is."""
    ctx = desk.ctx
    now = ctx.clock.wall_now()
    with ctx.sessions() as session:
        today = spent_today(session, ctx.account_id, now)
        rows = session.execute(
            select(
                LlmCall.purpose,
                LlmCall.model,
                func.count(),
                func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd)),
                func.count().filter(LlmCall.outcome != "ok"),
            )
            .where(LlmCall.account_id == ctx.account_id, LlmCall.created_at > now - timedelta(days=DAYS))
            .group_by(LlmCall.purpose, LlmCall.model)
            .order_by(func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd)).desc())
            .limit(MOST_ROWS)
        ).all()
    budget = desk.settings.llm_daily_budget_usd
    head = pairs(
        [
            ("Today, USD", money(today, 4)),
            ("Budget a day, USD", money(budget)),
            ("Left today, USD", money(max(Decimal(0), budget - today), 4)),
        ]
    )
    if not rows:
        return Answer.of(head, f"No model was called in {plural(DAYS, 'day')}.")
    total = sum((cost for *_, cost, _failed in rows), Decimal(0))
    lines = [(purpose, f"{calls}", f"{failed}", money(cost, 4)) for purpose, _model, calls, cost, failed in rows]
    models = ", ".join(dict.fromkeys(escaped(model, 40) for _purpose, model, *_ in rows))
    return Answer.of(
        head,
        f"Last {plural(DAYS, 'day')}: {money(total, 4)} USD" + "\n" + table(("for", "calls", "bad", "USD"), lines),
        f"Models: {models}",
    )
