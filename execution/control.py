"""What people may order, from every face alike: halt, resume, flatten, close, move a stop, settle an order, unlock,
tighten a limit, roll the playbook back or edit it, have the bot reflect.

Those of the bot's own state (`halt`, `resume`, `unlock`, `tighten_limit`, `rollback_playbook`, `edit_playbook`,
`ask_reflection`) work with PostgreSQL alone, the others with PostgreSQL and the exchange; none needs Redis or workers.
Each is audited.
"""

from execution.closing import close_position
from execution.flatten import FlattenAnswer, flatten
from execution.halting import (
    HaltAnswer,
    clear_automatic_halts_on_restart,
    halt,
    rebased_by_resume,
    resume,
    set_state,
    which,
)
from execution.playbook import edit_playbook, rollback_playbook
from execution.reflection_windows import ask_reflection
from execution.settling import Evidence, evidence, settle, unlock
from execution.stop_moves import StopMoved, move_stop
from execution.tightening import clear_limit, tighten_limit

__all__ = [
    "Evidence",
    "FlattenAnswer",
    "HaltAnswer",
    "StopMoved",
    "ask_reflection",
    "clear_automatic_halts_on_restart",
    "clear_limit",
    "close_position",
    "edit_playbook",
    "evidence",
    "flatten",
    "halt",
    "move_stop",
    "rebased_by_resume",
    "resume",
    "rollback_playbook",
    "set_state",
    "settle",
    "tighten_limit",
    "unlock",
    "which",
]
