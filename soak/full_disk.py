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
SEGMENTS = 64  # more than fit


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
            "accepted_while_full": accepted,  # nought: a claim that cannot be written is no claim
            "accepted_in_the_end": _accepted(stack),
            "failed": left + ([] if refused and not accepted else ["the disk did not stand in the way"]),
        }


def _accepted(stack: LeanStack) -> int:
    (account,) = stack.exchange.get("/paper/audit")["accounts"].values()
    return sum(account["accepted"].values())


def _fill(stack: LeanStack, disk: Path) -> Path:
    """Take every free byte, then have the write-ahead log ask for another segment until there is no room for one."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * CHUNK)
        except OSError:
            pass  # full, as intended
    connection = psycopg2.connect(stack.postgres.cluster.dsn())
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for _ in range(SEGMENTS):
                cursor.execute("SELECT pg_logical_emit_message(true, 'soak', repeat('x', 1000)), pg_switch_wal()")
    except psycopg2.Error:
        pass  # it has noticed: PostgreSQL gives up when it cannot write its log
    finally:
        connection.close()
    return ballast


def _writable(stack: LeanStack) -> bool:
    try:
        with stack.ctx.sessions.begin() as session:
            session.execute(text("SELECT pg_logical_emit_message(true, 'soak', 'x')"))
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
