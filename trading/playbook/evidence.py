"""Whether the trades a change cites exist, are what the change is about, and say so.

A cited list must be whole: of the change's trades that closed between the first and the last cited, at most a fifth
may be left out, so that nobody picks the ones that fit. What they must show is a mean R on one side of zero, and not
by chance: its interval lies on that side, the narrower one (80 %) for a change that takes less risk, the wider one
(95 %) for a change that takes more, or that would have the bot favour something.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from trading.closed_trade import ClosedTrade
from trading.intervals import mean_interval

CAUTIOUS_LEVEL = 0.8
BOLD_LEVEL = 0.95
MOST_LEFT_OUT = 0.2


class NotShown(ValueError):
    """The evidence does not carry the change; the text says why."""


def cited(
    ids: Sequence[int], trades: Mapping[int, ClosedTrade], about: Callable[[ClosedTrade], bool]
) -> list[ClosedTrade]:
    """The trades cited. Raises NotShown when one does not exist, is about something else, or too many are left out."""
    if not ids:
        raise NotShown("it cites no trades")
    if len(set(ids)) != len(ids):
        raise NotShown("it cites a trade twice")
    unknown = [each for each in ids if each not in trades]
    if unknown:
        raise NotShown(f"there is no closed trade {_named(unknown)}")
    found = [trades[each] for each in ids]
    strange = [t.trade_id for t in found if not about(t)]
    if strange:
        raise NotShown(f"it is not about trade {_named(strange)}")
    first, last = min(t.closed_at for t in found), max(t.closed_at for t in found)
    whole = sum(about(t) and first <= t.closed_at <= last for t in trades.values())
    if len(found) < (1 - MOST_LEFT_OUT) * whole:
        raise NotShown(f"it cites {len(found)} of the {whole} trades it is about in that time")
    return found


def enough(found: Sequence[ClosedTrade], least: int, used: Collection[int] = ()) -> None:
    """Raises NotShown unless at least `least` of the trades have not been `used` for the same rule before."""
    new = sum(t.trade_id not in used for t in found)
    if new < least:
        already = f", {len(found) - new} of them used before" if new < len(found) else ""
        raise NotShown(f"{len(found)} trades{already}, where {least} new ones are needed")


def shows(found: Sequence[ClosedTrade], sign: int, level: float) -> None:
    """Raises NotShown unless the mean R of the trades lies on the side `sign` of zero with its interval."""
    r = [float(t.r) for t in found if t.r is not None]
    interval = mean_interval(r, level)
    if interval is None:
        raise NotShown(f"only {len(r)} of its trades have an R multiple")
    mean = sum(r) / len(r)
    low, high = interval
    if (low if sign > 0 else -high) > 0:
        return
    wanted = "above" if sign > 0 else "below"
    raise NotShown(
        f"its {len(r)} trades do not say so: mean {mean:+.2f} R ({level:.0%} interval {low:+.2f} to {high:+.2f}) "
        f"is not {wanted} zero"
    )


def _named(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(map(str, ids[:5])) + more
