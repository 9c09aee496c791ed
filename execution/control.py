"""What people may order, from every face alike: halt, resume, flatten.

`halt` works with PostgreSQL alone, `flatten` with PostgreSQL and the exchange; neither needs Redis or workers.
"""

from execution.flatten import FlattenAnswer, flatten
from execution.halting import (
    HaltAnswer,
    clear_automatic_halts_on_restart,
    halt,
    resume,
    set_state,
)

__all__ = [
    "FlattenAnswer",
    "HaltAnswer",
    "clear_automatic_halts_on_restart",
    "flatten",
    "halt",
    "resume",
    "set_state",
]
