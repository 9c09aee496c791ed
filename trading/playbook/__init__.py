"""The playbook: what the bot believes works, as data; its text for prompts, its first version, its differences."""

from trading.playbook.content import (
    Calibration,
    CalibrationBin,
    Lesson,
    Playbook,
    PlaybookError,
    RegimeRule,
    StrategyRule,
    TimeFilter,
)
from trading.playbook.default import default_playbook
from trading.playbook.difference import Change, diff
from trading.playbook.rendering import render

__all__ = [
    "Calibration",
    "CalibrationBin",
    "Change",
    "Lesson",
    "Playbook",
    "PlaybookError",
    "RegimeRule",
    "StrategyRule",
    "TimeFilter",
    "default_playbook",
    "diff",
    "render",
]
