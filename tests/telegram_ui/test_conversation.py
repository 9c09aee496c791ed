"""A scripted conversation with the running application: text for text, picture for picture, page for page."""

import struct
from threading import Event

import pytest
from sqlalchemy import update

from models import BotState
from standins.telegram_api import Fault
from telegram_ui.commands.table import COMMANDS
from telegram_ui.paging import asked_page, page_buttons, pages
from tests.telegram_ui.conftest import OWNER, Talk, alone
from tests.telegram_ui.test_texts import ASKED, ask


@pytest.fixture
def said(seeded, api):
    """Ask the running application; everything said in answer, once it says no more."""
    with seeded.ctx.sessions.begin() as session:
        session.execute(update(BotState).values(state="draining"))  # a bot whose feeds nobody looks after
    with Talk(seeded):

        def ask_it(text, count):
            before = len(api.said)
            api.hear(OWNER, text)
            return api.answers(before + count, 60)[before:]

        yield ask_it


def dimensions(png):
    return struct.unpack(">II", png[16:24])


def test_every_command_is_answered_as_its_text_says(seeded, api, said):
    api.said.clear()
    for name in ("status", "positions", "trades-3", "why-opened", "costs", "config", "help", "alerts"):
        wanted = pages(ask(seeded, ASKED[name]).blocks)[0]
        (answer,) = said(ASKED[name], 1)
        assert answer.text == wanted
    assert api.refused == []


def test_performance_comes_with_its_pictures(said):
    text, *pictures = said("/performance all", 4)
    assert text.text.startswith("<b>Since the beginning</b>, market time")
    assert [p.text for p in pictures] == [
        "Equity, USDT · since the beginning", "Profit by strategy · since the beginning", "Confidence and outcome"
    ]  # fmt: skip
    assert {dimensions(p.png) for p in pictures} == {(1080, 1080)}
    assert len({p.png for p in pictures}) == 3


def test_charts_of_an_instrument_and_timeframe(said):
    (default,) = said("/chart", 1)
    (hourly,) = said("/chart eth 1H", 1)
    assert (default.text.split(" · ")[0], hourly.text.split(" · ")[0]) == ("BTC 5m", "ETH 1H")
    assert dimensions(default.png) == dimensions(hourly.png) == (1080, 1080)


def test_long_answers_are_turned_page_by_page_in_their_message(seeded, api, said, monkeypatch):
    (first,) = said("/trades 100", 1)
    assert not first.buttons  # eight trades fit one page
    monkeypatch.setattr("telegram_ui.paging.LINES", 8)
    (first,) = said("/trades 100", 1)
    assert [label for label, _ in first.buttons] == ["1 of 4", "▶"]
    api.press(OWNER, first.buttons[1][1], of=first)
    api.wait(lambda: any(each.message_id == first.message_id and each.edits for each in api.said))
    second = next(each for each in api.said if each.message_id == first.message_id)
    assert second.text == pages(ask(seeded, "/trades 100").blocks)[1]
    assert [label for label, _ in second.buttons] == ["◀", "2 of 4", "▶"]
    api.press(OWNER, second.buttons[1][1], of=second)  # the page it shows
    api.wait(lambda: len(api.answered) == 2)
    api.press(OWNER, "p:99:trades 100", of=second)
    api.wait(lambda: any("4 of 4" in str(each.buttons) for each in api.said))


def test_a_command_too_long_for_buttons_says_that_there_is_more(said, monkeypatch):
    monkeypatch.setattr("telegram_ui.paging.LINES", 8)
    (answer,) = said("/trades 100 " + "x" * 60, 1)
    assert answer.text.endswith("Page 1 of 4; a shorter command has buttons for the others.")


def test_words_that_are_no_command_are_told_so(said):
    assert [each.text for text in ("hello", "/frobnicate now", "/") for each in said(text, 1)] == [
        "A command begins with /; /help lists what there is.",
        "There is no /frobnicate; /help lists what there is.",
        "A command begins with /; /help lists what there is.",
    ]


@pytest.mark.parametrize("kind", ["flood", "bad_gateway", "cut", "hang"])
def test_an_answer_that_meets_trouble_is_given_after_it(api, said, kind):
    api.faults.append(Fault(kind, "sendMessage", 2, seconds=1))
    api.hear(OWNER, "/start")
    api.wait(lambda: any("You may look and act" in text for text in alone(api)), 60)
    assert sum("You may look and act" in text for text in alone(api)) == 1
    assert api.faults[0].times == 0


def test_a_picture_that_meets_trouble_is_sent_after_it(api, said):
    api.faults.append(Fault("bad_gateway", "sendPhoto", 1))
    (picture,) = said("/chart", 1)
    assert dimensions(picture.png) == (1080, 1080)


def test_polling_survives_an_outage(api, said):
    api.faults += [Fault("bad_gateway", "getUpdates", 2), Fault("cut", "getUpdates", 2)]
    api.hear(OWNER, "/start")
    api.wait(lambda: any("You may look and act" in text for text in alone(api)), 60)


def test_a_slow_command_does_not_hold_up_another(seeded, api, said, monkeypatch):
    released = Event()
    command = COMMANDS["costs"]
    slow = type(command)(command.name, "", "", lambda desk, request: released.wait(60) and command.run(desk, request))
    monkeypatch.setitem(COMMANDS, "costs", slow)
    for _ in range(4):  # every thread there is for commands
        api.hear(OWNER, "/costs")
    try:
        api.hear(OWNER, "/halt meanwhile")
        api.wait(lambda: any("<b>Halted</b> (manual): meanwhile" in text for text in alone(api)))
    finally:
        released.set()
    api.wait(lambda: sum("Budget a day" in text for text in alone(api)) == 4)


def test_pages_hold_whole_blocks_and_lose_none():
    blocks = tuple(f"block {n}\n" + "line\n" * 20 for n in range(10))
    packed = pages(blocks)
    assert "\n\n".join(packed) == "\n\n".join(blocks)
    assert len(packed) == 5
    assert pages(()) == []


def test_page_buttons_fit_and_read_back():
    assert page_buttons("trades 100", 0, 1) == ()
    assert asked_page(page_buttons("trades 100", 1, 3)[2].data) == (2, "trades 100")
    assert page_buttons("x" * 61, 0, 2) is None
    assert [asked_page(data) for data in ("p:1", "q:1:x", "p::x", "p:٣:x", "p:1234:x")] == [(1, "")] + [None] * 4
