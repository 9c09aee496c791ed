"""The live view of `okxbot up` and the text of `okxbot status`: one screen that says what the bot is doing and why."""

from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from runtime.home import LEAST_FREE_MB
from runtime.unsupervised import unsupervised_words

STATE_STYLE = {"running": "bold green", "halted": "bold red", "starting": "yellow", "draining": "yellow"}
PLAIN_CYCLES = 3
OUTCOME_STYLE = {"opened": "green", "added": "green", "closed": "cyan", "reduced": "cyan", "rejected": "yellow",
                 "failed": "red", "unknown": "bold red"}  # fmt: skip


def render(status: dict[str, Any]) -> RenderableType:
    """The whole screen."""
    return Group(_head(status), _positions(status), "", _cycles(status), "", _foot(status))


def _head(status: dict[str, Any]) -> RenderableType:
    return Panel(_summary(status), title="okxbot", title_align="left")


def _summary(status: dict[str, Any]) -> Text:
    speed = status["speed"]
    pace = f" at {speed:g}×" if isinstance(speed, int | float) and speed != 1 else f" ({speed})" if speed != 1 else ""
    line = Text()
    line.append(status["state"].upper(), style=STATE_STYLE.get(status["state"], "bold"))
    line.append(f"   {status['mode']} trading · {analyst_words(status['analyst'])}")
    if status["state"] != "stopped":
        line.append(f" · market time {clock(status['now'])}{pace}")
    line.append(f"\nequity {money(status['equity'])} USDT   today ")
    line.append(signed(status["day_pnl"]), style=pnl_style(status["day_pnl"]))
    line.append(f"   drawdown {percent(status['drawdown'])}   cycles {status['cycles_total']}   ")
    line.append(f"orders {orders_words(status)}")
    line.append(f"\n{guard_words(status)}", style="dim")
    if status["screener_pass_rate"] is not None:
        line.append(f"\nscreener, 24 h: {screener_words(status)}", style="dim")
    if status["state"] == "stopped":
        line.append("\nthe bot is stopped, this is how it was left; `okxbot up` starts it", style="yellow")
    if status["unsupervised"]:
        line.append(f"\nUNSUPERVISED: {unsupervised_words(status['unsupervised'])}", style="bold red")
    if status["halt_reason"]:
        line.append(f"\nHALTED: {status['halt_reason']}   (`okxbot resume` lets it trade again)", style="bold red")
    elif status["state"] == "running" and not status["reconciled_at"]:
        line.append("\nno entries yet: waiting for the first reconciliation with the exchange", style="yellow")
    if status["entries_blocked"]:
        line.append(f"\nno entries: {status['entries_blocked']}", style="bold red")
    for found in status["breaks"]:
        line.append(f"\n{break_words(found)}", style="bold red")
    return line


def guard_words(status: dict[str, Any]) -> str:
    """What watches over the money: the last reconciliation, time without a stop, the clock."""
    age, skew = status["reconciled_age_s"], status["clock_skew_s"]
    words = [
        "not reconciled yet" if age is None else f"reconciled {duration(age)} ago",
        f"without a stop {status['naked_seconds']:.1f} s in all",
        f"clock skew {'unknown' if skew is None else f'{skew:.2f} s'}",
    ]
    return "   ".join(words)


def screener_words(status: dict[str, Any]) -> str:
    """What Haiku let pass, and what Opus said of it."""
    words = [f"{100 * status['screener_pass_rate']:.0f} % of candles passed"]
    if status["screener_precision"] is not None:
        words.append(f"Opus acted on {100 * status['screener_precision']:.0f} % of them")
    if status["screener_missed"] is not None:
        words.append(f"and on {100 * status['screener_missed']:.0f} % of the sample held back")
    return ", ".join(words)


def break_words(found: dict[str, Any]) -> str:
    """One difference or broken invariant that lasts."""
    where = f" {found['instrument']}" if found["instrument"] else ""
    effect = "no entries: " if found["found_by"] == "invariants" else ""
    return f"{effect}{found['name']}{where}: {found['detail']}"


def analyst_words(analyst: str) -> str:
    """Who decides, plainly."""
    return "Claude decides" if analyst == "claude" else "built-in rules decide (no model)"


def _positions(status: dict[str, Any]) -> RenderableType:
    table = Table(title="Open positions", title_justify="left", expand=True, box=None, header_style="dim")
    for name in ("instrument", "side", "contracts", "average", "mark", "unrealised", "stop", "target", "strategy"):
        table.add_column(name, justify="left" if name in ("instrument", "side", "strategy") else "right")
    for p in status["positions"]:
        table.add_row(
            p["instrument"], p["side"], price(p["contracts"]), price(p["avg_price"]), price(p["mark_price"]),
            Text(signed(p["upl"]), style=pnl_style(p["upl"])),
            Text(price(p["stop"]), style="" if p["stop"] else "bold red") if p["stop"] else Text("placing…", "yellow"),
            price(p["take_profit"]), p["strategy"] or "",
        )  # fmt: skip
    if not status["positions"]:
        table.add_row(Text("none", style="dim"))
    return table


def _cycles(status: dict[str, Any]) -> RenderableType:
    table = Table(title="Last decisions", title_justify="left", expand=True, box=None, header_style="dim")
    table.add_column("id", justify="right")
    table.add_column("slot")
    table.add_column("instrument")
    table.add_column("decision")
    table.add_column("outcome")
    table.add_column("reason", ratio=1, no_wrap=True, overflow="ellipsis")
    for c in status["last_cycles"]:
        table.add_row(
            str(c["id"]), clock(c["slot"], date=False), c["instrument"], c["action"] or "",
            Text(outcome_words(c), style=OUTCOME_STYLE.get(c["outcome"] or "", "")),
            _reason(c, status),
        )  # fmt: skip
    if not status["last_cycles"]:
        table.add_row("", "", Text("the first candle has not closed yet", style="dim"))
    return table


def outcome_words(cycle: dict[str, Any]) -> str:
    """How it ended, or the stage it is in."""
    return cycle["outcome"] or f"… {cycle['stage']}"


def _reason(cycle: dict[str, Any], status: dict[str, Any]) -> str:
    """The head says who decides."""
    return (cycle["reason"] or "").removeprefix(f"analyst={status['analyst']}; ")


def _foot(status: dict[str, Any]) -> Text:
    if status["state"] == "stopped":
        return Text("no service runs", style="dim")
    services = status["services"]
    down = {name: state for name, state in services.items() if state != "RUNNING"}
    line = Text("services ", style="dim")
    if services:
        line.append(f"{len(services) - len(down)} of {len(services)} running", style="green" if not down else "red")
    else:
        line.append("unknown: no supervisor answers", style="red" if status["unsupervised"] else "dim")
    for name, state in down.items():
        line.append(f"  {name} {state.lower()}", style="red")
    if status["disk_free_mb"] < LEAST_FREE_MB:
        line.append(f"\ndisk: {disk_words(status)}", style="bold red")
    ages = "  ".join(f"{channel} {age:.1f}s" for channel, age in sorted(status["feed_age_s"].items()))
    line.append(f"\nfeed age {ages or 'unknown: Redis does not answer'}", style="dim" if ages else "red")
    if status["too_old"] and status["state"] == "running":
        line.append(f"\nno entries on old data: {', '.join(status['too_old'])}", style="bold yellow")
    line.append("\n" + "  ".join(f"{name} {url}" for name, url in status["urls"].items()), style="dim")
    return line


def plain_lines(status: dict[str, Any]) -> list[str]:
    """The status for a log or a pipe: the same words without tables and colours."""
    lines = _summary(status).plain.splitlines()
    for p in status["positions"]:
        lines.append(
            f"position {p['instrument']} {p['side']} {price(p['contracts'])} at {price(p['avg_price'])}   "
            f"mark {price(p['mark_price'])}   unrealised {signed(p['upl'])}   "
            f"stop {price(p['stop']) if p['stop'] else 'placing…'}   target {price(p['take_profit'])}"
        )
    for c in status["last_cycles"][:PLAIN_CYCLES]:
        words = (f"cycle {c['id']}", clock(c["slot"]), c["instrument"], c["action"], outcome_words(c))
        reason = _reason(c, status)
        lines.append("  ".join(word for word in words if word) + (f": {reason}" if reason else ""))
    return lines + _foot(status).plain.splitlines()


def disk_words(status: dict[str, Any]) -> str:
    return f"only {status['disk_free_mb']} MB are free: free some space, the bot then carries on"


def orders_words(status: dict[str, Any]) -> str:
    """Orders by state in words, the unknown ones first."""
    counts = dict(status["orders_by_state"])
    words = [f"{count} {state}" for state, count in sorted(counts.items(), key=lambda kv: kv[0] != "unknown")]
    return ", ".join(words) or "none"


def clock(at: str | None, *, date: bool = True) -> str:
    """An ISO time for people; `unknown` rather than a guess."""
    if at is None:
        return "unknown"
    day, _, time = at.rstrip("Z").partition("T")
    return f"{day} {time[:5]} UTC" if date else f"{day[5:]} {time[:5]}"


def money(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.2f}"


def price(value: float | str | None) -> str:
    return "–" if value is None else f"{Decimal(str(value)):,f}"


def signed(value: float | str | None) -> str:
    return "unknown" if value is None else f"{Decimal(str(value)):+,.2f}"


def duration(seconds: float) -> str:
    """A length of time in the unit that says it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} %"


def pnl_style(value: float | None) -> str:
    """Green and red are for money only."""
    return "" if not value else "green" if value > 0 else "red"
