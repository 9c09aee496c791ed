"""Was every position protected? Counts bars and market time in which one had no live stop covering it all.

A stop covers when it is live, closes the position's side, can only reduce (or came attached to the entry), and
its size (or closeFraction) reaches the whole position, alone or together with others.
"""

from paper.engine.account import Account
from paper.engine.position import Position
from paper.numbers import ZERO


def is_covered(account: Account, position: Position) -> bool:
    side = "sell" if position.contracts > 0 else "buy"
    covered = ZERO
    for algo in account.open_algos.values():
        if (algo.inst_id, algo.td_mode, algo.side) != (position.inst_id, position.mgn_mode, side):
            continue
        if algo.sl_trigger is None or not algo.ends_with_position:
            continue
        covered += position.size if algo.sz is None else algo.sz
    return covered >= position.size


def check_coverage(account: Account, now_ms: int, bar_close: bool) -> None:
    """Called after every step and command; `bar_close` when a decision bar has just closed."""
    coverage = account.coverage
    if not (bar_close or coverage.naked_since or any(True for _ in account.open_positions())):
        return
    naked = set()
    for position in account.open_positions():
        name = f"{position.inst_id}/{position.mgn_mode}/{position.pos_side}"
        if is_covered(account, position):
            continue
        naked.add(name)
        coverage.naked_since.setdefault(name, now_ms)
        if bar_close:
            coverage.uncovered_bars += 1
            coverage.uncovered.append((now_ms, position.inst_id))
    for name in [name for name in coverage.naked_since if name not in naked]:
        coverage.uncovered_ms += now_ms - coverage.naked_since.pop(name)
    if bar_close:
        coverage.bars_checked += 1
