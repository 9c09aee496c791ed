"""The exchange without a network: market, engine, journal and ledger tied together.

In process: `Exchange(PaperOptions(speed="lockstep"))`, then `advance(bars)` and `command(...)`. The server drives
the same object and listens for what it did. Not thread-safe; one event loop or one caller.
"""

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
from paper.options import PaperOptions
from paper.recovery import open_folder, replay, restored
from paper.rules import make_rules
from paper.stepping import Stepper
from paper.store.credentials import IN_PROCESS, Credentials, KeyRing
from paper.store.journal import Journal
from paper.store.ledger import Ledger
from paper.timers import Timers
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
        self.market = make_market(options)
        self.ended = False
        self.timers = Timers()
        # Fault: how far the wall clock that clients see is ahead, in ms.
        self.skew_ms = 0
        self.visibility = Visibility(int(options.switch("order_visibility_delay_ms")))
        self.decision_ms = self._decision_length()
        self.credentials = KeyRing(options.data)
        self._journal: Journal | None = None
        self._lock: int | None = None
        self._saved_ms = 0
        if options.data is None:
            self.credentials.add(IN_PROCESS)
            self.ledger = Ledger(None)
            self._meet(EngineState(self.market.instruments, make_rules(options)))
            self._begin()
        else:
            self._open(options.data)
        if options.start_ms:
            self._stepper.catch_up(wall_ms())
            self.mark_progress()
        self.clock = MarketClock(
            options.speed, wall_ms() if options.start_ms else self.market.now_ms, wall_ms(), self.ended
        )

    # --- start and end --------------------------------------------------------------------------------------

    def _decision_length(self) -> int:
        """The decision bar in ms, no shorter than the market's own bars. Raises StartRefused."""
        name, found = self.options.decision_bar, grid(self.options.decision_bar)
        if found is None or found.months:
            raise StartRefused(f"--decision-bar {name}: not a bar of OKX")
        length = max(found.length_ms, self.market.bar_ms)
        if length % self.market.bar_ms:
            raise StartRefused(f"--decision-bar {name}: not a multiple of the market's bars")
        return length

    def _meet(self, state: EngineState) -> None:
        """Put the state on the market."""
        self.engine = Engine(state)
        self._stepper = Stepper(self.market, self.engine, self.decision_ms)

    def _begin(self) -> None:
        """First start: quotes as of the end of the warm-up, the first account funded."""
        self.engine.step({i: self.market.quote(i) for i in self.market.instruments}, self.market.now_ms)
        self.engine.create_account(self.uid, self.options.equity)
        self.engine.collect()

    def _open(self, folder: Path) -> None:
        """Begin in the data folder, or go on where the last process was."""
        options, rules = self.options, make_rules(self.options)
        opened = open_folder(folder, options, self.market, self.decision_ms, self.credentials)
        self._lock, self.ledger, journal = opened
        snapshot = journal.load()
        if snapshot is None:
            self._meet(EngineState(self.market.instruments, rules))
            self._begin()
        else:
            self._meet(restored(snapshot, self.market, self.timers))
        replay(journal.records(), self.market, self.engine, self._stepper, self.timers)
        self._stepper.quote_all()
        self.engine.state.rules = rules
        self.engine.collect()
        self._journal = journal
        if snapshot is None or not journal.covered:
            self._save()

    def _save(self, wait: bool = False) -> None:
        if self._journal is not None:
            self._journal.snapshot(self.market.played, self.engine.state, dict(self.timers), wait)
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
        self.timers.keep(uid, tag, due_wall_ms)

    def fire_timers(self, wall: int) -> None:
        """Cancel orders whose cancel-all-after has run out; what cannot be journaled is tried again next time."""
        for uid, tag in self.timers.run_out(wall):
            try:
                self.command(uid, "cancel_all", {"tag": tag})
            except OkxError as refused:  # tried again with the next tick
                logger.error("timer_not_fired", account=uid, tag=tag, code=refused.code)
            else:
                self.timers.keep(uid, tag, 0)

    def _emit(self) -> None:
        events = self.engine.collect()
        if events:
            self.on_events(events)

    # --- market ---------------------------------------------------------------------------------------------

    def play(self, all_instruments: bool = True) -> bool | None:
        """Play one step and tell the listeners. True when a decision bar closed, None when there was no step."""
        if not self.market.has_next:
            if not self.ended:
                self.ended = True
                self.clock.end(self.market.now_ms)
                logger.info("market_ended", market_ms=self.market.now_ms)
            return None
        decision = self._stepper.step(all_instruments)
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
            steps = self._stepper.unrecorded()
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
