"""The exchange without a network: market, engine, journal and ledger tied together.

In process: `Exchange(PaperOptions(speed="lockstep"))`, then `advance(bars)` and `command(...)`. The server drives
the same object and listens for what it did. Not thread-safe; one event loop or one caller.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from paper.clock import MarketClock, wall_ms, wall_us
from paper.engine.engine import Engine, Result
from paper.engine.events import Event
from paper.engine.params import Params
from paper.engine.state import EngineState
from paper.errors import OkxError, StartRefused
from paper.market.bars import grid
from paper.market.choose import make_market
from paper.market.played import Played
from paper.options import PaperOptions
from paper.rules import make_rules
from paper.store.binding import bind
from paper.store.credentials import IN_PROCESS, Credentials, KeyRing, load_or_create
from paper.store.journal import Journal
from paper.store.ledger import Ledger
from paper.store.snapshots import Snapshot
from paper.visibility import Visibility

logger = structlog.get_logger()
LIVE_POLL_S = 0.05
# How much of the market a restart after a kill has to play again.
SNAPSHOT_MARKET_MS = 2 * 86_400_000


# Commands that trade at the market's prices, refused while those are old.
TRADING = ("place", "amend", "close_position")


class Exchange:
    """A whole paper exchange. `on_step(bar_closed)` and `on_events(events)` are called after each change."""

    def __init__(self, options: PaperOptions) -> None:
        self.options = options
        self.on_events: Callable[[list[Event]], None] = lambda events: None
        self.on_step: Callable[[bool], None] = lambda bar_closed: None
        self._journal: Journal | None = None
        self._lock: int | None = None
        self.market = make_market(options)
        self.ended = False
        self.timers: dict[str, int] = {}
        # Fault: how far the wall clock that clients see is ahead, in ms.
        self.skew_ms = 0
        self.visibility = Visibility(int(options.switch("order_visibility_delay_ms")))
        self._saved_ms = 0
        # Steps of a market that cannot be played again, not journaled yet.
        self._unrecorded: list[list[Any]] = []
        found = grid(options.decision_bar)
        if found is None or found.length_ms % 60_000:
            raise StartRefused(f"--decision-bar {options.decision_bar}: not a bar of OKX")
        self.decision_ms = max(found.length_ms, self.market.bar_ms)
        if self.decision_ms % self.market.bar_ms:
            raise StartRefused(f"--decision-bar {options.decision_bar}: not a multiple of the market's bars")
        self.credentials = KeyRing(options.data)
        state = EngineState(self.market.instruments, make_rules(options))
        self.engine = Engine(state)
        if options.data is None:
            self.credentials.add(IN_PROCESS)
            self.ledger = Ledger(None)
            self._begin()
        else:
            self._open(options.data, options)
        if options.start_ms:
            self._catch_up()
        self.clock = MarketClock(
            options.speed, wall_ms() if options.start_ms else self.market.now_ms, wall_ms(), self.ended
        )

    # --- start and end --------------------------------------------------------------------------------------

    def _open(self, folder: Path, options: PaperOptions) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            bind(folder, options, self.market, self.decision_ms)
            self.credentials.add(load_or_create(folder / "account.json"))
            self.ledger = Ledger(folder)
            journal = Journal(folder)
        except BlockingIOError:
            raise StartRefused(f"{folder}: another exchange is running on this data folder") from None
        except OSError as fault:
            raise StartRefused(f"{folder}: cannot be used ({fault.strerror})") from None
        snapshot = journal.load()
        if snapshot is None:
            self._begin()
        else:
            self._restore(snapshot)
        for record in journal.records():
            self._replay(record)
        self._refresh()
        self.engine.state.rules = make_rules(self.options)
        self.engine.collect()
        self._journal = journal
        if snapshot is None or not journal.covered:
            self._save()

    def _begin(self) -> None:
        """First start: quotes as of the end of the warm-up, accounts funded."""
        self.engine.step({i: self.market.quote(i) for i in self.market.instruments}, self.market.now_ms)
        self.engine.create_account(self.uid, self.options.equity)
        self.engine.collect()

    def _restore(self, snapshot: Snapshot) -> None:
        if not isinstance(snapshot.state, EngineState):
            raise StartRefused("the data folder's snapshot is not an exchange's state")
        self.engine = Engine(snapshot.state)
        self.timers = dict(snapshot.timers)
        if not self.market.live:
            self.market.source.ensure(snapshot.played // self.market.steps + 1)
            self.market.played = snapshot.played

    def _replay(self, record: dict[str, Any]) -> None:
        if self.market.live:
            for row in record.get("x", []):
                Played.read(row).apply(self.engine)
        else:
            while self.market.played < record["p"] and self.market.has_next:
                self._step(all_instruments=False)
        if "c" in record:
            if not self.market.live:
                self._refresh()
            try:
                self.engine.command(record["a"], record["c"], record["v"], record["ms"])
            except OkxError:
                pass  # refused then, refused again: its identifiers are used up
            if record["c"] == "cancel_all":
                self._keep_timer(f"{record['a']}/{record['v']['tag']}", 0)
        elif "t" in record:
            self._keep_timer(record["t"], record["due"])
        self.engine.collect()

    def _catch_up(self) -> None:
        """A market in real time went on while the exchange was down: play what was missed."""
        while self.market.step_end_ms(self.market.played) <= wall_ms():
            self._step(all_instruments=False)
        self.engine.collect()
        self._refresh()
        self.mark_progress()

    def _refresh(self) -> None:
        """Quote every instrument as of the last step; a replay quotes idle ones at bar closes only."""
        self.engine.state.quotes.update({i: self.market.quote(i) for i in self.market.instruments})

    def _save(self, wait: bool = False) -> None:
        if self._journal is not None:
            self._journal.snapshot(self.market.played, self.engine.state, self.timers, wait)
            self._saved_ms = self.market.now_ms

    def close(self) -> None:
        """Write the state and release the data folder."""
        self.market.stop()
        if self._journal is not None:
            if not self._journal.covered:
                self._save(wait=True)
            self._journal.close()
            self._journal = None
        self.ledger.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- requests -------------------------------------------------------------------------------------------

    @property
    def uid(self) -> str:
        """The first account."""
        return next(iter(self.credentials.values())).uid

    def wall_ms(self) -> int:
        """Wall time as clients see it: signatures, `expTime`, public/time."""
        return wall_ms() + self.skew_ms

    def now_ms(self) -> int:
        """Market time for stamps; never behind the prices."""
        return max(self.clock.now_ms(), self.market.now_ms, self.engine.state.now_ms)

    def command(self, uid: str, name: str, params: Params) -> Result:
        """Journal and apply one request. Raises OkxError when refused; the events go to `on_events`."""
        now = self.now_ms()
        if self.market.stale and name in TRADING:
            raise OkxError("51022")
        self._write({"ms": now, "a": uid, "c": name, "v": params})
        try:
            return self.engine.command(uid, name, params, now)
        finally:
            self._emit()

    def _write(self, record: dict[str, Any]) -> None:
        """Journal what is about to happen. Raises OkxError when it cannot be written: then it must not happen."""
        if self._journal is None:
            return
        try:
            self._journal.append({"p": self.market.played, **record})
        except OSError as fault:
            logger.error("journal_write_failed", error=fault.strerror)
            raise OkxError("50001") from None

    def admit(self, credentials: Credentials) -> None:
        """Open and fund the account of a key that is used for the first time."""
        if credentials.uid not in self.engine.state.accounts:
            self.command(credentials.uid, "open_account", {"amount": str(self.options.equity)})

    def set_timer(self, uid: str, tag: str, due_wall_ms: int) -> None:
        """Arm (or with 0 disarm) cancel-all-after for an account and tag."""
        self._write({"t": f"{uid}/{tag}", "due": due_wall_ms})
        self._keep_timer(f"{uid}/{tag}", due_wall_ms)

    def _keep_timer(self, key: str, due_wall_ms: int) -> None:
        self.timers.pop(key, None)
        if due_wall_ms:
            self.timers[key] = due_wall_ms

    def tags_timed(self, uid: str, but: str) -> int:
        """Tags of an account, other than `but`, whose cancel-all-after is armed."""
        return sum(key.startswith(f"{uid}/") and key not in (f"{uid}/", f"{uid}/{but}") for key in self.timers)

    def fire_timers(self, wall: int) -> None:
        """Cancel orders whose cancel-all-after has run out; what cannot be journaled is tried again next time."""
        for key in [key for key, due in self.timers.items() if due <= wall]:
            uid, _, tag = key.partition("/")
            try:
                self.command(uid, "cancel_all", {"tag": tag})
            except OkxError as refused:  # tried again with the next tick
                logger.error("timer_not_fired", timer=key, code=refused.code)
            else:
                self._keep_timer(key, 0)

    def _emit(self) -> None:
        events = self.engine.collect()
        if events:
            self.on_events(events)

    # --- market ---------------------------------------------------------------------------------------------

    def _step(self, all_instruments: bool) -> bool | None:
        """Play one step; True when it closed a decision bar, None when there is none yet.

        Idle instruments may be quoted at bar closes only.
        """
        market, engine = self.market, self.engine
        before = market.now_ms
        if not market.advance():
            return None
        now = market.now_ms
        decision = market.closes_bar and now // self.decision_ms != before // self.decision_ms
        everyone = all_instruments or market.closes_bar
        quotes = {i: market.quote(i) for i in market.instruments if everyone or engine.is_busy(i)}
        played = Played(now, quotes, market.settlements(before, now), decision)
        played.apply(engine)
        if market.live:
            self._unrecorded.append(played.row())
        return decision

    def play(self, all_instruments: bool = True) -> bool | None:
        """Play one step and tell the listeners. True when a decision bar closed, None when there was no step."""
        if not self.market.has_next:
            if not self.ended:
                self.ended = True
                self.clock.end(self.market.now_ms)
                logger.info("market_ended", market_ms=self.market.now_ms)
            return None
        decision = self._step(all_instruments)
        if decision is None:
            return None
        if decision:
            self._note_closes()
        self.on_step(decision)
        self._emit()
        return decision

    def _note_closes(self) -> None:
        now = wall_us()
        opened = self.market.now_ms - self.decision_ms
        try:
            for inst_id in self.market.instruments:
                self.ledger.add(
                    "bar_close",
                    {"instId": inst_id, "bar": self.options.decision_bar, "ts": opened,
                     "market_ms": self.market.now_ms, "wall_us": now},
                )  # fmt: skip
        except OSError as fault:
            # The market goes on, and those who listen are told, whatever the disk says.
            logger.error("ledger_write_failed", error=fault.strerror)

    def next_step_in_s(self) -> float:
        """Wall time until the next step may be due; a live market has to be asked again and again."""
        if self.market.live:
            return LIVE_POLL_S
        return self.clock.wall_delay_s(self.market.step_end_ms(self.market.played))

    def mark_progress(self) -> None:
        """Journal how far the market has been played; a restart resumes from here."""
        if self._journal is None:
            return
        try:
            steps, self._unrecorded = self._unrecorded, []
            if self.market.live and not steps:
                return
            self._journal.append({"p": self.market.played, "x": steps} if steps else {"p": self.market.played})
            self.ledger.flush()
            self._journal.settle()
            overdue = self.market.now_ms - self._saved_ms >= SNAPSHOT_MARKET_MS
            if overdue or self._journal.snapshot_due:
                self._save()
        except OSError as fault:
            logger.error("journal_write_failed", error=fault.strerror)

    def advance(self, bars: int = 1) -> int:
        """Lockstep: play whole decision bars; market time then stands at the close. Returns bars played."""
        done = 0
        while done < bars:
            decision = self.play(all_instruments=False)
            if decision is None:
                break
            done += bool(decision)
            if decision:
                self.clock.stand(self.market.now_ms)
                self.mark_progress()
        return done
