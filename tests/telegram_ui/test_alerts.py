"""Alerts reach everybody listed, once, through outages and restarts; the real application and the real streams."""

import asyncio
import os
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from time import monotonic

import pytest
import redis
from sqlalchemy import delete, func, select, update

from exchange.client import OkxExchange
from models import (
    Alert,
    BotState,
    CandleRow,
    LlmCall,
    PerformanceSnapshot,
    PlaybookVersion,
    ReadingPosition,
    Reflection,
    RiskVerdict,
    TelegramDelivery,
    Trade,
)
from paper.launch import launch
from standins.telegram_api import Fault
from telegram_ui.alerts import gathering, health, outbox
from telegram_ui.alerts.policy import Batch, Pending
from telegram_ui.alerts.service import AlertService
from telegram_ui.alerts.wording import word
from telegram_ui.desk import Desk
from telegram_ui.pictures.painter import Painter
from telegram_ui.present import Present
from telegram_ui.sending import send_text
from telegram_ui.service import build_application
from tests.feeds.conftest import until
from tests.telegram_ui.conftest import GUEST, OWNER, alone, golden
from trading.clock import wall_now


@pytest.fixture
def changes():
    """One reader, no cooldown: the rules have tests of their own."""
    return {"telegram_user_ids": (), "telegram_cooldown_s": 0}


def raise_alert(desk, message, severity="INFO", kind="test", **more):
    with desk.ctx.sessions.begin() as session:
        row = Alert(
            account_id=desk.ctx.account_id, kind=kind, severity=severity, message=message,
            created_at=desk.ctx.clock.wall_now(), **more,
        )  # fmt: skip
        session.add(row)
    return row.id


def rounds(desk, count=1):
    """So many rounds of delivery, as the service makes them."""

    async def run():
        application = build_application(desk)
        async with application.bot:
            painter = Painter()
            service = AlertService(desk, application.bot, painter)
            try:
                for _ in range(count):
                    await service.deliver()
            finally:
                await service.stop()
                painter.close()

    asyncio.run(run())


def delivered(desk, alert_id):
    with desk.ctx.sessions() as session:
        return session.get_one(Alert, alert_id).delivered_at is not None


def states(desk):
    with desk.ctx.sessions() as session:
        return [row.state for row in session.scalars(select(TelegramDelivery).order_by(TelegramDelivery.id))]


def test_an_alert_is_shown_once_and_settled(seeded, api):
    alert_id = raise_alert(seeded, "something <happened> & so on", "WARN")
    rounds(seeded, 3)
    assert alone(api) == [f"⚠️ <b>Test</b>\nsomething &lt;happened&gt; &amp; so on\n15:07 · #{alert_id}"]
    assert delivered(seeded, alert_id)
    assert api.said[0].silent is False


def test_news_does_not_ring(seeded, api):
    raise_alert(seeded, "news")
    rounds(seeded)
    assert api.said[0].silent is True


@pytest.mark.parametrize("changes", [{"telegram_cooldown_s": 0}], ids=["owner and guest"])
def test_everybody_listed_is_told_and_one_who_blocked_the_bot_holds_up_nobody(seeded, api):
    alert_id = raise_alert(seeded, "for all")
    rounds(seeded)
    assert [said.chat_id for said in api.said] == [OWNER, GUEST]
    assert delivered(seeded, alert_id)


@pytest.mark.parametrize("kind", ["bad_gateway", "cut", "flood"])
def test_an_outage_of_telegram_delays_an_alert_and_does_not_repeat_it(seeded, api, kind):
    api.faults.append(Fault(kind, "sendMessage", 1, seconds=1))
    raise_alert(seeded, "late")
    rounds(seeded, 2)
    shown = [text for text in alone(api) if "late" in text]
    assert len(shown) == 1
    assert states(seeded) == ["sent"]
    # A connection that broke may have carried the message; that is said.
    assert shown[0].startswith("↻") == (kind == "cut")


def test_a_message_taken_without_an_answer_is_repeated_with_a_word(seeded, api):
    api.faults.append(Fault("lost", "sendMessage"))
    raise_alert(seeded, "halted?", "CRITICAL")
    rounds(seeded)
    assert states(seeded) == ["sending"]
    rounds(seeded)
    assert [text.startswith("↻ Perhaps shown before") for text in alone(api)] == [False, True]
    assert states(seeded) == ["sent"]


def test_a_message_taken_again_and_again_without_an_answer_does_not_become_a_storm(seeded, api):
    api.faults.append(Fault("lost", "sendMessage", 10))
    raise_alert(seeded, "halted?", "CRITICAL")
    rounds(seeded, 4)
    assert len(alone(api)) == 2
    with seeded.ctx.sessions.begin() as session:
        session.execute(update(TelegramDelivery).values(tried_at=TelegramDelivery.tried_at - timedelta(seconds=5)))
    rounds(seeded, 4)
    assert len(alone(api)) == 3


def test_a_bot_killed_while_it_sent_says_that_it_may_repeat(seeded, api):
    alert_id = raise_alert(seeded, "in between", "CRITICAL")
    outbox.begin(seeded.ctx, OWNER, [alert_id])
    rounds(seeded)
    assert alone(api)[0].startswith("↻ Perhaps shown before")
    assert delivered(seeded, alert_id)


def test_what_was_delivered_before_a_restart_is_not_delivered_again(seeded, api):
    first = raise_alert(seeded, "before")
    rounds(seeded)
    raise_alert(seeded, "after")
    rounds(seeded, 2)
    assert [("before" in text, "after" in text) for text in alone(api)] == [(True, False), (False, True)]
    assert delivered(seeded, first)


def test_a_storm_is_one_digest(seeded, api):
    with seeded.ctx.sessions.begin() as session:
        for index in range(40):
            kind = "feed_gap" if index % 4 else "trade_opened"
            session.add(
                Alert(
                    account_id=seeded.ctx.account_id, kind=kind, severity="INFO", message=f"number {index}",
                    created_at=seeded.ctx.clock.wall_now(),
                )
            )  # fmt: skip
    rounds(seeded, 2)
    golden("alert-digest", "\n====\n".join(alone(api)))
    assert set(states(seeded)) == {"sent"}


@pytest.mark.parametrize("changes", [{"telegram_user_ids": (), "telegram_least_severity": "CRITICAL"}])
def test_what_is_below_the_wanted_severity_is_settled_unsent(seeded, api):
    alert_id = raise_alert(seeded, "small", "WARN")
    rounds(seeded)
    assert (alone(api), delivered(seeded, alert_id)) == ([], True)


@pytest.mark.parametrize("changes", [{"telegram_user_ids": (), "telegram_quiet_hours": "15:00-16:00"}])
def test_in_quiet_hours_only_the_critical_rings_and_the_rest_waits(seeded, api):
    later = raise_alert(seeded, "small", "WARN")
    raise_alert(seeded, "now", "CRITICAL")
    rounds(seeded, 2)
    assert ["now" in text for text in alone(api)] == [True]
    assert not delivered(seeded, later)


def test_a_text_telegram_refuses_for_good_does_not_stop_the_others(seeded, api):
    raise_alert(seeded, "\u200b \u2060")  # shown as nothing: still a message with its head
    raise_alert(seeded, "x" * 20_000)
    raise_alert(seeded, "<b><i></pre>&&&;" * 50)
    rounds(seeded, 2)
    assert states(seeded) == ["sent", "sent", "sent"]
    assert api.refused == []


@pytest.mark.parametrize("changes", [{"telegram_user_ids": (), "telegram_quiet_hours": "15:00-16:00"}])
def test_however_much_waits_the_critical_comes_through(seeded, api):
    with seeded.ctx.sessions.begin() as session:
        now = seeded.ctx.clock.wall_now()
        rows = [
            Alert(account_id=seeded.ctx.account_id, kind="news", severity="INFO", message="n", created_at=now)
            for _ in range(outbox.AT_ONCE)
        ]
        session.add_all(rows)
    raise_alert(seeded, "no stop", "CRITICAL")
    rounds(seeded)
    assert ["no stop" in text for text in alone(api)] == [True]


@pytest.mark.parametrize("kind", ["trade_closed", "reflection"])
def test_an_alert_that_cannot_be_worded_is_told_plainly_and_stops_no_other(seeded, api, kind):
    with seeded.ctx.sessions.begin() as session:
        session.get_one(Trade, 6).plan = {"stop_loss": "nowhere"}
        session.execute(update(PlaybookVersion).values(diff=[{"unheard": "of"}]))
    raise_alert(seeded, "what it said", kind=kind, payload={"trade_id": 6, "changed_to": 2})
    raise_alert(seeded, "the next one")
    rounds(seeded)
    assert ["what it said" in text or "the next one" in text for text in alone(api)] == [True, True]


def test_the_tasks_outlive_what_nobody_expected(talk, bot, desk, monkeypatch):
    monkeypatch.setattr(outbox, "settle", lambda *_: 1 / 0)
    monkeypatch.setattr(health, "check", lambda *_: 1 / 0)
    raise_alert(desk, "now")
    talk.wait(lambda: talk.calls.count("getUpdates") > 5)
    monkeypatch.undo()
    talk.wait(lambda: any("now" in text for text in alone(talk)))


def test_the_longest_of_everything_is_taken_by_telegram(seeded, api):
    """As a model may fill every field it is given."""
    with seeded.ctx.sessions.begin() as session:
        long = [{"path": f"lessons.{n}" + "p" * 120, "before": "&" * 300, "after": "<" * 300} for n in range(20)]
        session.execute(update(PlaybookVersion).values(diff=long))
    sources = [{"title": "t" * 100, "url": "https://example.com/" + "u" * 170}] * 5
    raise_alert(seeded, "m" * 2000, kind="reflection", payload={"changed_to": 2})
    raise_alert(seeded, "&" * 5000, kind="research", payload={"question": "q" * 500, "sources": sources})
    rounds(seeded)
    assert api.refused == []
    assert states(seeded) == ["sent", "sent"]
    assert "20 changes" in alone(api)[0]
    assert "… and 16 more changes" in alone(api)[0]


@pytest.mark.parametrize("text", ["<b>" + "é" * 5000 + "</b>", "<pre>" + "🚨" * 4097 + "</pre>"])
def test_a_text_that_is_too_long_all_the_same_is_cut_and_said(seeded, api, text):
    async def run():
        async with build_application(seeded).bot as bot:
            await send_text(bot, OWNER, text)

    asyncio.run(run())
    assert alone(api)[0].endswith("…")


def wording(desk, alert_id, kind, severity="INFO"):
    return word(desk, Batch((Pending(alert_id, kind, severity, None, desk.ctx.clock.wall_now()),)))


def test_trades_are_told_with_reason_and_picture(seeded):
    opened = raise_alert(seeded, "-", kind="trade_opened", payload={"trade_id": 7})
    closed = raise_alert(seeded, "-", kind="trade_closed", payload={"trade_id": 6})
    told = [wording(seeded, opened, "trade_opened"), wording(seeded, closed, "trade_closed")]
    golden("alert-trades", "\n====\n".join(each.text for each in told))
    assert told[0].picture is None
    assert told[1].picture is not None
    assert [level.name for level in told[1].picture.levels] == ["entry", "stop", "target"]


def test_the_picture_of_a_closed_trade_shows_its_exit_though_the_bar_still_runs(seeded):
    now = seeded.ctx.clock.market_now()
    with seeded.ctx.sessions.begin() as session:
        trade = session.get_one(Trade, 6)
        trade.closed_market_at = now - timedelta(minutes=1)
        bar = session.scalar(select(func.max(CandleRow.ts)).where(CandleRow.bar == "5m"))
        assert bar + timedelta(minutes=5) < trade.closed_market_at
    closed = raise_alert(seeded, "-", kind="trade_closed", payload={"trade_id": 6})
    exits = wording(seeded, closed, "trade_closed").picture.exits
    assert exits[-1].at == now - timedelta(minutes=1)


def test_the_daily_summary_has_figures_and_the_equity_curve(seeded):
    with seeded.ctx.sessions() as session:
        day = session.scalars(
            select(PerformanceSnapshot)
            .where(PerformanceSnapshot.period == "daily")
            .order_by(PerformanceSnapshot.slot.desc())
        ).first()
    alert_id = raise_alert(seeded, "-", kind="daily_summary", payload={"slot": day.slot.isoformat()})
    told = wording(seeded, alert_id, "daily_summary")
    golden("alert-daily", told.text)
    assert told.picture is not None


def test_a_reflection_is_told_with_the_difference_it_made(seeded):
    alert_id = raise_alert(seeded, "20 closed trades: floor raised", kind="reflection", payload={"changed_to": 2})
    golden("alert-reflection", wording(seeded, alert_id, "reflection").text)


def test_an_answer_of_the_researcher_is_quoted_as_somebody_elses_words(seeded):
    payload = {"question": "Why <b>now?", "sources": [{"title": "A & B", "url": "https://example.com/?a=1&b=2"}]}
    alert_id = raise_alert(seeded, "Because </i> of X.", kind="research", payload=payload)
    golden("alert-research", wording(seeded, alert_id, "research").text)


def kinds(desk, after):
    with desk.ctx.sessions() as session:
        query = select(Alert.kind, Alert.severity, Alert.message).where(Alert.id > after).order_by(Alert.id)
        return [tuple(row) for row in session.execute(query)]


def test_rows_become_alerts_once_and_old_ones_never(seeded):
    last = raise_alert(seeded, "the last one")
    gathering.gather_rows(seeded.ctx)
    assert kinds(seeded, last) == []
    with seeded.ctx.sessions.begin() as session:
        old = session.scalars(select(RiskVerdict).where(~RiskVerdict.approved)).one()
        session.add(
            RiskVerdict(
                cycle_id=old.cycle_id, approved=False, effect="reject", refused_by=["open_positions"],
                reason="open_positions: 3 are open, limit 3", contracts=Decimal(0), checks=[], given={},
            )
        )  # fmt: skip
        session.add(
            Reflection(
                account_id=seeded.ctx.account_id, kind="deep", window="deep:trades:20", statistics={}, text="20 trades",
                outcome="no_change", reason="nothing stood out",
            )
        )  # fmt: skip
        session.execute(update(BotState).values(consecutive_losses=3))
    for _ in range(3):
        gathering.gather_rows(seeded.ctx)
    assert kinds(seeded, last) == [
        ("risk_rejected", "WARN", "OPEN_SHORT SOL refused: open_positions: 3 are open, limit 3"),
        ("reflection", "INFO", "20 trades: nothing stood out"),
        ("losses_in_a_row", "WARN", "3 losses in a row; no entries for 30 minutes of market time"),
    ]


def test_a_day_is_summed_up_but_not_the_one_before_the_first_start(seeded):
    def day_ends(days: int):
        with seeded.ctx.sessions.begin() as session:
            session.add(
                PerformanceSnapshot(
                    account_id=seeded.ctx.account_id, period="daily", slot=midnight + timedelta(days=days),
                    equity=Decimal(10000), cash=Decimal(10000), upl=Decimal(0), open_positions=0, trades_closed=0,
                    net_pnl_total=Decimal(0), fees_total=Decimal(0), funding_total=Decimal(0), llm_cost_usd=Decimal(0),
                )
            )  # fmt: skip
        gathering.gather_rows(seeded.ctx)
        return [kind for kind, *_ in kinds(seeded, last)]

    midnight = seeded.ctx.clock.market_now().replace(hour=0, minute=0)
    with seeded.ctx.sessions.begin() as session:
        session.execute(delete(PerformanceSnapshot))
    last = raise_alert(seeded, "the last one")
    gathering.gather_rows(seeded.ctx)
    assert day_ends(0) == []
    assert day_ends(1) == ["daily_summary"]


def test_streams_become_alerts_once_and_nonsense_is_passed_over(seeded, redis_url):
    client = redis.Redis.from_url(redis_url)
    client.xadd("market:alerts", {"payload": '{"reason": "before we looked"}'})
    last = raise_alert(seeded, "the last one")
    gathering.gather_streams(seeded.ctx, client)
    client.xadd("system:alerts", {"type": "system_alert", "payload": '{"reason": "disk 91 %", "severity": "WARNING"}'})
    client.xadd("system:alerts", {"type": "system_alert", "payload": '{"reason": "halt", "severity": "CRITICAL"}'})
    client.xadd("system:alerts", {"payload": '{"reason": "own", "severity": "WARN", "source": "okxbot"}'})
    client.xadd(
        "market:alerts", {"payload": '{"reason": "flash crash", "severity": "CRITICAL", "inst_id": "X\\u0000"}'}
    )
    for nonsense in ({"payload": "{"}, {"payload": "[1]"}, {"payload": "null"}, {"x": b"\xff"}, {"payload": b"\xff"}):
        client.xadd("market:alerts", nonsense)
    for _ in range(3):
        gathering.gather_streams(seeded.ctx, client)
    assert kinds(seeded, last) == [
        ("system_alert", "WARN", "disk 91 %"),
        ("market_alert", "CRITICAL", "flash crash"),
        ("market_alert", "INFO", "no text"),
    ]
    client.close()


def test_a_running_bot_tells_of_a_trade_and_of_a_halt(talk, bot):
    bot.enter("BTC-USDT-SWAP")
    talk.wait(lambda: any("<b>BTC</b> long opened at" in text for text in alone(talk)), 30)
    talk.hear(OWNER, "/halt")
    talk.wait(lambda: any("<b>Halted</b>\nhalted (manual): by hand" in text for text in alone(talk)), 30)


def test_a_silent_exchange_is_told_once_until_it_is_back(desk, bot):
    unreachable = bot.settings.model_copy(update={"okx_rest_url": "http://127.0.0.1:9"})
    away = OkxExchange.from_settings(unreachable)
    for _ in range(2):
        health.check(replace(desk, ctx=replace(desk.ctx, exchange=away)))
    away.close()
    with desk.ctx.sessions() as session:
        row = session.get_one(ReadingPosition, (desk.ctx.account_id, "health:exchange"))
        found = session.scalars(select(Alert.kind).where(Alert.kind.in_(("exchange_down", "exchange_back")))).all()
    assert (row.position, found) == ("down", ["exchange_down"])
    health.check(desk)
    with desk.ctx.sessions() as session:
        found = session.scalars(select(Alert.kind).where(Alert.kind.in_(("exchange_down", "exchange_back")))).all()
    assert found == ["exchange_down", "exchange_back"]


def test_a_market_feed_that_dies_is_told_once_until_it_is_back(desk, database_url, redis_url, broker_url, tmp_path):
    """A real feed of a market that flows, killed; Redis holds what it said last."""
    present = Present.at(redis_url)
    changed = {"paper_speed": 60.0, "fresh_ticker_s": 3.0}
    watched = Desk(replace(desk.ctx, settings=desk.settings.model_copy(update=changed)), present)
    market = launch(tmp_path / "market", ["--speed", "60", "--admin", "--warmup-bars", "300"])
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")} | {
        "PAPER_ACCOUNT_FILE": str(market.data / "account.json"), "PAPER_SPEED": "60", "OKXBOT_HOME": str(tmp_path),
        "OKX_REST_URL": market.rest_url, "OKX_WS_URL": market.ws_url.removesuffix("/ws/v5"),
        "DATABASE_URL": database_url, "REDIS_URL": redis_url, "CELERY_BROKER_URL": broker_url,
    }  # fmt: skip

    def feed():
        return subprocess.Popen([sys.executable, "-m", "feeds.market"], env=environment, stdout=subprocess.DEVNULL)

    def heard():
        health.check(watched)
        return told(desk, "market_feed_down", "market_feed_back")

    down, back = ("market_feed_down", "CRITICAL"), ("market_feed_back", "INFO")
    process = feed()
    try:
        until(lambda: {"ticker", "book"} <= set(present.feed_ages(watched.settings.instruments) or ()), 60)
        assert heard() == []
        process.kill()
        until(lambda: heard() == [down], 60)
        assert heard() == [down]
        process.wait(30)
        process = feed()
        until(lambda: heard() == [down, back], 60)
    finally:
        process.kill()
        process.wait(30)
        market.stop()


def test_a_market_feed_that_never_spoke_is_told_after_its_time(desk, bot, redis_url):
    watched = Desk(replace(desk.ctx, settings=desk.settings.model_copy(update={"paper_speed": 60.0})),
                   Present.at(redis_url))  # fmt: skip
    for minutes, expected in ((1, []), (3, [("market_feed_down", "CRITICAL")])):
        with bot.sessions.begin() as session:
            session.execute(update(BotState).values(started_at=wall_now() - timedelta(minutes=minutes)))
        health.check(watched)
        assert told(desk, "market_feed_down") == expected


def told(desk, *wanted):
    with desk.ctx.sessions() as session:
        found = session.scalars(select(Alert).where(Alert.kind.in_(wanted)).order_by(Alert.id)).all()
    return [(alert.kind, alert.severity) for alert in found]


def test_a_silent_account_is_told_once_until_it_is_back(desk, bot):
    for minutes in (4, 4, 0):
        with bot.sessions.begin() as session:
            session.execute(update(BotState).values(equity_at=wall_now() - timedelta(minutes=minutes)))
        health.check(desk)
    assert told(desk, "account_feed_down", "account_feed_back") == [
        ("account_feed_down", "CRITICAL"), ("account_feed_back", "INFO"),
    ]  # fmt: skip


def test_models_that_keep_failing_are_told_once_until_one_answers(desk, bot):
    for outcome in ("timeout", "error", "overloaded", "timeout", "ok"):
        with bot.sessions.begin() as session:
            session.add(
                LlmCall(
                    account_id=desk.ctx.account_id, purpose="decide", provider="anthropic", model="opus",
                    prompt_version="1", request_sha256="x", request={}, outcome=outcome, reserved_usd=0,
                    finished_at=wall_now(),
                )
            )  # fmt: skip
        health.check(desk)
    assert told(desk, "models_down", "models_back") == [("models_down", "CRITICAL"), ("models_back", "INFO")]


def test_redis_that_hangs_costs_a_second_once():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        present = Present.at(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = monotonic()
        assert present.feed_ages(("BTC-USDT-SWAP",)) is None
        assert present.feed_ages(("BTC-USDT-SWAP",)) is None
        assert present.redis() is None
        assert monotonic() - began < 20
