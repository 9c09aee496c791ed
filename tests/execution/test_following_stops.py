"""Stops that follow the price, on a market that rises and then falls: by amendment, one way only, never naked."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.following_stops import follow_prices
from models import Alert
from paper.launch import launch
from runtime.home import Home
from trading.decision import Action
from trading.following_stop import STEP_R, Holding, StopRules, break_even_due, wanted_stop
from trading.instrument import Instrument
from trading.stop_prices import reduces_risk, triggers_at_once

BTC = "BTC-USDT-SWAP"
START_MS, BAR_MS, WARMUP = 1_767_571_200_000, 300_000, 300
RISING, FALLING = 12, 12
AMEND = "/api/v5/trade/amend-algos"


@pytest.fixture(scope="module")
def exchange_server(tmp_path_factory):
    """Over and over: twelve bars up 0.5 % each, twelve down again."""
    folder = tmp_path_factory.mktemp("market")
    market, price = folder / f"{BTC}_5m.csv", 60_000.0
    with market.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ts", "open", "high", "low", "close", "vol_base"])
        for index in range(WARMUP + 12 * (RISING + FALLING)):
            turn = (index - WARMUP) % (RISING + FALLING)
            step = 1.0 if index < WARMUP else 1.005 if turn < RISING else 1 / 1.005
            close = price * step
            low, high = sorted((price, close))
            row = (price, high, low, close)
            rows.writerow([START_MS + index * BAR_MS, *(f"{x:.1f}" for x in row), "400"])
            price = close
    server = launch(folder / "exchange", ["--speed", "lockstep", "--admin", "--warmup-bars", str(WARMUP), "--market",
                                          f"{BTC}={market}"])  # fmt: skip
    yield server
    server.stop()


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"instruments": (BTC,)})


@pytest.fixture(autouse=True)
def _at_the_bottom(bot):
    """Every test begins where the market begins to rise."""
    yield
    for position in bot.okx.positions():
        bot.okx.close_position(position.inst_id, position.mgn_mode, "")
    _play(bot, -_bars(bot) % (RISING + FALLING))


def _bars(bot):
    return (int(bot.server.get("/paper/clock")["market_ms"]) - START_MS) // BAR_MS - WARMUP


def _play(bot, bars):
    if bars:
        bot.server.advance(bars)


def tick(bot):
    """What happens in the protect worker every two seconds, after the pushes of a bar."""
    bot.look()
    bot.protect()
    return follow_prices(bot.ctx)


def entered(bot, action=Action.OPEN_LONG):
    bot.enter(BTC, action, stop_pct="1", target_pct="90")
    bot.protect()
    (algo,) = bot.okx.algos_pending()
    return algo


def test_a_trailing_stop_follows_a_rise_and_takes_the_profit_of_its_end(bot):
    bot = bot.with_settings(trail_stop_r=Decimal(2))
    algo, stops, uncovered = entered(bot), [], bot.audit()["uncovered_seconds"]
    stops.append(algo.stop_loss_px)
    for _ in range(RISING + FALLING - 2):
        _play(bot, 1)
        tick(bot)
        live = bot.okx.algos_pending()
        if not live:
            break
        assert [each.algo_id for each in live] == [algo.algo_id], "moved in place, never cancelled and placed"
        stops.append(live[0].stop_loss_px)
    (trade,) = bot.trades()
    assert stops == sorted(stops)
    assert stops[-1] > trade.entry_px > stops[0]
    assert (trade.exit_reason, bot.held(BTC)) == ("stop", None)
    assert trade.r_multiple > 1
    assert bot.audit()["uncovered_seconds"] == uncovered
    assert bot.state().naked_seconds_total == 0


def test_break_even_comes_at_its_mark_and_is_told_once(bot):
    bot = bot.with_settings(break_even_at_r=Decimal(1))
    algo = entered(bot)
    assert tick(bot) == []
    moved = []
    for _ in range(6):
        _play(bot, 1)
        moved += tick(bot)
    (only,) = moved
    assert only.before == algo.stop_loss_px
    position = bot.position(BTC)
    assert position.avg_px < only.now < position.avg_px * Decimal("1.002"), "the entry, its fee and the exit's"
    assert position.moved_stop_px == only.now
    with bot.sessions() as session:
        assert session.query(Alert).filter(Alert.kind == "stop_moved").count() == 1
    _play(bot, RISING + FALLING - 6)
    bot.look()
    (trade,) = bot.trades()
    assert trade.exit_reason == "stop"
    assert abs(trade.r_multiple) < Decimal("0.2"), "what is lost is the slippage of a market order"


def test_a_short_is_followed_down(bot):
    _play(bot, RISING)
    bot = bot.with_settings(trail_stop_r=Decimal(1), break_even_at_r=Decimal(1))
    algo = entered(bot, Action.OPEN_SHORT)
    _play(bot, 6)
    (moved,) = tick(bot)
    assert moved.now < bot.position(BTC).avg_px < algo.stop_loss_px


def test_the_owner_moves_a_stop_to_break_even_from_the_command_line(bot, database_url, checkout, tmp_path):
    algo = entered(bot)
    _play(bot, 4)
    bot.look()
    home = Home(tmp_path / "home")
    home.prepare()
    home.remember_ports({"exchange": bot.server.port, "flower": 1, "metrics": 1})
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
        "OKXBOT_HOME": str(home.folder), "INFRASTRUCTURE": "external", "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:1/0", "PAPER_ACCOUNT_FILE": str(bot.settings.paper_account_file),
        "PAPER_SPEED": "lockstep", "INSTRUMENTS": BTC,
    }  # fmt: skip
    said = subprocess.run(
        [sys.executable, "-m", "cli.main", "stop", "move", BTC, "--break-even"],
        cwd=checkout, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stderr) == (0, "")
    (live,) = bot.okx.algos_pending()
    assert said.stdout.startswith(f"the stop of {BTC} moved from {algo.stop_loss_px} to {live.stop_loss_px}")
    assert live.stop_loss_px > bot.position(BTC).avg_px


def test_without_a_rule_the_plan_decides(bot):
    algo = entered(bot)
    _play(bot, 6)
    assert tick(bot) == []
    assert bot.okx.algos_pending()[0].stop_loss_px == algo.stop_loss_px


def test_a_move_that_is_not_seen_waits_longer_each_time_and_leaves_the_stop_that_was(bot):
    bot = bot.with_settings(trail_stop_r=Decimal(1))
    algo = entered(bot)
    _play(bot, 3)
    bot.fault("code", AMEND, code="51000")
    assert tick(bot) == []
    ((position_id, refused),) = bot.ctx.refused_stop_moves.items()
    assert refused.count == 1
    # However slow the machine is: the wait is not over.
    bot.ctx.refused_stop_moves[position_id] = replace(refused, due=refused.due + timedelta(seconds=60))
    assert tick(bot) == [], "not due yet"
    assert bot.okx.algos_pending()[0].stop_loss_px == algo.stop_loss_px
    bot.ctx.refused_stop_moves.clear()
    assert len(tick(bot)) == 1


INSTRUMENT = Instrument(
    BTC, ct_val=Decimal("0.01"), lot_sz=Decimal("0.01"), min_sz=Decimal("0.01"), tick_sz=Decimal("0.1"),
    max_lmt_sz=Decimal(10000), max_mkt_sz=Decimal(10000), max_leverage=Decimal(100),
)  # fmt: skip
prices = st.decimals(min_value=1000, max_value=2000, places=1)
marks = st.decimals(min_value=0, max_value=5, places=1)


@given(st.booleans(), prices, prices, prices, prices, marks, marks)
def test_no_rule_ever_asks_for_more_risk_or_for_a_stop_that_triggers(long, avg, planned, stop, last, mark, trail):
    rules, held = StopRules(mark, trail), Holding(Decimal(1 if long else -1), avg, planned, stop)
    break_even = avg * Decimal("1.001" if long else "0.999") if break_even_due(rules, held, last) else None
    wanted = wanted_stop(rules, held, last, INSTRUMENT, break_even)
    if wanted is not None:
        assert rules.any
        assert reduces_risk(held.contracts, stop, wanted)
        assert not triggers_at_once(held.contracts, last, wanted)
        assert abs(wanted - stop) >= STEP_R * held.risk > 0
