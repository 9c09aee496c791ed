"""Pictures of ordinary and of odd data, and the process that draws them."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from telegram_ui.pictures import painter
from telegram_ui.pictures.drawing import draw, equity_axis
from telegram_ui.pictures.painter import Painter
from telegram_ui.pictures.style import canvas
from telegram_ui.pictures.subjects import Bar, Calibration, CandleChart, EquityCurve, Level, Mark, StrategyProfits

T0 = datetime(2026, 1, 5, tzinfo=UTC)
TIMES = tuple(T0 + timedelta(hours=n) for n in range(3))


def bars(*closes):
    return tuple(Bar(T0 + timedelta(minutes=5 * n), c, c, c, c) for n, c in enumerate(closes))


SUBJECTS = {
    "two equal values": EquityCurve("Equity", TIMES[:2], (100.0, 100.0)),
    "equity of nothing": EquityCurve("Equity", TIMES, (0.0, 0.0, -1.0)),
    "a fall": EquityCurve("Equity", TIMES, (100.0, 50.0, 75.0), ((T0, 100.0),), "Asia/Tokyo"),
    "flat candles": CandleChart("X 5m", 300, bars(1.0, 1.0)),
    "tiny prices": CandleChart("X 5m", 300, bars(0.00001, 0.00002), levels=(Level("stop", 0.000005),)),
    "levels far away": CandleChart("X 5m", 300, bars(100, 101), levels=(Level("stop", 1.0), Level("target", 900.0))),
    "mark outside": CandleChart("X 5m", 300, bars(100, 101), (Mark(T0 - timedelta(days=1), 50, True),), notes=("$x$",)),
    "one strategy": StrategyProfits("Profit", (("a_b$c$", 0.0, 1),)),
    "no strategy": StrategyProfits("Profit", ()),
    "no calibration": Calibration("Confidence", ()),
    "calibration": Calibration("Confidence", ((0.0, 0.0, 1), (1.0, 1.0, 900)), 0.25),
}  # fmt: skip


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.filterwarnings("error::UserWarning", "error::RuntimeWarning")
def test_everything_can_be_drawn(name):
    png = draw(SUBJECTS[name])
    assert struct.unpack(">II", png[16:24]) == (1080, 1080)


@pytest.mark.parametrize("span", [0.3, 2, 30, 400, 9000])
def test_the_marks_of_equity_read_differently_however_small_the_span(span):
    figure, (panel,) = canvas()
    equity_axis(panel)
    panel.set_ylim(10_000 - span, 10_000)
    figure.canvas.draw()
    labels = [label.get_text() for label in panel.get_yticklabels()]
    assert len(labels) == len(set(labels)) > 2


def painters(before):
    """Drawing processes alive that were not there before; one that is dead but not yet collected is gone."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if process.pid not in before and "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_a_painter_that_dies_costs_one_picture_and_leaves_nobody_behind():
    subject = SUBJECTS["a fall"]
    before = {process.pid for process in painters(())}

    async def run():
        painter = Painter()
        first = await painter.draw(subject)
        for process in painters(before):
            process.kill()
        second, third = await painter.draw(subject), await painter.draw(subject)
        painter.close()
        return first, second, third

    first, second, third = asyncio.run(run())
    assert (first is not None, second, third == first) == (True, None, True)
    assert psutil.wait_procs(painters(before), timeout=10)[1] == []


def test_a_painter_that_hangs_cancels_nobody_who_waits_behind(monkeypatch):
    """A cancelled wait would end the task that waits: that of the alerts, for ever."""
    subject = SUBJECTS["a fall"]
    before = {process.pid for process in painters(())}

    async def run():
        drawing = Painter()
        await drawing.draw(subject)
        for process in painters(before):
            process.suspend()
        monkeypatch.setattr(painter, "WITHIN_S", 1.0)
        tasks = [asyncio.create_task(drawing.draw(subject))]
        await asyncio.sleep(0)
        monkeypatch.setattr(painter, "WITHIN_S", 60.0)
        tasks += [asyncio.create_task(drawing.draw(subject)) for _ in range(4)]
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        again = await drawing.draw(subject)
        drawing.close()
        return ended, again

    ended, again = asyncio.run(run())
    assert (ended, again is not None) == ([None] * 5, True)
    assert psutil.wait_procs(painters(before), timeout=10)[1] == []


KILLED = """
import asyncio, os, signal
from telegram_ui.pictures.painter import Painter
from tests.telegram_ui.test_pictures import SUBJECTS

async def run():
    painter = Painter()
    assert await painter.draw(SUBJECTS["a fall"])
    print(*(p.pid for p in painter._pool._processes.values()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(run())
"""


def test_the_painter_ends_when_the_bot_is_killed(tmp_path, checkout):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False,
        env=dict(os.environ) | {"PYTHONPATH": str(checkout)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = [int(word) for word in done.stdout.split()]
    assert pids
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert psutil.wait_procs(left, timeout=10)[1] == []
