"""The home folder: private, refusing in one line, and its lock gone with its holder."""

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import OperatorError
from runtime.home import Home


def test_home_and_its_secrets_are_private_and_kept(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    first = home.secrets()
    assert home.secrets() == first
    assert len({first.postgres_password, first.redis_password, first.flower_password}) == 3
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((home.folder / "secrets.json").stat().st_mode) == 0o600
    assert first.postgres_password not in repr(first)


def test_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    program = (
        "import sys, time; from pathlib import Path; from runtime.home import Home\n"
        "lock = Home(Path(sys.argv[1])).up_lock; print(lock.take(), flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(home.folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    assert home.up_lock.is_held()
    assert not home.up_lock.take()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    lock = home.up_lock
    assert lock.take()
    lock.release()


def test_home_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(OperatorError, match="cannot use the home folder") as refusal:
        Home(tmp_path / "home").prepare()
    assert "\n" not in str(refusal.value)


def test_full_disk_is_refused_in_one_line() -> None:
    # A device that is always full stands for the disk.
    with pytest.raises(OperatorError, match="the disk is full"):
        from runtime.errors import file_trouble

        with file_trouble("write", Path("/dev/full")), open("/dev/full", "w") as file:
            file.write("x")
            file.flush()


@pytest.mark.parametrize("damage", ["", "[]", json.dumps({"postgres_password": "x"})])
def test_damaged_secrets_are_never_replaced(tmp_path: Path, damage: str) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.secrets()
    path = home.folder / "secrets.json"
    path.write_text(damage)
    with pytest.raises(OperatorError, match="is damaged"):
        home.secrets()
    assert path.read_text() == damage


def test_long_home_path_gets_a_short_socket(tmp_path: Path) -> None:
    home = Home(tmp_path / ("long" * 30))
    assert len(str(home.socket)) < 100
    assert home.socket != Home(tmp_path / ("other" * 30)).socket
