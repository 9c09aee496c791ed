"""The stages by name, in the order of the way through."""

from pipeline.stage import Stage
from pipeline.stages.analyze import analyze
from pipeline.stages.collect import collect
from pipeline.stages.confirm import confirm
from pipeline.stages.gate import gate
from pipeline.stages.journal import journal
from pipeline.stages.research import research
from pipeline.stages.screen import screen

STAGES: dict[str, Stage] = {
    "collect": collect,
    "screen": screen,
    "research": research,
    "analyze": analyze,
    "gate": gate,
    "execute": confirm,
    "confirm": confirm,
    "journal": journal,
}
