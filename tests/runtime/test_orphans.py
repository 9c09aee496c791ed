"""Databases that outlived their home: found, removed when told to, and never while anything uses or may need them."""

import os
import shutil
from pathlib import Path

import pytest

from cli.doctor import Remark, check_orphans
from runtime.errors import OperatorError
from runtime.orphans import Orphan, find_orphans, note_of, remove
from runtime.postgres import EmbeddedPostgres

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root's databases lie outside their home")
LONG_AGO = 1_700_000_000


def database(state: Path, name: str, link: Path | None) -> Path:
    """A folder as `Cluster` makes one for root, `link` leading to it."""
    folder = state / f"database-{name}"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("18")
    if link is not None:
        link.parent.mkdir()
        link.symlink_to(folder)
        note_of(folder).write_text(str(link))
    os.utime(folder, (LONG_AGO, LONG_AGO))
    return folder


def test_database_of_a_deleted_home_is_found_and_removed_and_others_are_not(tmp_path: Path) -> None:
    state = tmp_path / "state"
    kept = database(state, "kept", tmp_path / "home" / "postgres")
    lost = database(state, "lost", tmp_path / "deleted" / "postgres")
    shutil.rmtree(tmp_path / "deleted")
    (orphan,) = find_orphans((state,))
    assert orphan.folder == lost
    with pytest.raises(Remark, match=r"^1 of deleted homes, 0 MB; `okxbot clean`"):  # no failure of this bot
        check_orphans((state,))
    assert str(tmp_path / "deleted") in orphan.line
    remove(orphan)
    assert not lost.exists()
    assert not note_of(lost).exists()
    assert kept.exists()
    assert find_orphans((state,)) == []


def test_the_note_of_a_database_somebody_deleted_is_removed_too(tmp_path: Path) -> None:
    lost = database(tmp_path, "lost", tmp_path / "home" / "postgres")
    os.utime(note_of(lost), (LONG_AGO, LONG_AGO))
    shutil.rmtree(lost)
    (orphan,) = find_orphans((tmp_path,))
    assert (orphan.folder, orphan.megabytes) == (lost, 0)
    remove(orphan)
    assert find_orphans((tmp_path,)) == []
    assert not note_of(lost).exists()


def test_home_made_anew_leaves_its_predecessors_database_an_orphan(tmp_path: Path) -> None:
    state, link = tmp_path / "state", tmp_path / "home" / "postgres"
    first = database(state, "first", link)
    shutil.rmtree(link.parent)
    database(state, "second", link)
    assert [orphan.folder for orphan in find_orphans((state,))] == [first]


def test_database_of_an_unknown_home_is_shown_and_never_removed(tmp_path: Path) -> None:
    unknown = database(tmp_path, "unknown", None)
    (orphan,) = find_orphans((tmp_path,))
    with pytest.raises(OperatorError, match="its home is not known"):
        remove(orphan)
    assert unknown.exists()


def test_running_server_protects_its_database(tmp_path: Path, postgres_server: EmbeddedPostgres) -> None:
    place = postgres_server.cluster.folder.resolve()
    assert note_of(place).read_text() == str(postgres_server.cluster.folder)
    os.utime(place, (LONG_AGO, LONG_AGO))
    assert place not in [orphan.folder for orphan in find_orphans((place.parent,))]
    with pytest.raises(OperatorError, match="a PostgreSQL runs on"):
        remove(Orphan(place, tmp_path / "gone", 0))
    assert postgres_server.cluster.exists
