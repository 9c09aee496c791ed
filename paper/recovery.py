"""Opening a data folder, and bringing the state in it to where the last process left it."""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from paper.engine.engine import Engine
from paper.engine.state import EngineState
from paper.errors import OkxError, StartRefused
from paper.market.market import Market
from paper.options import PaperOptions
from paper.stepping import Stepper
from paper.store.binding import bind
from paper.store.credentials import KeyRing, load_or_create
from paper.store.journal import Journal
from paper.store.ledger import Ledger
from paper.store.snapshots import Snapshot
from paper.timers import Timers


class Folder(NamedTuple):
    """A data folder that is ours: `lock` is the descriptor that keeps others out."""

    lock: int
    ledger: Ledger
    journal: Journal


def open_folder(folder: Path, options: PaperOptions, market: Market, decision_ms: int, keys: KeyRing) -> Folder:
    """Lock the folder, check that it belongs to this market, add its first key. Raises StartRefused."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        bind(folder, options, market, decision_ms)
        keys.add(load_or_create(folder / "account.json"))
        return Folder(lock, Ledger(folder), Journal(folder))
    except BlockingIOError:
        raise StartRefused(f"{folder}: another exchange is running on this data folder") from None
    except OSError as fault:
        raise StartRefused(f"{folder}: cannot be used ({fault.strerror})") from None


def restored(snapshot: Snapshot, market: Market, timers: Timers) -> EngineState:
    """The state of a snapshot, with market and timers set to its moment. Raises StartRefused."""
    if not isinstance(snapshot.state, EngineState):
        raise StartRefused("the data folder's snapshot is not an exchange's state")
    timers.update(snapshot.timers)
    if not market.live:
        market.source.ensure(snapshot.played // market.steps + 1)
        market.played = snapshot.played
    return snapshot.state


def replay(records: Iterable[dict[str, Any]], market: Market, engine: Engine, stepper: Stepper, timers: Timers) -> None:
    """Do again what was journaled after the snapshot."""
    for record in records:
        stepper.replay(record["p"], record.get("x", []))
        if "c" in record:
            if not market.live:
                stepper.quote_all()
            try:
                engine.command(record["a"], record["c"], record["v"], record["ms"])
            except OkxError:
                pass  # refused then, refused again: its identifiers are used up
            if record["c"] == "cancel_all":
                timers.keep(record["a"], record["v"]["tag"], 0)
        elif "t" in record:
            uid, _, tag = record["t"].partition("/")
            timers.keep(uid, tag, record["due"])
        engine.collect()
