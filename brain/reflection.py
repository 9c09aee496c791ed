"""The interface of those who reflect: facts in, a proposal out, whoever thinks.

Contract: `reflect` never raises for anticipated trouble (a model that is slow, refuses, answers nonsense, or may not be
asked): it answers without a patch, with the reason. A proposal is only that: code judges every change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from trading.calibration import CalibrationReport
from trading.closed_trade import ClosedTrade
from trading.playbook import Playbook
from trading.playbook.bounds import HardLimits
from trading.playbook.patch import Patch
from trading.trade_groups import GroupStatistics


@dataclass(frozen=True, slots=True)
class ReflectionRequest:
    """Everything a reflection rests on. Trades in the order in which they closed; times are market time.

    `used`: by path of the playbook, the trades that have changed it before. `refused`: what became of the last
    proposal's refused changes, one line each. `reviews`: of the window's trades, one line each.
    """

    reason: str
    at: datetime
    playbook: Playbook
    playbook_version: int
    trades: tuple[ClosedTrade, ...]
    statistics: Mapping[str, Mapping[str, GroupStatistics]]
    calibration: tuple[CalibrationReport, ...]
    used: Mapping[str, frozenset[int]]
    limits: HardLimits
    reviews: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReflectionResult:
    """What came back. Without a patch, `reason` says why there is none. `unreadable`: changes that were no changes."""

    patch: Patch | None
    reason: str = ""
    llm_call_id: int | None = None
    unreadable: tuple[str, ...] = field(default=())


class Reflector(Protocol):
    """Reflects on closed trades."""

    @property
    def name(self) -> str:
        """`rules` or the model: stored and shown with what it proposed."""

    def reflect(self, request: ReflectionRequest) -> ReflectionResult:
        """A patch, or the reason why there is none."""
