"""What people may order, from every face alike: halt, resume, flatten, move a stop, settle an order, unlock.

`halt`, `resume` and `unlock` work with PostgreSQL alone, the others with PostgreSQL and the exchange; none needs Redis
or workers. Each is audited.
"""

from execution.flatten import FlattenAnswer, flatten
from execution.halting import (
    HaltAnswer,
    clear_automatic_halts_on_restart,
    halt,
    resume,
    set_state,
)
from execution.settling import Evidence, evidence, settle, unlock
from execution.stop_moves import StopMoved, move_stop

__all__ = [
    "Evidence",
    "FlattenAnswer",
    "HaltAnswer",
    "StopMoved",
    "clear_automatic_halts_on_restart",
    "evidence",
    "flatten",
    "halt",
    "move_stop",
    "resume",
    "set_state",
    "settle",
    "unlock",
]
