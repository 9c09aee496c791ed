"""Databases of root's homes that outlived their home.

Started by root, a home's database lies in the shared state folder, with a link at `HOME/postgres` and, beside it, a
note of where that link is. Contract: `find_orphans()` lists databases on which nothing runs and whose link no longer
leads to them (the home was deleted, or is on a disk that is not mounted now: only its owner knows); it changes nothing.
`remove(orphan)` deletes one; one without a note is refused, for its home may be anywhere. A note alone, whose database
somebody deleted, is an orphan of 0 MB. `remove_database(link)` is for a home made to be thrown away. Not root: there
are none.
"""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from runtime.errors import OperatorError, file_trouble
from runtime.unprivileged import STATE_FOLDERS, unprivileged_user
from trading.clock import wall_now

PREFIX, NOTE = "database-", ".home"
# One just being made has no link yet.
_YOUNG = timedelta(minutes=2)


@dataclass(frozen=True)
class Orphan:
    folder: Path
    link: Path | None  # where it was linked from; None where no note says so
    megabytes: int

    @property
    def line(self) -> str:
        whose = f"of {self.link.parent}, which no longer leads to it" if self.link else "of an unknown home"
        return f"{self.folder}, {self.megabytes} MB, {whose}"


def note_of(folder: Path) -> Path:
    """The file that says where a database is linked from; beside it, where its own user could not change it."""
    return folder.with_name(folder.name + NOTE)


def find_orphans(state_folders: tuple[Path, ...] = STATE_FOLDERS) -> list[Orphan]:
    if unprivileged_user() is None:
        return []
    in_use = _working_folders()
    return [
        Orphan(folder, link, _megabytes(folder))
        for state in state_folders
        for folder in sorted({state / each.name.removesuffix(NOTE) for each in state.glob(f"{PREFIX}*")})
        if not _young(folder) and folder / "data" not in in_use
        for link in [_link_of(folder)]
        if link is None or not folder.is_dir() or link.resolve() != folder.resolve()
    ]


def remove(orphan: Orphan) -> None:
    if orphan.link is None:
        raise OperatorError(f"{orphan.folder} is left alone, its home is not known; remove it by hand if none needs it")
    if orphan.folder / "data" in _working_folders():
        raise OperatorError(f"a PostgreSQL runs on {orphan.folder}; stop it first")
    with file_trouble("remove", orphan.folder):
        if orphan.folder.is_dir():
            shutil.rmtree(orphan.folder)
        note_of(orphan.folder).unlink(missing_ok=True)


def remove_database(link: Path) -> None:
    """What `link` leads to, and its note; nothing may run on it any more."""
    place = link.resolve()
    shutil.rmtree(place, ignore_errors=True)
    note_of(place).unlink(missing_ok=True)


def _link_of(folder: Path) -> Path | None:
    note = note_of(folder)
    return Path(note.read_text()) if note.is_file() else None


def _young(folder: Path) -> bool:
    made = folder if folder.is_dir() else note_of(folder)
    return not made.exists() or wall_now() - datetime.fromtimestamp(made.stat().st_mtime, UTC) < _YOUNG


def _megabytes(folder: Path) -> int:
    return sum(each.lstat().st_size for each in folder.rglob("*")) // 2**20


def _working_folders() -> set[Path]:
    """Of every process: a PostgreSQL works in its data folder."""
    found = set()
    for process in psutil.process_iter():
        try:
            found.add(Path(process.cwd()))
        except (psutil.Error, OSError):
            continue  # it ended meanwhile
    return found
