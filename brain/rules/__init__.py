"""The rule-based analyst: several strategies chosen by regime, a module each. `decide` is the way in."""

from brain.rules.analyst import decide

__all__ = ["decide"]
