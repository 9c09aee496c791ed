"""Other homes of the same user on this machine, so that two bots started at once do not choose the same ports.

Contract: `choosing_ports(home)` holds a machine-wide lock while ports are chosen and gives the ports promised to the
other homes whose bot runs or is just starting; what listens already shows by itself. Homes of other users are not
seen: a port lost to one of them is an error at start that names the port.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import OperatorError, file_trouble
from runtime.home import Home, private_folder


def _live_ports(home: Home) -> set[int]:
    if not home.run.is_dir() or not (home.up_lock.is_held() or home.supervisor_lock.is_held()):
        return set()
    return set(home.remembered_ports().values())


@contextmanager
def choosing_ports(home: Home) -> Iterator[set[int]]:
    folder = private_folder()
    register = folder / "homes"
    with file_trouble("lock", folder):
        descriptor = os.open(folder / "ports.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        known = register.read_text().splitlines() if register.exists() else []
        others = [path for path in known if path != str(home.folder) and Path(path).is_dir()]
        promised: set[int] = set()
        for path in others:
            try:
                promised |= _live_ports(Home(Path(path)))
            except OperatorError:
                continue  # a damaged home is its own command's trouble
        yield promised
        with file_trouble("write", register):
            register.write_text("\n".join([*others, str(home.folder)]) + "\n")
    finally:
        os.close(descriptor)
