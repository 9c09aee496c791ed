"""The journal on a disk that fills up, and when it makes a snapshot."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paper.store.journal import BYTES_PER_RECORD, SNAPSHOT_RECORDS, Journal


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
    journal.snapshot(0, b"x" * (2 * SNAPSHOT_RECORDS * BYTES_PER_RECORD), {})
    journal.since_snapshot = SNAPSHOT_RECORDS
    assert not journal.snapshot_due
    journal.since_snapshot = 2 * SNAPSHOT_RECORDS + 1
    assert journal.snapshot_due
    journal.close()
