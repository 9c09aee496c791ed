"""/why [cycle]: why the bot did what it did: decision, reasoning, the gate's checks, orders, what it cost."""

from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import DecisionCycle, LlmCall, Order, RiskVerdict
from telegram_ui.commands.positions import condition
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import bold, coin, day_time, escaped, money, percent, plural, price, size

EFFECTS = {"pass": "✓", "cut": "✂", "reject": "✗", "hold": "✗"}


def why(desk: Desk, request: Request) -> Answer:
    """The cycle asked for, or the last one that has ended."""
    words = request.words
    if words and not (words[0].isascii() and words[0].isdigit() and len(words[0]) <= 18):
        return Answer.of("Which cycle? /why 123, for example; /status names the last one.")
    with desk.ctx.sessions() as session:
        cycle = _cycle(session, desk.ctx.account_id, int(words[0]) if words else None)
        if cycle is None:
            return Answer.of(f"There is no cycle {escaped(words[0])}." if words else "No decision yet.")
        verdict = session.scalars(
            select(RiskVerdict).where(RiskVerdict.cycle_id == cycle.id).order_by(RiskVerdict.id.desc()).limit(1)
        ).one_or_none()
        orders = session.scalars(select(Order).where(Order.cycle_id == cycle.id).order_by(Order.id)).all()
        calls = session.scalars(select(LlmCall).where(LlmCall.cycle_id == cycle.id).order_by(LlmCall.id)).all()
    blocks = [_head(cycle, desk), *_decision(cycle.decision or {})]
    if cycle.research and cycle.research.get("text"):
        blocks.append(f"Research (quoted): <i>{escaped(cycle.research['text'], 500)}</i>")
    if verdict is not None:
        blocks.append(_verdict(verdict))
    if orders:
        blocks.append("\n".join(_order(order) for order in orders))
    if calls:
        cost = sum((call.reserved_usd if call.cost_usd is None else call.cost_usd for call in calls), Decimal(0))
        blocks.append(f"{plural(len(calls), 'model call')}, {money(cost, 4)} USD")
    return Answer(tuple(blocks))


def _cycle(session: Session, account_id: int, cycle_id: int | None) -> DecisionCycle | None:
    query = select(DecisionCycle).where(DecisionCycle.account_id == account_id)
    if cycle_id is not None:
        return session.scalars(query.where(DecisionCycle.id == cycle_id)).one_or_none()
    newest = query.where(DecisionCycle.outcome.is_not(None)).order_by(
        DecisionCycle.slot.desc(), DecisionCycle.id.desc()
    )
    return session.scalars(newest.limit(1)).one_or_none()


def _head(cycle: DecisionCycle, desk: Desk) -> str:
    ended = cycle.outcome or f"still at {cycle.stage}"
    by = f"\nby {escaped(cycle.analyst)}" if cycle.analyst else ""
    if cycle.playbook_version is not None:  # none was read where nothing was to be decided
        by += f", playbook v{cycle.playbook_version}"
    head = f"{bold(coin(cycle.inst_id))} {day_time(cycle.slot, desk.zone)} · cycle {cycle.id} → {bold(ended)}"
    reason = cycle.reason or "no reason stored"
    if reason == (cycle.decision or {}).get("reasoning"):  # said below, in full
        return head + by
    return f"{head}\n{escaped(reason)}{by}"


def _decision(decision: dict[str, Any]) -> list[str]:
    if not decision:
        return []
    head = bold(decision.get("action", "?"))
    if decision.get("strategy"):
        head += f" · {escaped(decision['strategy'])}"
    if decision.get("action") not in ("HOLD", None):
        head += f" · confidence {percent(100 * float(decision.get('confidence') or 0), 0)}"
    blocks = [f"{head}\n{escaped(decision.get('reasoning') or 'no reasoning stored', 1500)}"]
    for title, name in (("Seen", "observations"), ("Risks", "risk_factors")):
        if decision.get(name):
            blocks.append(f"{title}:\n" + "\n".join(f"• {escaped(item, 300)}" for item in decision[name][:8]))
    if decision.get("invalidation"):
        blocks.append(f"Invalid if {escaped(condition(decision['invalidation']))}")
    return blocks


def _verdict(verdict: RiskVerdict) -> str:
    """What was refused or cut with its figures; the rest counted."""
    said = "approved" if verdict.approved else "refused"
    lines = [f"Gate: {bold(said)}"]
    passed = 0
    for check in verdict.checks:
        if check["effect"] == "pass":
            passed += 1
            continue
        lines.append(
            f"{EFFECTS.get(check['effect'], '?')} {escaped(check['name'])}: {escaped(check['value'], 80)}, "
            f"limit {escaped(check['limit'], 80)}"
        )
    lines.append(f"✓ {plural(passed, 'check')} passed")
    return "\n".join(lines)


def _order(order: Order) -> str:
    what = f"{size(order.sz_contracts)} contracts" if order.sz_contracts is not None else "the whole position"
    at = f" at {price(order.avg_px)}" if order.avg_px is not None else ""
    code = (
        f" ({escaped(order.last_code)}: {escaped(order.last_message, 120)})"
        if order.last_code not in (None, "0")
        else ""
    )
    return f"Order {escaped(order.leg)} {order.side} {what}: {bold(order.state)}{at}{code}"
