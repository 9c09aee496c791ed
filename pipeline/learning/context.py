"""What learning needs of a context: the database, the clock, the account, the settings; never the exchange."""

from typing import Protocol

from models.session import SessionFactory
from settings import AnySettings
from trading.clock import Clock


class Learner(Protocol):
    """`tasks.context.Ground` is one, and so is every `ExecutionContext`."""

    @property
    def sessions(self) -> SessionFactory: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def account_id(self) -> int: ...
    @property
    def settings(self) -> AnySettings: ...
