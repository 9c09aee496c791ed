"""The order logic as a model: a made-up world delivers, doubles, loses, delays, crashes and forgets, in any order.

The bot's side is the state machine itself (`trading.orders`): every step is taken along `may_become`, as
`execution.transition` does, under a virtual clock. The exchange's side is a list of what it accepted. No path may send
twice, leave a final state, or end `unknown` by anything but evidence.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from trading.orders import OPEN_STATES, TRANSITIONS, OrderState, may_become

S = OrderState
EXP_S, GRACE_S, MISSES = 3, 2, 3
FINAL = frozenset({S.FILLED, S.CANCELED, S.REJECTED, S.EXPIRED, S.DENIED})
EVIDENCE = {S.LIVE, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.REJECTED, S.ABSENT}


@dataclass
class Intent:
    """A row, and what really became of its request. `on_exchange` is None until it is accepted."""

    name: int
    reduce_only: bool
    state: OrderState = S.INTENDED
    history: list[OrderState] = field(default_factory=lambda: [S.INTENDED])
    sent: int = 0
    exp_at: float = 0
    in_transit: bool = False
    on_exchange: OrderState | None = None
    misses: int = 0
    last_miss_at: float = float("-inf")


class Orders(RuleBasedStateMachine):
    intents = Bundle("intents")
    workers = Bundle("workers")  # winners of a claim that have not stored an outcome yet

    def __init__(self) -> None:
        super().__init__()
        self.now, self.halted, self.rows = 0.0, False, list[Intent]()

    def move(self, row: Intent, to: OrderState) -> bool:
        """Compare-and-set along the machine; a step it does not have changes nothing."""
        if not may_become(row.state, to):
            return False
        row.state = to
        row.history.append(to)
        return True

    # The bot.

    @precondition(lambda self: len(self.rows) < 3)
    @rule(target=intents, reduce_only=st.booleans())
    def intend(self, reduce_only):
        self.rows.append(Intent(len(self.rows), reduce_only))
        return self.rows[-1]

    @rule(target=workers, row=intents, then=st.sampled_from(["wait", "send", "arrive", "arrive"]))
    def deliver(self, row, then):
        """A message arrives, for the first time or again: whoever moves the row to `submitting` sends, now or later."""
        if row.state is not S.INTENDED:
            return multiple()
        if self.halted and not row.reduce_only:
            self.move(row, S.DENIED)
            return multiple()
        if not self.move(row, S.SUBMITTING):
            return multiple()
        row.exp_at = self.now + EXP_S
        if then != "wait":
            self.send(row, then == "arrive")
        return row

    @rule(row=workers, at_once=st.booleans())
    def send(self, row, at_once):
        """The winner's one request leaves, to arrive at once or later or never."""
        if row.sent == 0 and row.state is S.SUBMITTING:
            row.sent += 1
            row.in_transit = True
            if at_once:
                self.arrive(row)

    @rule(row=consumes(workers), reply=st.sampled_from(["accepted", "rejected", "nothing", "crash"]))
    def reply(self, row, reply):
        """What the worker hears. A crash stores nothing; silence and ambiguous codes are unknown."""
        if row.sent == 0 or reply == "crash":
            return
        if reply == "accepted" and row.on_exchange is not None:
            self.move(row, S.LIVE)
        elif reply == "rejected" and row.on_exchange is None:
            row.in_transit = False
            self.move(row, S.REJECTED)
        else:
            self.move(row, S.UNKNOWN)

    @rule()
    def give_up_on_submitting(self):
        for row in self.rows:
            if row.state is S.SUBMITTING and self.now > row.exp_at + GRACE_S:
                self.move(row, S.UNKNOWN)

    @rule(row=intents, read_fails=st.booleans())
    def resolve(self, row, read_fails):
        """Found, or a miss that counts only after expTime and a grace, spaced; a failed read proves nothing."""
        if row.state is not S.UNKNOWN or read_fails:
            return
        if row.on_exchange is not None:
            self.move(row, row.on_exchange)
        elif self.now > row.exp_at + GRACE_S and self.now - row.last_miss_at >= GRACE_S / 2:
            row.misses, row.last_miss_at = row.misses + 1, self.now
            if row.misses >= MISSES:
                self.move(row, S.ABSENT)

    @rule(row=intents)
    def push(self, row):
        """A report of the exchange, on time, late or doubled."""
        if row.on_exchange is not None:
            self.move(row, row.on_exchange)

    @rule(row=intents, stale=st.sampled_from([S.LIVE, S.PARTIALLY_FILLED]))
    def stale_push(self, row, stale):
        """A report that was overtaken by later ones: what has ended stays as it ended."""
        if row.on_exchange is not None:
            before = row.state
            self.move(row, stale)
            assert before not in FINAL or row.state is before, f"{before} went back to {row.state}"

    @rule()
    def halt(self):
        self.halted = True

    @rule()
    def resume(self):
        if not any(row.state is S.UNKNOWN for row in self.rows):
            self.halted = False

    # The world.

    @rule(row=intents)
    def arrive(self, row):
        """The request reaches the exchange; after expTime it is discarded there."""
        if row.in_transit:
            row.in_transit = False
            if self.now <= row.exp_at:
                row.on_exchange = S.LIVE

    @rule(row=intents, to=st.sampled_from([S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.FILLED]), pushed=st.booleans())
    def trade(self, row, to, pushed):
        self.arrive(row)
        if row.on_exchange is not None and row.on_exchange not in FINAL:
            row.on_exchange = to
            if pushed:
                self.push(row)

    @rule(seconds=st.floats(0.1, 5))
    def time_passes(self, seconds):
        self.now += seconds

    # What must hold, whatever happened.

    @invariant()
    def nothing_is_sent_twice(self):
        assert all(row.sent <= 1 for row in self.rows)
        assert all(row.history.count(S.SUBMITTING) <= 1 for row in self.rows)

    @invariant()
    def what_was_never_claimed_was_never_sent(self):
        for row in self.rows:
            if row.state in (S.INTENDED, S.DENIED, S.EXPIRED):
                assert row.sent == 0

    @invariant()
    def a_final_state_stays(self):
        for row in self.rows:
            for earlier in row.history[:-1]:
                assert earlier not in FINAL, row.history

    @invariant()
    def unknown_ends_by_evidence_only(self):
        for row in self.rows:
            for before, after in zip(row.history, row.history[1:], strict=False):
                if before is S.UNKNOWN:
                    assert after in EVIDENCE

    @invariant()
    def absent_is_never_what_the_exchange_has(self):
        for row in self.rows:
            if row.state in (S.ABSENT, S.REJECTED, S.DENIED, S.EXPIRED):
                assert row.on_exchange is None, row.history

    def teardown(self):
        """Left alone, with a readable exchange, everything comes to be known."""
        for row in self.rows:
            self.arrive(row)
        for _ in range(MISSES + 3):
            self.now += EXP_S + GRACE_S
            self.give_up_on_submitting()
            for row in self.rows:
                self.resolve(row, read_fails=False)
                self.push(row)
        for row in self.rows:
            assert row.state not in (S.SUBMITTING, S.UNKNOWN), row.history
            if row.on_exchange is not None and row.on_exchange in FINAL:
                assert row.state is row.on_exchange, row.history


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)


def test_every_open_state_can_end_and_no_final_one_is_open():
    assert FINAL.isdisjoint(OPEN_STATES)
    for state in OPEN_STATES:
        reachable, frontier = set(), {state}
        while frontier:
            reachable |= frontier
            frontier = {after for each in frontier for after in TRANSITIONS[each]} - reachable
        assert reachable & FINAL, f"{state} never ends"


def test_submitting_is_reached_from_intended_alone():
    assert [before for before, afters in TRANSITIONS.items() if S.SUBMITTING in afters] == [S.INTENDED]
