"""Every command: its name, how it is written, what it does, and whether it changes something (admins only)."""

from collections.abc import Callable
from dataclasses import dataclass

from telegram_ui.commands import (
    alerts,
    chart,
    config,
    costs,
    halting,
    learning,
    performance,
    playbook,
    positions,
    status,
    trades,
    why,
)
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import escaped

Run = Callable[[Desk, Request], Answer]


@dataclass(frozen=True)
class Command:
    """One command. `changes` says, of the words after it, whether only admins may."""

    name: str
    usage: str
    summary: str
    run: Run
    changes: Callable[[tuple[str, ...]], bool] = lambda _words: False


def _always(_words: tuple[str, ...]) -> bool:
    return True


def help_(_desk: Desk, request: Request) -> Answer:
    """What there is, for whoever asks: whoever may not act is not told how."""
    lines = [
        f"/{c.name}{' ' + escaped(c.usage) if c.usage else ''} – {escaped(c.summary)}"
        for c in COMMANDS.values()
        if request.admin or not c.changes(())
    ]
    return Answer.of("\n".join(lines))


def whoami(_desk: Desk, request: Request) -> Answer:
    """Greets, and says what this user may do."""
    may = "You may look and act." if request.admin else "You may look; TELEGRAM_ADMIN_IDS lists who may act."
    return Answer.of(f"{may} /help lists the commands.")


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("status", "", "what the bot is doing", status.status),
        Command("positions", "", "open positions, stops, plans; close, break-even", positions.positions),
        Command("trades", "[n]", "the last trades", trades.trades),
        Command("performance", "[7d|30d|all]", "figures, costs, pictures", performance.performance),
        Command("chart", "[instrument] [timeframe]", "candles with entries and exits", chart.chart),
        Command("why", "[cycle]", "the reasons of a decision", why.why),
        Command("costs", "", "what the models cost", costs.costs),
        Command("playbook", "[diff [a b] | rollback N]", "what the bot believes", playbook.playbook,
                changes=lambda words: words[:1] == ("rollback",)),
        Command("reflect", "", "reflect on the closed trades now", learning.reflect, changes=_always),
        Command("research", "QUESTION", "ask the researcher", learning.research, changes=_always),
        Command("alerts", "[n]", "the last alerts", alerts.alerts),
        Command("config", "[key [value]]", "limits in force; tighten one", config.config,
                changes=lambda words: len(words) > 1),
        Command("halt", "[reason]", "no new entry from now on", halting.halt, changes=_always),
        Command("resume", "", "lift the halt", halting.resume, changes=_always),
        Command("flatten", "[all]", "halt, cancel and close what is ours", halting.flatten, changes=_always),
        Command("help", "", "this list", help_),
    )
}  # fmt: skip
UNLISTED = {"start": Command("start", "", "", whoami)}


def find(name: str) -> Command | None:
    """The command of that name."""
    return COMMANDS.get(name) or UNLISTED.get(name)
