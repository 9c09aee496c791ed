"""Which process claimed an order: that it is gone is proof that its call is over.

Written with the claim. Only a process of the same machine and the same process namespace can be judged; of any other,
and where there is no /proc, nothing is known.
"""

import os
from functools import cache
from pathlib import Path


def this_process() -> str | None:
    """A name no other process ever has: machine's boot, process namespace, id, time of start. None: not known here."""
    started, world = _started(os.getpid()), _world()
    return None if started is None or world is None else f"{world}:{os.getpid()}:{started}"


def is_gone(claimant: str | None) -> bool:
    """Whether that process provably runs no more. One that stands still has not gone."""
    if claimant is None:
        return False
    world, pid, started = claimant.rsplit(":", 2)
    if world != _world():
        return False
    try:
        os.kill(int(pid), 0)  # asks only; it also sees what /proc may hide from us
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    found = _started(int(pid))
    return found is not None and found != started


@cache
def _world() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """Its time of start in ticks since the boot; `dead` if it only waits to be reaped; None where it cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "dead" if fields[0] in "ZX" else fields[19]
