"""The playbook: what the bot believes works, as data; its text for prompts, its first version, its differences."""

from trading.playbook.content import (
    Calibration,
    CalibrationCurve,
    Knot,
    Lesson,
    Playbook,
    PlaybookError,
    RegimeRule,
    Scope,
    StrategyRule,
    TimeFilter,
)
from trading.playbook.default import default_playbook
from trading.playbook.difference import Change, diff
from trading.playbook.rendering import render
from trading.playbook.soft_rules import SoftRules, soft_rules

__all__ = [
    "Calibration",
    "CalibrationCurve",
    "Change",
    "Knot",
    "Lesson",
    "Playbook",
    "PlaybookError",
    "RegimeRule",
    "Scope",
    "SoftRules",
    "StrategyRule",
    "TimeFilter",
    "default_playbook",
    "diff",
    "render",
    "soft_rules",
]
