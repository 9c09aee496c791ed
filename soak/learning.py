"""Months of real candles in lockstep with the rules analyst: what reflections make of a hundred trades and more.

Until so many trades have closed (the market's end is a failure). Then, by our tables:

- deep reflections follow each other without a gap, each window once, and versions of the playbook count up one by one;
- the curve of the rules rests on at least `min_trades` trades, and is what these trades give when it is fitted anew;
- every verdict under a version with that curve judged the confidence the curve gives, and says so; every earlier one
  the stated confidence.

Printed beside it: Brier score with its terms, the bins with their intervals, and the walk-forward comparison, in which
every curve knows earlier trades only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import func, select

from models import PlaybookVersion, Reflection, RiskVerdict, Trade
from pipeline.learning.evidence import closed_trades
from soak.settling import settled
from soak.whole import WholeBot, whole_bot
from trading.calibration import fit, report, stated_by_source
from trading.decision import ENTERING
from trading.playbook import Playbook

SOURCE = "rules"
STANDS_STILL_S = 180.0
# Of market time, once there are trades enough: where the curve says that no confidence is worth an entry, none comes.
WAITS_FOR_A_VERDICT = timedelta(days=5)


@dataclass
class Learning:
    """What was learned."""

    trades: int = 0
    market_until: str = ""
    reflections: dict[str, int] = field(default_factory=dict)
    versions: int = 0
    calibration: dict[str, Any] = field(default_factory=dict)
    curve: dict[str, Any] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=lambda: {"stated": 0, "calibrated": 0})
    failed: list[str] = field(default_factory=list)


def learning(folder: Path, files: str, trades: int) -> Iterator[Learning]:
    """Yields with every closed trade; the last has it all. `files` as in PAPER_MARKET."""
    found = Learning()
    with whole_bot(
        folder / "home", everything=True, PAPER_MARKET=files, PAPER_SPEED="lockstep", ANALYST="rules"
    ) as bot:
        moved, (_, newest) = monotonic(), _progress(bot)
        reached = newest
        while monotonic() - moved < STANDS_STILL_S:
            if found.trades >= trades and (_judged_by_a_curve(bot) or newest - reached > WAITS_FOR_A_VERDICT):
                break
            sleep(1)
            count, at = _progress(bot)
            if at != newest:
                moved, newest = monotonic(), at
            if found.trades < trades:
                reached = newest
            yield from (found for _ in range(min(count, trades) - min(found.trades, trades)))
            found.trades = count
        found.market_until = f"{newest:%Y-%m-%d %H:%M}"
        _judge(bot, found, trades)
    yield found


def _progress(bot: WholeBot) -> tuple[int, datetime]:
    """Closed trades, and the market's time."""
    with bot.ctx.sessions() as session:
        count = session.scalar(select(func.count()).select_from(Trade).where(Trade.closed_market_at.is_not(None)))
    return count or 0, bot.ctx.clock.market_now()


def _judged_by_a_curve(bot: WholeBot) -> bool:
    """Whether the gate has decided by a curve yet."""
    action, basis = RiskVerdict.given["decision"]["action"].astext, RiskVerdict.given["soft"]["basis"].astext
    found = select(RiskVerdict.id).where(action.in_(ENTERING), basis.like("%calibrated on%")).limit(1)
    with bot.ctx.sessions() as session:
        return session.scalar(found) is not None


def _judge(bot: WholeBot, found: Learning, trades: int) -> None:
    with bot.ctx.sessions() as session:
        deep = session.scalars(select(Reflection).where(Reflection.kind == "deep").order_by(Reflection.id)).all()
        versions = session.scalars(select(PlaybookVersion).order_by(PlaybookVersion.version)).all()
        verdicts = session.scalars(select(RiskVerdict).order_by(RiskVerdict.id)).all()
        closed = closed_trades(session, bot.ctx.account_id, bot.ctx.clock.market_now())
    found.reflections = {o: sum(r.outcome == o for r in deep) for o in ("patched", "no_change", "refused", "failed")}
    found.versions = len(versions)
    found.failed += [f"window {r.window} failed: {r.reason}" for r in deep if r.outcome == "failed"]
    found.failed += [f"{b.window} does not begin where {a.window} ended" for a, b in pairwise(deep)
                     if a.window_end != b.window_start]  # fmt: skip
    if [v.version for v in versions] != list(range(1, len(versions) + 1)):
        found.failed.append(f"versions {[v.version for v in versions]}")
    if found.trades < trades:
        found.failed.append(f"{found.trades} trades closed before the market stood still")
    playbooks = {v.version: Playbook.model_validate(v.content) for v in versions}
    _judge_verdicts(verdicts, playbooks, found)
    for row in versions:
        _judge_curve(row, closed, found)
    stated = stated_by_source(closed, bot.ctx.clock.market_now()).get(SOURCE, [])
    if stated:
        found.calibration = report(SOURCE, stated).model_dump(mode="json")
    found.failed += settled(bot)


def _judge_curve(row: PlaybookVersion, closed: Any, found: Learning) -> None:
    """A version's curve against the trades that had closed when it was written."""
    playbook = Playbook.model_validate(row.content)
    curve = next((each for each in playbook.calibration.curves if each.source == SOURCE), None)
    if curve is None:
        return
    found.curve = curve.model_dump(mode="json")
    if curve.trades < playbook.calibration.min_trades:
        found.failed.append(f"version {row.version}: a curve on {curve.trades} trades")
    assert row.market_at is not None, "a reflection writes the time of the market"
    known = [trade for trade in closed if trade.closed_at <= row.market_at]
    stated = stated_by_source(known, row.market_at)[SOURCE]
    if len(stated) == curve.trades and fit(SOURCE, stated).knots != curve.knots:
        found.failed.append(f"version {row.version}: the curve is not what its {curve.trades} trades give")


def _judge_verdicts(verdicts: Any, playbooks: dict[int, Playbook], found: Learning) -> None:
    """Each by the curve of the playbook it names, or by the stated confidence where that has none."""
    for verdict in verdicts:
        soft, stated = verdict.given["soft"], Decimal(str(verdict.given["decision"]["confidence"]))
        if verdict.given["decision"]["action"] not in ENTERING:
            continue
        calibration = playbooks[soft["playbook_version"]].calibration
        curve = next((each for each in calibration.curves if each.source == SOURCE), None)
        by_curve = "calibrated on" in soft["basis"]
        found.verdicts["calibrated" if by_curve else "stated"] += 1
        expected = min(stated, calibration.stated_cap) if curve is None else curve.at(stated)
        if by_curve != (curve is not None) or Decimal(str(soft["confidence"])) != expected:
            found.failed.append(f"verdict {verdict.id} judged {soft['confidence']} ({soft['basis']}), not {expected}")
    if not found.verdicts["calibrated"]:
        found.failed.append("no verdict was given by a curve")
