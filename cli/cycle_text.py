"""`okxbot cycle show ID` for a person: how a cycle went, what was decided, judged, sent and what became of it."""

from collections.abc import Iterator
from typing import Any

from cli.status_view import clock, price, signed

Row = dict[str, Any]
TOLD = (
    "action",
    "size_pct",
    "order_type",
    "limit_price",
    "stop_loss",
    "take_profit",
    "confidence",
    "strategy",
    "regime",
)


def cycle_lines(cycle: Row) -> Iterator[str]:
    """Every part that there is, in the order in which it came about. `cycle` as `cycle show --json` prints it."""
    how = cycle["outcome"] or f"in progress: {cycle['stage']}"
    yield f"cycle {cycle['id']}  {cycle['inst_id']}  {clock(cycle['slot'])}  {how}"
    if cycle["reason"]:
        yield f"  {cycle['reason']}"
    yield f"  opened by {cycle['opened_by']}, analyst {cycle['analyst'] or 'not known yet'}" + (
        f", playbook version {cycle['playbook_version']}" if cycle["playbook_version"] is not None else ""
    )
    yield from _stages(cycle["stage_log"])
    for call in cycle["model_calls"]:
        yield f"model: {call['purpose']}  {call['model']}  {call['outcome']}  {call['cost_usd'] or '?'} USD"
    yield from _decision(cycle["decision"])
    for verdict in cycle["verdicts"]:
        yield from _verdict(verdict)
    for order in cycle["orders"]:
        yield from _order(order)
    for trade in cycle["trades"]:
        end = f"{price(trade['exit_px'])} by {trade['exit_reason']}, net {signed(trade['net_pnl'])} USDT"
        yield f"trade {trade['id']}: {trade['side']} at {price(trade['entry_px'])}, " + (
            f"out at {end}" if trade["closed_market_at"] else "open"
        )


def _stages(log: list[Row]) -> Iterator[str]:
    if log:
        yield "stages"
    for entry in log:
        rest = {name: value for name, value in entry.items() if name not in ("stage", "started", "ended", "next")}
        times = f"{_time(entry['started'])} to {_time(entry['ended'])}"
        yield f"  {times}  {entry['stage']:<9} then {entry['next']}  {_words(rest)}".rstrip()


def _decision(decision: Row | None) -> Iterator[str]:
    if not decision:
        return
    yield "decision"
    yield "  " + _words({name: decision.get(name) for name in TOLD})
    if decision.get("reasoning"):
        yield f"  {decision['reasoning']}"
    for name in ("observations", "risk_factors"):
        yield from (f"  {name.replace('_', ' ')}: {said}" for said in decision.get(name) or [])
    if decision.get("invalidation"):
        yield f"  invalidation: {_words(decision['invalidation'])}"


def _verdict(verdict: Row) -> Iterator[str]:
    yield (
        f"gate: {verdict['effect']}"
        + (f": {verdict['reason']}" if verdict["reason"] else "")
        + (
            f"  ({verdict['contracts']} contracts at {price(verdict['price'])} or better)"
            if verdict["approved"]
            else ""
        )
    )
    for check in verdict["checks"]:
        why = f"  {check['reason']}" if check.get("reason") else ""
        yield f"  {check['effect']:<6} {check['name']:<24} {check['value']}  (limit {check['limit']}){why}"


def _order(order: Row) -> Iterator[str]:
    size = order["sz_contracts"] or "all"
    at = f", filled {order['acc_fill_sz_contracts']} at {price(order['avg_px'])}" if order["avg_px"] else ""
    yield f"order {order['cl_ord_id']}: {order['leg']} {order['side']} {size} {order['ord_type']}, {order['state']}{at}"
    if order["last_code"] not in (None, "", "0"):
        yield f"  the exchange said {order['last_code']} {order['last_message'] or ''}".rstrip()
    for event in order["events"]:
        state, detail = event["to_state"], _words(event["detail"])
        yield f"  {_time(event['at'])}  {state:<10} by {event['source']}  {detail}".rstrip()


def _time(at: str | None) -> str:
    """Of an ISO time the time of day, to the millisecond."""
    return "unknown" if at is None else at.partition("T")[2].rstrip("Z").partition("+")[0][:12]


def _words(values: Row) -> str:
    """What is there, as `name value`; nested values are for `--json`."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in values.items()
        if value not in (None, "", [], {}) and not isinstance(value, dict | list)
    )
