"""PostgreSQL on a full disk: nothing is sent that could not be written down, and freeing the disk is enough.

The disk is a small file system in memory, which only root may mount: raises OperatorError for anybody else.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import psycopg2
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runtime.errors import OperatorError
from soak import crash, desk
from soak.lean import BTC, ETH, SOL, LeanStack, lean_stack

SIZE_MB = 192
CHUNK = 1 << 20


def full_disk(folder: Path) -> dict[str, Any]:
    """Fill the disk under three intents, deliver them, free it, converge; what was found."""
    with _small_disk(folder / "disk") as disk, lean_stack(folder / "stack", disk=disk) as stack:
        stack.worker("trade")
        stack.worker("protect")
        silent = replace(stack.ctx, send=lambda task, queue, args: False)
        ids = [desk.intend_entry(silent, inst_id).id for inst_id in (BTC, ETH, SOL)]
        ballast = _fill(stack, disk)
        for order_id in ids:
            stack.publish("trade.submit", order_id)
        sleep(3)
        refused = not _writable(stack)
        accepted = _accepted(stack)
        ballast.unlink()
        _start_again(stack)
        left = crash.converge(stack)
        return {
            "proof": "full-disk",
            "postgres_refused_writes": refused,
            "accepted_while_full": accepted,
            "accepted_in_the_end": _accepted(stack),
            "failed": left if refused else [*left, "the disk never stood in the way: nothing was proved"],
        }


def _accepted(stack: LeanStack) -> int:
    (account,) = stack.exchange.get("/paper/audit")["accounts"].values()
    return sum(account["accepted"].values())


def _fill(stack: LeanStack, disk: Path) -> Path:
    """Take every free byte, then write to the database until it notices."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * CHUNK)
        except OSError:
            pass  # full, as intended
    for _ in range(60):
        if not _writable(stack, rows=20000):
            break
    return ballast


def _writable(stack: LeanStack, rows: int = 1) -> bool:
    try:
        with stack.ctx.sessions.begin() as session:
            session.execute(text("CREATE TABLE IF NOT EXISTS ballast (what text)"))
            session.execute(
                text("INSERT INTO ballast SELECT repeat('x', 500) FROM generate_series(1, :n)"), {"n": rows}
            )
    except DBAPIError:
        return False
    return True


def _start_again(stack: LeanStack) -> None:
    """Its supervisor would: a server that died of the full disk is started."""
    try:
        psycopg2.connect(stack.postgres.dsn, connect_timeout=2).close()
    except psycopg2.OperationalError:
        stack.postgres.stop()
        stack.postgres.start()
    with stack.ctx.sessions.begin() as session:
        session.execute(text("DROP TABLE IF EXISTS ballast"))


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    if os.getuid() != 0:
        raise OperatorError("full-disk mounts a small file system: run it as root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=755", "soak", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
