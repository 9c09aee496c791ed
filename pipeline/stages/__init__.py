"""The stages by name, in the order of the way through; each imported when a worker first needs it.

A worker runs the stages of its own queue only: the one that confirms orders need not carry indicators.
"""

from functools import cache
from importlib import import_module

from pipeline.stage import Stage

# Stage → module and function of the same name. `execute` waits as `confirm` does: the trade worker does the sending.
FUNCTIONS = {
    "collect": "collect",
    "screen": "screen",
    "research": "research",
    "analyze": "analyze",
    "gate": "gate",
    "execute": "confirm",
    "confirm": "confirm",
    "journal": "journal",
}


@cache
def stage_function(stage: str) -> Stage:
    """The function that runs `stage`."""
    name = FUNCTIONS[stage]
    function: Stage = getattr(import_module(f"pipeline.stages.{name}"), name)
    return function


def preload(*stages: str) -> None:
    """Import now, before a worker forks, so that its children share the code."""
    for stage in stages:
        stage_function(stage)
