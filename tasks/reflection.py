"""Queue `reflection`: reviews of closed trades and the deep reflection, kept apart from decisions."""

from functools import cache
from typing import TYPE_CHECKING

from tasks.app import app
from tasks.policies import ModelTask

if TYPE_CHECKING:
    from brain.reflection import Reflector


@cache
def _reflector() -> "Reflector":
    # Imported on first use, so that the worker is small until a trade has closed.
    from brain.build import build_reflector
    from tasks.context import ground

    on = ground()
    return build_reflector(on.settings, on.sessions, on.clock, on.account_id)


@app.task(name="reflection.review", base=ModelTask)
def review(trade_id: int) -> None:
    """Review one closed trade, once."""
    from pipeline import learning
    from tasks.context import ground

    learning.review_trade(ground(), trade_id)


@app.task(name="reflection.due", base=ModelTask, send_events=False)
def due(caller: str = "beat") -> None:
    """Review what was left, then reflect deeply when 20 trades have closed or six hours have passed, once a window.

    In lockstep the pacer alone says when, so that the same seed gives the same playbooks.
    """
    from execution.reflection_windows import anything_closed
    from tasks.context import ground

    on = ground()
    with on.sessions() as session:
        if not anything_closed(session, on.account_id):
            return  # and the worker stays small
    from pipeline import learning

    learning.review_open_ends(on)
    if caller == "pacer" or getattr(on.settings, "paper_speed", None) != "lockstep":
        learning.reflect_if_due(on, _reflector())


@app.task(name="reflection.asked", base=ModelTask)
def asked(asked_id: int) -> None:
    """Reflect because a person asked, once a wish."""
    from pipeline import learning
    from tasks.context import ground

    learning.reflect_asked(ground(), _reflector(), asked_id)
