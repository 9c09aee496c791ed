"""How all pictures look: dark, large type, 1080 pixels wide, legible on a phone without zooming."""

from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

DPI = 150
WIDTH, HEIGHT = 7.2, 7.2  # inches
BACKGROUND, PANEL, GRID, INK, DIM = "#11151c", "#161b24", "#2a3240", "#e8edf4", "#93a1b5"
UP, DOWN, ACCENT, SECOND = "#26c281", "#ff5c5c", "#5aa9ff", "#ffb84d"
RC: Any = {
    "font.size": 14,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 18,
    "axes.facecolor": PANEL,
    "axes.edgecolor": GRID,
    "axes.labelcolor": DIM,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.left": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": DIM,
    "ytick.color": DIM,
    "text.color": INK,
    "figure.facecolor": BACKGROUND,
    "legend.facecolor": PANEL,
    "legend.edgecolor": GRID,
    "legend.fontsize": 13,
    "lines.linewidth": 2.2,
    "text.parse_math": False,
}


def canvas(rows: tuple[int, ...] = (1,), *, share_x: bool = True) -> tuple[Figure, list[Axes]]:
    """A figure with panels of these relative heights, one above the other, values on the right."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 1, sharex=share_x, height_ratios=rows, squeeze=False)
    panels = [axes[index][0] for index in range(len(rows))]
    for panel in panels:
        panel.yaxis.tick_right()
        panel.tick_params(length=0)
    return figure, panels


def time_axis(panel: Axes, zone: str) -> None:
    """Few, short times in the owner's zone."""
    locator = AutoDateLocator(minticks=3, maxticks=6, tz=ZoneInfo(zone))
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=ZoneInfo(zone)))


def png(figure: Figure) -> bytes:
    """The figure as a file."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=DPI)
    return out.getvalue()
