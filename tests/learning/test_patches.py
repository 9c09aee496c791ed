"""What a reflection may change, and what it must show for it. The table of refusals is the specification."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.learning.conftest import START, trade
from trading.closed_trade import ClosedTrade
from trading.decision import Regime
from trading.playbook import Lesson, Playbook, Scope, bounds, default_playbook
from trading.playbook.bounds import HardLimits
from trading.playbook.lessons import expire, lesson_about
from trading.playbook.patch import (
    AvoidHours,
    ConfidenceFloor,
    Forget,
    Learn,
    Parameter,
    Patch,
    RegimeSize,
    StrategySize,
)
from trading.playbook.validation import Evidence, judge_patch

D = Decimal
AT = START + timedelta(days=2)
LOSERS = [trade(n, -1.0 if n % 4 else 0.5) for n in range(1, 25)]
WINNERS = [trade(n, 1.5 if n % 5 else -1.0) for n in range(1, 41)]
MIXED = [trade(n, 1.0 if n % 2 else -1.0) for n in range(1, 41)]
SCOPE = Scope(strategy="momentum", regime=Regime.RANGING)


def ids(trades: Sequence[ClosedTrade]) -> tuple[int, ...]:
    return tuple(t.trade_id for t in trades)


def smaller(**changed: Any) -> StrategySize:
    values = {"strategy": "momentum", "size_pct": D(4), "trade_ids": ids(LOSERS), "reason": "it loses"}
    return StrategySize(**(values | changed))


def lesson(trades: Sequence[ClosedTrade] = LOSERS, stance: str = "avoid", **changed: Any) -> Learn:
    values = {"scope": SCOPE, "stance": stance, "text": "It loses.", "trade_ids": ids(trades), "reason": "they say so"}
    return Learn(**(values | changed))


def judged(*changes: Any, trades: Sequence[ClosedTrade] = LOSERS, book: Playbook | None = None, **more: Any) -> Any:
    evidence = Evidence({t.trade_id: t for t in trades}, more.get("used", {}), HardLimits(D(5)), more.get("at", AT))
    return judge_patch(book or default_playbook(), Patch(summary="", changes=changes), evidence)


def why(*changes: Any, **more: Any) -> str:
    """Why the last change was refused; empty when it was taken over."""
    return str(judged(*changes, **more)[1][-1].why)


def test_a_losing_strategy_is_sized_down_on_the_trades_that_show_it() -> None:
    after, (one,) = judged(smaller())
    assert (one.accepted, one.why) == (True, "")
    assert after.strategies["momentum"].size_pct == 4
    assert after.strategies["pullback"] == default_playbook().strategies["pullback"]


@pytest.mark.parametrize(
    ("change", "trades", "reason"),
    [
        (smaller(trade_ids=()), LOSERS, "it cites no trades"),
        (smaller(trade_ids=(1, 1, 2)), LOSERS, "cites a trade twice"),
        (smaller(trade_ids=(*ids(LOSERS), 999)), LOSERS, "there is no closed trade 999"),
        (smaller(strategy="pullback", size_pct=D("3.2")), LOSERS, "it is not about trade 1"),
        (smaller(trade_ids=ids(LOSERS)[:9]), LOSERS, "9 trades, where 10 new ones are needed"),
        # only the losers among them
        (smaller(trade_ids=tuple(t.trade_id for t in MIXED if not t.won)), MIXED, "cites 20 of the 39 trades"),
        (smaller(trade_ids=ids(MIXED)), MIXED, "do not say so: mean +0.00 R"),
        (smaller(trade_ids=ids(WINNERS)), WINNERS, "is not below zero"),
        (smaller(size_pct=D("3.7")), LOSERS, "at most 25% at once, from 5"),
        (smaller(size_pct=D(5)), LOSERS, "the size is 5 already"),
        (smaller(size_pct=D(6), trade_ids=ids(WINNERS)), WINNERS, "must stay between 1.25 and 5"),
        (smaller(size_pct=D(-1)), LOSERS, "must stay between"),
        (smaller(size_pct=D("1e300")), LOSERS, "must stay between"),
        (smaller(strategy="astrology"), LOSERS, "no strategy astrology"),
        (RegimeSize(regime=Regime.RANGING, size_factor=D("1.1"), trade_ids=ids(WINNERS), reason=""), WINNERS,
         "between 0.2 and 1"),
        (RegimeSize(regime=Regime.VOLATILE, size_factor=D("0.4"), trade_ids=ids(LOSERS), reason=""), LOSERS,
         "it is not about"),
        (Parameter(strategy="momentum", name="leverage", value=9, trade_ids=ids(LOSERS), reason=""), LOSERS,
         "no parameter leverage"),
        (Parameter(strategy="momentum", name="reward_risk", value=1.9, trade_ids=ids(LOSERS), reason=""), LOSERS,
         "at most 10% at once"),
        (Parameter(strategy="momentum", name="reward_risk", value=9, trade_ids=ids(LOSERS), reason=""), LOSERS,
         "between 0.825 and 3.3"),
        (Parameter(strategy="momentum", name="reward_risk", value=1.75, trade_ids=ids(WINNERS), reason=""), WINNERS,
         "is not below zero"),
        (ConfidenceFloor(value=D("0.45"), trade_ids=ids(LOSERS), reason=""), LOSERS, "at most 0.05 at once"),
        (ConfidenceFloor(value=D("0.1"), trade_ids=ids(LOSERS), reason=""), LOSERS, "between 0.2 and 0.8"),
        (ConfidenceFloor(value=D("0.40"), trade_ids=ids(LOSERS), reason=""), LOSERS, "it is not about trade 1"),
        (AvoidHours(hours=(5,), trade_ids=ids(LOSERS), reason=""), LOSERS, "it is not about trade"),
        (AvoidHours(hours=tuple(range(7)), trade_ids=ids(LOSERS), reason=""), LOSERS, "at most 6 hours"),
        (AvoidHours(hours=(), trade_ids=ids(LOSERS), reason=""), LOSERS, "it names no hours"),
        (lesson(scope=Scope()), LOSERS, "a lesson is about something"),
        (lesson(trade_ids=ids(LOSERS)[:9]), LOSERS, "9 trades, where 10 new ones are needed"),
        (lesson(stance="favour"), LOSERS, "is not above zero"),
        (Forget(scope=SCOPE, trade_ids=ids(LOSERS), reason=""), LOSERS, "there is no learned lesson about that"),
    ],
)  # fmt: skip
def test_what_is_not_shown_is_refused(change: Any, trades: Sequence[ClosedTrade], reason: str) -> None:
    after, (one,) = judged(change, trades=trades)
    assert reason in one.why
    assert not one.accepted
    assert after == default_playbook()


def test_more_risk_needs_more_than_a_lucky_streak() -> None:
    """What suffices to lose faith does not suffice to gain it."""
    book = default_playbook()
    book = judged(smaller(), book=book)[0]
    slightly = [trade(n, 1.5 if n % 2 else -1.0) for n in range(1, 21)]
    larger = smaller(size_pct=D(5), trade_ids=ids(slightly))
    assert "95% interval" in why(larger, trades=slightly, book=book)
    assert why(smaller(size_pct=D(5), trade_ids=ids(WINNERS)), trades=WINNERS, book=book) == ""


def test_a_trade_moves_the_same_number_once() -> None:
    used = {"strategies.momentum.size_pct": frozenset(ids(LOSERS)[:15])}
    assert "15 of them used before" in why(smaller(), used=used)
    assert why(smaller(), used={"strategies.pullback.size_pct": frozenset(ids(LOSERS))}) == ""


def test_one_reflection_changes_at_most_five_things_and_none_twice() -> None:
    at_hours = [
        trade(number, -1.0, at=START + timedelta(days=number % 9, hours=number // 9, minutes=20))
        for number in range(9, 72)
    ]
    hours = [
        AvoidHours(hours=(h,), trade_ids=tuple(t.trade_id for t in at_hours if t.opened_at.hour == h), reason="")
        for h in range(1, 8)
    ]
    after, fates = judged(*hours, trades=at_hours)
    assert [one.accepted for one in fates] == [True] * bounds.MOST_CHANGES + [False] * 2
    assert fates[-1].why == "one reflection changes at most 5 things"
    assert [f.hours for f in after.time_filters] == [(h,) for h in range(1, 6)]
    assert "changed already" in why(smaller(), smaller(size_pct=D("4.2")))


def test_avoided_hours_return_after_a_week() -> None:
    found = [trade(n, -1.0, at=START + timedelta(days=n, hours=3)) for n in range(1, 10)]
    at = START + timedelta(days=10)
    book, _ = judged(AvoidHours(hours=(2,), trade_ids=ids(found), reason="night"), trades=found, at=at)
    assert book.barred(at + timedelta(days=6, hours=2)) is not None
    assert book.barred(at + timedelta(days=7, hours=2)) is None
    assert expire(book, at + timedelta(days=7)).time_filters == ()


def test_a_lesson_expires_unless_renewed_by_newer_trades() -> None:
    book, _ = judged(lesson())
    learned = lesson_about(book, SCOPE)
    assert learned is not None
    assert (learned.trade_ids, learned.renewals) == (ids(LOSERS), 0)
    assert expire(book, AT + bounds.LESSON_LIFE - timedelta(hours=1)) == book
    expired = expire(book, AT + bounds.LESSON_LIFE)
    assert expired.lessons == default_playbook().lessons
    # The trades it rested on cannot bring it back.
    used = {"lessons.momentum in ranging": frozenset(ids(LOSERS))}
    assert "24 of them used before" in why(lesson(), book=expired, used=used)
    assert "where 1 new ones are needed" in why(lesson(), book=book)
    more = [*LOSERS, trade(30, -1.0)]
    later = AT + timedelta(days=5)
    book, (one,) = judged(lesson(more), trades=more, book=book, at=later)
    renewed = lesson_about(book, SCOPE)
    assert one.accepted
    assert renewed is not None
    assert (renewed.renewals, renewed.expires_at) == (1, later + bounds.LESSON_LIFE)


def test_conflicting_lessons_are_merged_on_the_trades_of_both() -> None:
    book, _ = judged(lesson())
    turned = [trade(100 + n, 1.5) for n in range(60)]
    few = turned[:10]
    contradicts = lesson(few, "favour", text="It pays.")
    assert "contradicts a lesson" in why(contradicts, trades=[*LOSERS, *few], book=book)
    book, (one,) = judged(lesson(turned, "favour", text="It pays."), trades=[*LOSERS, *turned], book=book)
    assert one.accepted
    (learned,) = [found for found in book.lessons if found.scope == SCOPE]
    assert (learned.stance, learned.text) == ("favour", "It pays.")
    assert len(learned.trade_ids) == bounds.MOST_EVIDENCE


def test_a_lesson_is_forgotten_when_its_trades_no_longer_say_so() -> None:
    book, _ = judged(lesson())
    better = [trade(100 + n, 1.0) for n in range(12)]
    forgotten, (one,) = judged(
        Forget(scope=SCOPE, trade_ids=ids(better), reason=""), trades=[*LOSERS, *better], book=book
    )
    assert one.accepted
    assert forgotten.lessons == default_playbook().lessons
    worse = [trade(100 + n, -1.0) for n in range(12)]
    assert "the lesson still holds" in why(
        Forget(scope=SCOPE, trade_ids=ids(worse), reason=""), trades=[*LOSERS, *worse], book=book
    )


def test_there_are_at_most_so_many_learned_lessons() -> None:
    crowd = tuple(
        Lesson(text="x", stance="avoid", scope=Scope(hours=(n,)), expires_at=AT + timedelta(hours=n))
        for n in range(bounds.MOST_LESSONS)
    )
    full = default_playbook().model_copy(update={"lessons": default_playbook().lessons + crowd})
    after, _ = judged(lesson(), book=full)
    learned = [one for one in after.lessons if one.scope is not None]
    assert len(learned) == bounds.MOST_LESSONS
    assert lesson_about(after, Scope(hours=(0,))) is None  # would have expired first
    assert after.lessons[: len(default_playbook().lessons)] == default_playbook().lessons


decimals = st.decimals(D(-10), D(10), places=2)
some_ids = st.lists(st.integers(1, 60), max_size=40).map(tuple)
changes = st.one_of(
    st.builds(StrategySize, strategy=st.sampled_from(["momentum", "x"]), size_pct=decimals, trade_ids=some_ids,
              reason=st.just("")),
    st.builds(RegimeSize, regime=st.sampled_from(list(Regime)), size_factor=decimals, trade_ids=some_ids,
              reason=st.just("")),
    st.builds(Parameter, strategy=st.just("momentum"), name=st.sampled_from(["reward_risk", "y"]),
              value=st.floats(-5, 5), trade_ids=some_ids, reason=st.just("")),
    st.builds(AvoidHours, hours=st.lists(st.integers(0, 23), max_size=8).map(tuple), trade_ids=some_ids,
              reason=st.just("")),
    st.builds(ConfidenceFloor, value=st.decimals(D(0), D(1), places=2), trade_ids=some_ids, reason=st.just("")),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    rs=st.lists(st.sampled_from([-1.0, -0.4, 1.6]), min_size=1, max_size=50),
    proposed=st.lists(changes, max_size=8),
    all_of_them=st.booleans(),
)
def test_whatever_is_proposed_the_playbook_stays_within_its_bounds(
    rs: list[float], proposed: list[Any], all_of_them: bool
) -> None:
    trades = [trade(n, r) for n, r in enumerate(rs, start=1)]
    if all_of_them:
        proposed = [one.model_copy(update={"trade_ids": ids(trades)}) for one in proposed]
    first = default_playbook()
    after, fates = judged(*proposed, trades=trades)
    assert len(fates) == len(proposed)
    assert sum(one.accepted for one in fates) <= bounds.MOST_CHANGES
    assert all(one.accepted == (one.why == "") for one in fates)
    for name, rule in after.strategies.items():
        assert first.strategies[name].size_pct * bounds.LEAST_SIZE <= rule.size_pct <= 5
    for rule in after.regimes.values():
        assert rule.size_factor <= 1
    assert bounds.FLOOR_RANGE[0] <= after.confidence_floor <= bounds.FLOOR_RANGE[1]
    assert len({hour for item in after.time_filters for hour in item.hours}) <= bounds.MOST_HOURS
    assert Playbook.model_validate(after.model_dump(mode="json")) == after
