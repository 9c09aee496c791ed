"""Draws each subject. Runs in the painter's process only: importing it loads matplotlib."""

from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.ticker import FuncFormatter, MaxNLocator

from telegram_ui.pictures.style import ACCENT, DIM, DOWN, INK, PANEL, RC, SECOND, UP, canvas, png, time_axis
from telegram_ui.pictures.subjects import Calibration, CandleChart, EquityCurve, Level, StrategyProfits, Subject

SECONDS_PER_DAY = 86400
FEWEST_ROWS = 4
BEHIND = {"facecolor": PANEL, "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
LEVEL_COLOURS = {"entry": ACCENT, "stop": DOWN, "target": UP}


def draw(subject: Subject) -> bytes:
    """The picture as a PNG."""
    with rc_context(RC):
        if isinstance(subject, EquityCurve):
            return _equity(subject)
        if isinstance(subject, CandleChart):
            return _candles(subject)
        if isinstance(subject, StrategyProfits):
            return _profits(subject)
        return _calibration(subject)


def _equity(subject: EquityCurve) -> bytes:
    figure, (upper, lower) = canvas((3, 1))
    times = [date2num(at) for at in subject.times]
    upper.plot(times, subject.equity, color=ACCENT, label="the bot")
    if subject.hold:
        upper.plot(
            [date2num(at) for at, _ in subject.hold], [value for _, value in subject.hold],
            color=SECOND, linewidth=1.6, linestyle="--", label="buy and hold",
        )  # fmt: skip
    upper.legend(loc="upper left", framealpha=0.8)
    upper.set_title(subject.title, loc="left", pad=12)
    equity_axis(upper)
    falls, peak = [], subject.equity[0]
    for value in subject.equity:
        peak = max(peak, value)
        falls.append((value - peak) / peak * 100 if peak else 0.0)
    lower.fill_between(times, falls, 0, color=DOWN, alpha=0.45, linewidth=0)
    lower.plot(times, falls, color=DOWN, linewidth=1.2)
    lower.set_ylim(min(min(falls) * 1.15, -0.1), 0)
    lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f} %"))
    lower.yaxis.set_major_locator(MaxNLocator(3))
    lower.text(0.01, 0.06, "drawdown", transform=lower.transAxes, color=DIM)
    time_axis(lower, subject.zone)
    return png(figure)


def _candles(subject: CandleChart) -> bytes:
    figure, (panel,) = canvas()
    width = subject.bar_seconds / SECONDS_PER_DAY
    middles = [date2num(bar.at) + width / 2 for bar in subject.bars]
    colours = [UP if bar.close >= bar.open else DOWN for bar in subject.bars]
    panel.vlines(middles, [b.low for b in subject.bars], [b.high for b in subject.bars], colors=colours, linewidth=1.2)
    panel.bar(
        middles,
        [max(abs(bar.close - bar.open), (bar.high - bar.low) * 0.01) for bar in subject.bars],
        width * 0.72, [min(bar.open, bar.close) for bar in subject.bars], color=colours, linewidth=0,
    )  # fmt: skip
    low, high = min(bar.low for bar in subject.bars), max(bar.high for bar in subject.bars)
    _levels(panel, subject.levels, middles[-1], low, high)
    for marks, filled in ((subject.entries, True), (subject.exits, False)):
        for mark in marks:
            panel.scatter(
                [date2num(mark.at)], [mark.price], s=210, marker="^" if mark.up else "v", zorder=5,
                color=ACCENT if filled else "none", edgecolors=INK if filled else SECOND, linewidths=1.6,
            )  # fmt: skip
    room = len(subject.bars) * width
    last = max([middles[-1], *(date2num(mark.at) for mark in (*subject.entries, *subject.exits))])
    panel.set_xlim(middles[0] - width, last + room * 0.03)
    panel.set_title(subject.title, loc="left", pad=12)
    panel.yaxis.set_major_formatter(FuncFormatter(_price))
    panel.yaxis.set_major_locator(MaxNLocator(7))
    keys = []
    if subject.entries:
        keys.append("▲▼ filled: entry")
    if subject.exits:
        keys.append("△▽ hollow: exit")
    figure.supxlabel("   ".join((*keys, *subject.notes)), fontsize=12, color=DIM, x=0.02, ha="left")
    time_axis(panel, subject.zone)
    return png(figure)


def _levels(panel: Any, levels: tuple[Level, ...], last: float, low: float, high: float) -> None:
    """The plan's lines, labelled at the left; the scale takes them in, but never lets them squeeze the candles flat."""
    reach = max(high - low, high * 1e-6)
    near = [level.price for level in levels if low - 2 * reach < level.price < high + 2 * reach]
    bottom, top = min([low, *near]), max([high, *near])
    pad = max((top - bottom) * 0.06, high * 1e-4)
    panel.set_ylim(bottom - pad, top + pad)
    for level in levels:
        colour = LEVEL_COLOURS.get(level.name, DIM)
        if level.price in near:
            panel.axhline(level.price, color=colour, linewidth=1.6, linestyle=(0, (5, 3)))
        place = min(max(level.price, bottom), top)
        away = "" if level.price in near else " (off the chart)"
        panel.text(
            0.01, place, f"{level.name} {_price(level.price, 0)}{away}", color=colour, va="bottom",
            transform=panel.get_yaxis_transform(), fontsize=13, fontweight="bold", zorder=6, bbox=BEHIND,
        )  # fmt: skip


def _profits(subject: StrategyProfits) -> bytes:
    figure, (panel,) = canvas()
    names = [f"{name}\n{count} trade{'' if count == 1 else 's'}" for name, _, count in subject.rows]
    values = [value for _, value, _ in subject.rows]
    places = range(len(names))
    bars = panel.barh(places, values, color=[UP if value >= 0 else DOWN for value in values], height=0.6)
    panel.bar_label(bars, labels=[f"{value:+,.2f}" for value in values], padding=6, color=INK)
    panel.yaxis.tick_left()
    panel.set_yticks(places, names, color=INK)
    panel.set_ylim(max(len(names), FEWEST_ROWS) - 0.5, -0.5)  # a single bar is a bar, not a wall
    panel.axvline(0, color=DIM, linewidth=1)
    panel.margins(x=0.25, y=0)
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.grid(visible=False, axis="y")
    panel.set_title(subject.title, loc="left", pad=12)
    panel.set_xlabel("net profit, USDT")
    return png(figure)


def _calibration(subject: Calibration) -> bytes:
    figure, (panel,) = canvas()
    panel.plot([0, 100], [0, 100], color=DIM, linestyle="--", linewidth=1.4)
    panel.text(72, 72, "as good as its word", color=DIM, rotation=45, rotation_mode="anchor",
               transform_rotates_text=True, ha="center", va="bottom", fontsize=13)  # fmt: skip
    stated = [100 * point[0] for point in subject.points]
    won = [100 * point[1] for point in subject.points]
    panel.plot(stated, won, color=ACCENT, linewidth=1.4)
    panel.scatter(stated, won, s=[80 + 22 * point[2] for point in subject.points], color=ACCENT, zorder=4)
    for x, y, (_, _, count) in zip(stated, won, subject.points, strict=True):
        panel.annotate(
            f"{count} trade{'' if count == 1 else 's'}", (x, y), xytext=(0, 16), textcoords="offset points",
            ha="center", color=INK, fontsize=13, zorder=6, bbox=BEHIND,
        )  # fmt: skip
    panel.set_xlim(0, 100)
    panel.set_ylim(-4, 108)
    percent = FuncFormatter(lambda value, _: f"{value:.0f} %")
    panel.xaxis.set_major_formatter(percent)
    panel.yaxis.set_major_formatter(percent)
    panel.set_xlabel("stated confidence")
    panel.set_title(subject.title, loc="left", pad=12)
    panel.text(0.99, 0.03, "share that won ↑", transform=panel.transAxes, color=DIM, ha="right")
    if subject.brier is not None:
        panel.text(0.99, 0.09, f"Brier score {subject.brier:.3f}", transform=panel.transAxes, color=INK, ha="right")
    return png(figure)


def equity_axis(panel: Axes) -> None:
    """Money, with decimals only where two neighbouring marks would read alike."""
    panel.yaxis.set_major_locator(MaxNLocator(6))

    def shown(value: float, _position: Any) -> str:
        first, second = panel.get_yticks()[:2]
        step = second - first
        return f"{value:,.{0 if step >= 1 else 1 if step >= 0.1 else 2}f}"

    panel.yaxis.set_major_formatter(FuncFormatter(shown))


def _price(value: float, _position: Any) -> str:
    size = abs(value)
    places = 0 if size >= 10000 else 2 if size >= 100 else 4 if size >= 1 else 6
    return f"{value:,.{places}f}"
