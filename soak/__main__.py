"""`python -m soak`: the long proofs, each with a progress bar; figures as JSON, exit status 1 when a proof fails.

Nothing it starts is left behind, and it touches no bot: everything runs in folders of its own.
"""

import json
import logging
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from time import monotonic
from typing import Annotated, Any, TypeVar

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from soak import (
    containers,
    crash,
    feed,
    flatten_race,
    full_disk,
    halt_race,
    hostile_models,
    learning,
    random_schedules,
    silent_opus,
)
from soak import hours as long_run
from soak import stale as stale_data
from soak.engine import NoEngine
from soak.lean import lean_stack
from soak.whole import whole_bot

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
Seed = Annotated[int, typer.Option(min=0, help="Seed of the first; a failed one is named and can be drawn again.")]

T = TypeVar("T")
# Schedules on one bot; a fresh one now and then, so that a start under load is part of the proof.
ON_ONE_BOT = 50


@app.command("crash")
def crash_matrix(only: Annotated[str, typer.Option(help="Cells whose name contains this.")] = "") -> None:
    """A worker killed at every point of sending an order, under every misfortune."""
    _finish(_crash(only))


@app.command()
def schedules(
    count: Annotated[int, typer.Option(min=1)] = 200,
    seed: Seed = 1,
    within: Annotated[float, typer.Option(help="Begin no schedule after so many seconds.")] = float("inf"),
) -> None:
    """The whole bot under random schedules of trades, kills, restarts and faults of the exchange."""
    _finish(_schedules(count, seed, within))


@app.command()
def halt(rounds: Annotated[int, typer.Option(min=1)] = 2500, seed: Seed = 1) -> None:
    """`halt` against four entry claims a round: 10,000 tries."""
    _finish(_halt(rounds, seed))


@app.command()
def flatten(times: Annotated[int, typer.Option(min=2)] = 20) -> None:
    """`flatten` of three positions while Redis is down and the workers are dead."""
    _finish(_flatten(times))


@app.command("full-disk")
def disk() -> None:
    """PostgreSQL on a full disk (as root: a small file system is mounted)."""
    with _folder() as folder:
        _finish(full_disk.full_disk(folder))


@app.command()
def hours(virtual: Annotated[float, typer.Option(min=0.5, help="Hours of market time.")] = 6, seed: Seed = 1) -> None:
    """Hours of market time at speed under faults: memory, queues, invariants, every cycle accounted for."""
    _finish(_hours(virtual, seed))


@app.command("containers")
def in_containers() -> None:
    """The compose file on a Docker engine: up, a first trade, halts, restarts, an orderly end."""
    try:
        with _folder() as folder:
            _finish(containers.prove(folder, lambda line: print(line, file=sys.stderr, flush=True)))
    except NoEngine as missing:
        sys.stderr.write(f"soak: {missing}\n")
        raise typer.Exit(2) from None


@app.command("feed")
def feed_day(
    file: Annotated[Path | None, typer.Option(exists=True, help="One-minute candles; default: invented ones.")] = None,
    kills: Annotated[int, typer.Option(min=0)] = 50,
    seed: Seed = 1,
) -> None:
    """A day of candles under the exchange's faults, the market feed killed at random: no bar lost, none wrong."""
    _finish(_feed(file, kills, seed))


@app.command()
def stale(rounds: Annotated[int, typer.Option(min=1)] = 2) -> None:
    """Entries decided while channels of the market feed are silenced: none may reach the exchange."""
    _finish(_stale(rounds))


@app.command()
def silent(bars: Annotated[int, typer.Option(min=1, help="Of 5 min, before and while Opus is silent.")] = 6) -> None:
    """Opus hangs about one instrument: HOLD in time, and no other decision delayed."""
    _finish(_silent(bars))


@app.command()
def hostile(answers: Annotated[int, typer.Option(min=1)] = 1000, seed: Seed = 1) -> None:
    """Models gone wrong: nothing they say passes the gate, no worker dies of it."""
    _finish(_hostile(answers, seed))


@app.command("learning")
def learn(
    market: Annotated[str, typer.Option(help="Candle files as in PAPER_MARKET, months of them.")],
    trades: Annotated[int, typer.Option(min=1)] = 100,
) -> None:
    """The rules on real candles in lockstep until a hundred trades have closed: windows, versions, calibration."""
    _finish(_learn(market, trades))


@app.command("all")
def everything(count: Annotated[int, typer.Option(min=1, help="Random schedules.")] = 200, seed: Seed = 1) -> None:
    """All of them, one after the other."""
    _finish(
        _halt(2500, seed),
        _flatten(20),
        _feed(None, 50, seed),
        _stale(2),
        _crash(""),
        _hours(6, seed),
        _silent(6),
        _hostile(1000, seed),
        _schedules(count, seed),
    )


def _crash(only: str) -> dict[str, Any]:
    cells = [cell for cell in crash.matrix() if only in str(cell)]
    results = []
    with _folder() as folder, lean_stack(folder / "stack") as stack:
        stack.start_workers("trade", "protect")
        for cell in _progress("crash matrix", cells, len(cells)):
            results.append(crash.run_cell(stack, cell))
            crash.clear(stack)
    wrong = [result for result in results if result.left or result.accepted > 1]
    return {
        "proof": "crash-matrix",
        "cells": len(results),
        "accepted_more_than_once": sum(result.accepted > 1 for result in results),
        "ended": _counted(f"{result.cell.leg} {result.state}" for result in results),
        "converge_s": _spread([result.converged_s for result in results]),
        "failed": [f"{result.cell}: {'; '.join(result.left)}" for result in wrong],
    }


def _schedules(count: int, seed: int, within: float = float("inf")) -> dict[str, Any]:
    report, began = random_schedules.Report(), monotonic()

    def run() -> Iterator[None]:
        for first in range(seed, seed + count, ON_ONE_BOT):
            with _folder() as folder, whole_bot(folder / "home") as bot:
                for _ in random_schedules.run(bot, range(first, min(first + ON_ONE_BOT, seed + count)), report):
                    yield
                    if monotonic() - began > within:
                        return

    try:
        for _ in _progress("random schedules", run(), count):
            pass
    except SystemExit:  # told to stop: what was seen until then is reported
        if not report.outcomes:
            raise
    return {"proof": "random-schedules"} | report.as_dict()


def _hours(virtual: float, seed: int) -> dict[str, Any]:
    with _folder() as folder, whole_bot(folder / "home", everything=True) as bot:
        report = long_run.Report()
        for _ in _progress("virtual hours", long_run.run(bot, virtual, seed, report), int(virtual) + 1):
            pass
    return {"proof": "hours"} | report.as_dict()


def _halt(rounds: int, seed: int) -> dict[str, Any]:
    found = halt_race.HaltRace()
    with _folder() as folder, lean_stack(folder / "stack") as stack:
        race = halt_race.race(stack.ctx, stack.environment, rounds, seed)
        for found in _progress("halt against claims", race, rounds):  # noqa: B007 - the last has it all
            pass
    return {
        "proof": "halt-race",
        "tries": found.tries,
        "halts": found.rounds,
        "claimed_before": found.claimed,
        "denied": found.denied,
        "contested_rounds": found.contested,
        "claimed_after_the_answer": len(found.late),
        "halt_ms": _spread(found.halt_ms),
        "failed": found.late,
    }


def _feed(file: Path | None, kills: int, seed: int) -> dict[str, Any]:
    found = feed.FeedDay()
    with _folder() as folder:
        for found in _progress("a day of the feed", feed.feed_day(folder, file, kills, seed), kills + 1):  # noqa: B007
            pass
    return {"proof": "feed-day"} | asdict(found)


def _stale(rounds: int) -> dict[str, Any]:
    report = stale_data.Stale()
    with _folder() as folder, whole_bot(folder / "home") as bot:
        for _ in _progress("stale data", stale_data.run(bot, rounds, report), rounds * len(stale_data.EPISODES)):
            pass
    return {"proof": "stale-data"} | asdict(report)


def _silent(bars: int) -> dict[str, Any]:
    found = silent_opus.SilentOpus()
    with _folder() as folder:
        for found in _progress("silent Opus", silent_opus.silent_opus(folder, bars), 2 * bars + 1):  # noqa: B007
            pass
    return {"proof": "silent-opus"} | found.as_dict()


def _hostile(answers: int, seed: int) -> dict[str, Any]:
    found = hostile_models.HostileModels()
    with _folder() as folder:
        run = hostile_models.hostile_models(folder, answers, seed)
        for found in _progress("hostile models", run, answers + 1):  # noqa: B007
            pass
    return {"proof": "hostile-models"} | asdict(found)


def _learn(market: str, trades: int) -> dict[str, Any]:
    found = learning.Learning()
    with _folder() as folder:
        for found in _progress("learning", learning.learning(folder, market, trades), trades + 1):  # noqa: B007
            pass
    return {"proof": "learning"} | asdict(found)


def _flatten(times: int) -> dict[str, Any]:
    with _folder() as folder, lean_stack(folder / "stack") as stack:
        took = list(_progress("flatten of three", flatten_race.flatten_three(stack, times), times))
    slow = [f"{each:.2f} s" for each in took if each > 3]
    return {"proof": "flatten", "times": len(took), "seconds": _spread(took), "failed": slow}


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder the unprivileged user of an embedded PostgreSQL may enter."""
    with tempfile.TemporaryDirectory(prefix="okxbot-soak-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _progress(what: str, over: Iterable[T], total: int) -> Iterator[T]:
    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        for each in over:
            yield each
            bar.advance(task)


def _spread(samples: list[float]) -> dict[str, float]:
    cuts = quantiles(samples, n=100, method="inclusive") if len(samples) > 1 else samples * 99
    return {"p50": round(cuts[49], 3), "p99": round(cuts[98], 3), "max": round(max(samples), 3)}


def _counted(words: Iterator[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found


def _finish(*proofs: dict[str, Any]) -> None:
    for proof in proofs:
        print(json.dumps(proof, indent=2))
    if any(proof["failed"] for proof in proofs):
        raise typer.Exit(1)


def _end_in_order(_number: int, _frame: object) -> None:
    """A proof that is told to stop takes down what it has started."""
    raise SystemExit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end_in_order)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    app()
