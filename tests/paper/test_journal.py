"""The journal on a disk that fills up, and its snapshots, which are written beside the work when they are large."""

import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paper.engine.account import Account
from paper.exchange import Exchange
from paper.options import PaperOptions
from paper.store.journal import BYTES_PER_RECORD, SMALL, SNAPSHOT_RECORDS, Journal


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_record_that_does_not_fit_leaves_no_trace(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append({"c": "first"})
    room = (tmp_path / "journal.jsonl").stat().st_size
    with files_no_larger_than(room + 10), pytest.raises(OSError, match="in part"):
        journal.append({"c": "too long for the disk"})
    journal.append({"c": "second"})
    journal.close()
    again = Journal(tmp_path)
    assert [record["c"] for record in again.records()] == ["first", "second"]
    assert again.sequence == 2
    again.close()


def test_large_state_is_written_less_often(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.since_snapshot = SNAPSHOT_RECORDS
    assert journal.snapshot_due
    journal.snapshot(0, b"x" * (2 * SNAPSHOT_RECORDS * BYTES_PER_RECORD), {}, wait=True)
    journal.since_snapshot = SNAPSHOT_RECORDS
    assert not journal.snapshot_due
    journal.since_snapshot = 2 * SNAPSHOT_RECORDS + 1
    assert journal.snapshot_due
    journal.close()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def names(journal: Journal) -> list[str]:
    return [record["c"] for record in journal.records()]


def test_large_snapshot_is_written_beside_the_work(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.snapshot(0, b"x" * SMALL, {}, wait=True)
    journal.append({"c": "covered"})
    journal.snapshot(1, b"y" * SMALL, {})
    journal.append({"c": "not covered"})
    killed = tmp_path / "killed"
    shutil.copytree(tmp_path, killed)

    def settled() -> bool:
        journal.settle()
        return not list(tmp_path.glob("journal-*"))

    until(settled)
    journal.close()
    assert files(tmp_path) == ["journal.jsonl", "killed", "snapshot.pickle"]
    for folder, state, expected in ((tmp_path, b"y", ["not covered"]), (killed, b"x", ["covered", "not covered"])):
        again = Journal(folder)
        snapshot = again.load()
        assert snapshot is not None
        assert (snapshot.state[:1], names(again)) == (state, expected)
        again.close()
        assert not list(folder.glob("snapshot.*.new"))


def test_failed_snapshot_loses_nothing_and_is_tried_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.snapshot(0, b"x" * SMALL, {}, wait=True)
    journal.append({"c": "first"})
    with files_no_larger_than(SMALL // 2):
        journal.snapshot(1, b"y" * SMALL, {})

        def failed() -> bool:
            journal.settle()
            journal.since_snapshot = SNAPSHOT_RECORDS
            return journal.snapshot_due

        until(failed)
    journal.snapshot(1, b"y" * SMALL, {})  # with nothing written in between
    journal.close()  # and ends while the copy is at work
    again = Journal(tmp_path)
    snapshot = again.load()
    assert snapshot is not None
    assert (snapshot.state[:1], names(again)) == (b"x", ["first"])
    again.close()


def picture(account: Account) -> tuple[object, ...]:
    return account.cash, account.totals, account.positions, account.orders, account.fills, account.bills


def test_exchange_killed_during_a_large_snapshot_loses_nothing(tmp_path: Path) -> None:
    options = PaperOptions(data=tmp_path / "x", speed="lockstep", warmup_bars=300, instruments=("BTC-USDT-SWAP",))
    exchange = Exchange(options)
    market = {"instId": "BTC-USDT-SWAP", "tdMode": "isolated", "ordType": "market", "sz": "0.01"}
    for number in range(SNAPSHOT_RECORDS):
        exchange.command(exchange.uid, "place", {**market, "side": "sell" if number % 2 else "buy"})
    exchange.mark_progress()
    exchange.set_timer(exchange.uid, "late", 1)
    exchange.command(exchange.uid, "place", {**market, "side": "buy", "clOrdId": "after"})
    shutil.copytree(options.data, tmp_path / "killed")
    assert list((tmp_path / "killed").glob("journal-*"))
    expected = picture(exchange.engine.account(exchange.uid))
    exchange.close()
    for folder in ("x", "killed"):
        again = Exchange(PaperOptions(**{**options.__dict__, "data": tmp_path / folder}))
        assert picture(again.engine.account(again.uid)) == expected
        assert again.timers == {f"{again.uid}/late": 1}
        again.close()


def test_timer_that_has_fired_does_not_fire_again_after_a_kill(tmp_path: Path) -> None:
    options = PaperOptions(data=tmp_path / "x", speed="lockstep", warmup_bars=300, instruments=("BTC-USDT-SWAP",))
    exchange = Exchange(options)
    for tag, due in (("fired", 1), ("waits", 10**15), ("disarmed", 5)):
        exchange.set_timer(exchange.uid, tag, due)
    exchange.set_timer(exchange.uid, "disarmed", 0)
    exchange.fire_timers(2)
    shutil.copytree(options.data, tmp_path / "killed")
    again = Exchange(PaperOptions(**{**options.__dict__, "data": tmp_path / "killed"}))
    assert again.timers == exchange.timers == {f"{again.uid}/waits": 10**15}
    exchange.close()
    again.close()
