"""Every command's answer, word for word, over a database that stands still (tests/telegram_ui/golden)."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete, func, select, update

from models import (
    Alert,
    BotState,
    DecisionCycle,
    LlmCall,
    Order,
    OrderEvent,
    PerformanceSnapshot,
    PlaybookVersion,
    Position,
    RiskVerdict,
    ScreenerLog,
    Trade,
)
from telegram_ui.commands.table import COMMANDS, find
from telegram_ui.desk import Answer
from telegram_ui.paging import pages
from telegram_ui.text import COLUMNS, duration, escaped, money, percent, plain, plural, price, signed, size
from tests.telegram_ui.conftest import asked, golden

ASKED = {
    "status": "/status",
    "positions": "/positions",
    "trades": "/trades",
    "trades-3": "/trades 3",
    "trades-nonsense": "/trades many",
    "performance-7d": "/performance",
    "performance-30d": "/performance 30d",
    "performance-all": "/performance all",
    "performance-nonsense": "/performance lately",
    "why": "/why",
    "why-opened": "/why 1",
    "why-rejected": "/why 2",
    "why-absent": "/why 99",
    "why-nonsense": "/why not",
    "costs": "/costs",
    "playbook": "/playbook",
    "playbook-diff": "/playbook diff",
    "playbook-diff-1-2": "/playbook diff 1 2",
    "playbook-diff-absent": "/playbook diff 1 9",
    "playbook-rollback": "/playbook rollback 1",
    "playbook-rollback-same": "/playbook rollback 2",
    "playbook-nonsense": "/playbook eat",
    "reflect": "/reflect",
    "research": "/research why does <b>BTC fall",
    "alerts": "/alerts",
    "config": "/config",
    "config-key": "/config max_leverage",
    "config-tighten": "/config max_leverage 2",
    "config-loosen": "/config max_leverage 5",
    "config-nonsense": "/config max_leverage lots",
    "config-out-of-bounds": "/config max_leverage 0.5",
    "config-secret": "/config telegram_bot_token",
    "resume-not-halted": "/resume",
    "flatten": "/flatten",
    "flatten-all": "/flatten all",
    "flatten-nonsense": "/flatten btc",
    "chart-unknown": "/chart DOGE",
    "chart-no-candles": "/chart BTC 1d",
    "help": "/help",
    "start": "/start",
}


def ask(desk, line: str, *, admin: bool = True) -> Answer:
    name, *words = line.removeprefix("/").split()
    command = find(name)
    assert command is not None
    return command.run(desk, asked(*words, admin=admin))


def shown(answer: Answer) -> str:
    """As a person sees it: pages, buttons, pictures, the question."""
    lines = ["\n-- page --\n".join(pages(answer.blocks))]
    lines += ["buttons: " + " | ".join(f"{b.label} [{b.data}]" for b in row) for row in answer.buttons]
    lines += [f"picture: {picture.title}" for picture in answer.pictures]
    if answer.question is not None:
        lines.append(f"question: {answer.question.action} {answer.question.detail}")
    return "\n".join(line for line in lines if line)


@pytest.mark.parametrize("name", ASKED)
def test_answers_word_for_word(week, name):
    golden(name, shown(ask(week, ASKED[name])))


def test_every_command_has_a_text_here():
    assert {line.split()[0].removeprefix("/") for line in ASKED.values()} | {"halt"} == {*COMMANDS, "start"}


@pytest.mark.parametrize("name", [name for name in ASKED if "nonsense" not in name])
def test_answers_fit_a_phone(week, name):
    answer = ask(week, ASKED[name])
    for block in re.findall(r"<pre>(.*?)</pre>", "\n".join(answer.blocks), re.DOTALL):
        for line in block.splitlines():
            # Entities stand for one character.
            assert len(re.sub(r"&\w+;", "x", line)) <= COLUMNS, line
    assert all(len(page) <= 3500 for page in pages(answer.blocks))


def test_a_halted_bot_says_so_first_and_resume_names_what_it_rebases(seeded):
    with seeded.ctx.sessions.begin() as session:
        session.execute(
            update(BotState).values(
                halted=True, halt_kind="daily_loss", halt_reason="daily loss 3.20 % is over 3 %",
                halted_by="account monitor", halted_at=seeded.ctx.clock.wall_now(), equity=Decimal("9757.44"),
            )
        )  # fmt: skip
    golden("status-halted", shown(ask(seeded, "/status")))
    golden("resume-automatic", shown(ask(seeded, "/resume")))


def test_an_empty_bot_has_an_answer_to_everything(seeded):
    with seeded.ctx.sessions.begin() as session:
        session.execute(update(Position).values(contracts=0))
        for table in (Trade, RiskVerdict, ScreenerLog, LlmCall, OrderEvent, Order, DecisionCycle, Alert):
            session.execute(delete(table))
        session.execute(update(BotState).values(equity=None, day_baseline=None, day=None, peak_equity=None))
    said = [f"== {line}\n{shown(ask(seeded, line))}" for line in
            ("/status", "/positions", "/trades", "/why", "/costs", "/alerts", "/flatten",
             "/performance 30d")]  # fmt: skip
    golden("empty", "\n".join(said))


def test_a_decision_that_read_no_playbook_names_none(seeded):
    with seeded.ctx.sessions.begin() as session:
        session.execute(update(DecisionCycle).values(playbook_version=None))
    head, *_ = ask(seeded, "/why 1").blocks
    assert head.endswith("\nby claude")


def test_the_models_of_a_bot_younger_than_the_span_cost_what_they_cost(seeded):
    with seeded.ctx.sessions.begin() as session:
        young = seeded.ctx.clock.wall_now() - timedelta(hours=1)
        session.execute(delete(PerformanceSnapshot).where(PerformanceSnapshot.slot < young))
        (total,) = session.scalars(select(func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd))))
    assert re.search(r"Models, USD +([\d.]+)", shown(ask(seeded, "/performance 7d")))[1] == f"{total:.4f}"


def test_a_long_playbook_is_shown_whole(seeded):
    lessons = [{"text": f"lesson {n}: " + "w" * 250} for n in range(18)]
    with seeded.ctx.sessions.begin() as session:
        row = session.scalars(select(PlaybookVersion).where(PlaybookVersion.active)).one()
        row.content = row.content | {"lessons": lessons}
    answer = ask(seeded, "/playbook")
    assert [f"lesson {n}:" in shown(answer) for n in range(18)] == [True] * 18
    assert all(len(page) <= 3500 for page in pages(answer.blocks))


def test_a_guest_gets_no_buttons_that_change_something(week):
    assert ask(week, "/positions", admin=True).buttons
    assert ask(week, "/positions", admin=False).buttons == ()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (money(Decimal("12345.678")), "12,345.68"), (money(None), "–"), (signed(Decimal("-0.001")), "0.00"),
        (signed(Decimal("1234.5")), "+1,234.50"), (percent(Decimal("-1.5"), sign=True), "-1.50 %"),
        (price(Decimal("95000.10")), "95,000.1"), (price(Decimal("0.00012340")), "0.000123"),
        (price(Decimal("180.50")), "180.5"), (price(Decimal("100")), "100"), (size(Decimal("0.500")), "0.5"),
        (size(Decimal("1E+2")), "100"), (plural(1, "trade"), "1 trade"), (plural(1200, "trade"), "1,200 trades"),
        (duration(timedelta(seconds=59)), "59 s"), (duration(timedelta(hours=3, minutes=20)), "3 h 20 min"),
        (duration(timedelta(days=2)), "2 d"), (escaped("<b>&\0\u202e"), "&lt;b&gt;&amp;"), (plain("x" * 9, 5), "xxxx…"),
        (plain("\ud800"), "?"),
    ],
)  # fmt: skip
def test_words_and_numbers(made, said):
    assert made == said
