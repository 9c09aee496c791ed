"""The one look of all dashboards: units, colours, thresholds, variables, links. Green and red mean money only."""

from typing import Any

from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    candlestick,
    dashboard,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.common import GraphThresholdsStyleConfig, ReduceDataOptions
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode, VizOrientation
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

from grafana.panel import Board, Panel
from grafana.query import SOURCE, PostgresQuery, Query

CALM, WARNING, GAIN, LOSS = "blue", "orange", "green", "red"
MARKS = ("white", "yellow")
# Told apart on a dark ground, none of them green or red.
PALETTE = (
    "blue", "yellow", "purple", "orange", "super-light-blue", "super-light-purple", "dark-yellow", "white", "dark-blue",
    "dark-purple", "light-orange", "super-light-yellow", "semi-dark-blue",
)  # fmt: skip
WHOLE = ("cycle", "trade", "trades", "call", "screened", "misses", "passed on failure")  # never with decimals
# Shares of 0..1 in per cent; an id at either side would lean on its neighbour.
_SHARE, _ID = {"unit": "percentunit", "decimals": 1}, {"custom.align": "center"}
_COLUMNS: dict[str, dict[str, Any]] = {
    "win rate": _SHARE, "pass rate": _SHARE, "precision": _SHARE, "stated from": _SHARE, "stated": _SHARE,
    "won": _SHARE, "cycle": _ID, "trade": _ID, "call": _ID, "instrument": {"custom.minWidth": 130},
    "plan": {"custom.minWidth": 260},
}  # fmt: skip
_NUMBER_PX = 75  # Grafana's own least width of a column is 150, at which a table of numbers runs out of its panel
TAG = "okxbot"
_BUILDERS: dict[str, Any] = {
    "timeseries": timeseries.Panel,
    "stat": stat.Panel,
    "table": table.Panel,
    "bars": bargauge.Panel,
    "barchart": barchart.Panel,
    "state": statetimeline.Panel,
    "candles": candlestick.Panel,
}
# Every instrument that was ever decided on, one look into the index each.
INSTRUMENTS = """WITH RECURSIVE i AS (
  (SELECT account_id, inst_id FROM decision_cycles ORDER BY account_id, inst_id LIMIT 1)
  UNION ALL SELECT n.* FROM i, LATERAL (SELECT account_id, inst_id FROM decision_cycles
    WHERE account_id = i.account_id AND inst_id > i.inst_id ORDER BY account_id, inst_id LIMIT 1) AS n)
SELECT inst_id FROM i"""
# Name, label, SQL, several at once. A database holds one account, so the mode is fixed; it is shown all the same.
_VARIABLES = (
    ("mode", "Mode", "SELECT mode FROM accounts", False),
    ("instrument", "Instrument", INSTRUMENTS, True),
    ("playbook", "Playbook version", "SELECT version::text FROM playbook_versions ORDER BY version DESC", True),
)


def _thresholds(panel: Panel) -> Any:
    steps = [Threshold(value=None, color=CALM)]
    if panel.money:
        steps = [Threshold(value=None, color=LOSS), Threshold(value=0, color=GAIN)]
    elif panel.limit is not None and panel.bad == "above":
        steps.append(Threshold(value=panel.limit, color=WARNING))
    elif panel.limit is not None:
        steps = [Threshold(value=None, color=WARNING), Threshold(value=panel.limit, color=CALM)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def draw(panel: Panel) -> Any:
    """The SDK's builder of this panel."""
    format_ = "time_series" if panel.kind in ("timeseries", "candles") else "table"
    built = (
        _BUILDERS[panel.kind]()
        .title(panel.title)
        .description(panel.description)
        .datasource(SOURCE)
        .with_target(Query(PostgresQuery(panel.statement, format_)))
        .unit("none" if panel.kind == "table" else panel.unit)  # an id is not 77.8 K
        .thresholds(_thresholds(panel))
    )
    if panel.kind != "table":  # there it would stand in every empty cell
        built = built.no_value("nothing yet")
    if panel.decimals is not None:
        built = built.decimals(panel.decimals)
        if panel.kind == "table":
            built = built.min_width(_NUMBER_PX)
    if panel.money or (panel.limit is not None and panel.kind in ("stat", "bars")):
        built = built.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    elif panel.kind in ("timeseries", "barchart", "bars"):
        # What no series below names is a shade of one colour: green and red are for money.
        built = built.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.SHADES).fixed_color(CALM))
    if panel.limit is not None and panel.kind == "timeseries":
        # Thresholds do not widen an axis: a limit far above the values would be drawn outside the panel.
        built = built.thresholds_style(GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
        built = built.axis_soft_max(panel.limit)
    if panel.kind == "bars":
        # Every row of the table is a bar, not the last row alone.
        built = built.reduce_options(ReduceDataOptions().values(True).calcs([])).orientation(VizOrientation.HORIZONTAL)
    return _overridden(panel, built)


def _overridden(panel: Panel, built: Any) -> Any:
    """What single columns look like, and where they lead."""
    links = [
        (column, f"/d/{uid}?var-{variable}=${{__value.raw}}") for column, uid, variable in filter(None, [panel.drill])
    ]
    for column, address in (*links, *filter(None, [panel.link])):
        link = {"title": "Open", "url": address}
        built = built.override_by_name(column, [DynamicConfigValue(id_val="links", value=[link])])
    if panel.kind == "timeseries":
        for name, own in zip(panel.series, PALETTE, strict=False):
            fixed = {"mode": "fixed", "fixedColor": own}
            built = built.override_by_name(name, [DynamicConfigValue(id_val="color", value=fixed)])
    if panel.kind == "table" and panel.decimals:
        for column in WHOLE:
            built = built.override_by_name(column, [DynamicConfigValue(id_val="decimals", value=0)])
    if panel.kind == "table":
        for column, looks in _COLUMNS.items():
            if f'"{column}"' in panel.sql:
                values = [DynamicConfigValue(id_val=name, value=value) for name, value in looks.items()]
                built = built.override_by_name(column, values)
    for column in panel.hidden:
        built = built.override_by_name(column, [DynamicConfigValue(id_val="custom.hidden", value=True)])
    for column in panel.marks:
        points = {"custom.drawStyle": "points", "custom.pointSize": 9, "custom.showPoints": "always"}
        colour = {"color": {"mode": "fixed", "fixedColor": MARKS[panel.marks.index(column)]}}
        values = [DynamicConfigValue(id_val=name, value=value) for name, value in (points | colour).items()]
        built = built.override_by_name(column, values)
    for column in panel.bytes_of:
        built = built.override_by_name(column, [DynamicConfigValue(id_val="unit", value="bytes")])
    if panel.marks:
        built = built.include_all_fields(True)
    return built


def places(panels: tuple[Panel, ...]) -> list[GridPos]:
    """Left to right over 24 columns; a row is as high as its highest panel."""
    made: list[GridPos] = []
    left = top = row = 0
    for panel in panels:
        if left + panel.width > 24:
            left, top, row = 0, top + row, 0
        made.append(GridPos(h=panel.height, w=panel.width, x=left, y=top))
        left, row = left + panel.width, max(row, panel.height)
    return made


def board_json(board: Board) -> Any:
    """The SDK's dashboard model of this board."""
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .timezone("utc")
        .time("now-7d", "now")
        .refresh("30s")
        .readonly()
        .link(
            dashboard.DashboardLink("The bot's dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .keep_time(True)
            .include_vars(True)
        )
    )
    for name, label, sql, several in _VARIABLES:
        variable = (
            dashboard.QueryVariable(name)
            .label(label)
            .query(sql)
            .datasource(SOURCE)
            .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
            .multi(several)
            .include_all(several)
        )
        if several:
            variable = variable.current(VariableOption(selected=True, text="All", value="$__all"))
        built = built.with_variable(variable)
    built = built.with_variable(dashboard.TextBoxVariable("cycle").label("Cycle id"))
    for panel, place in zip(board.panels, places(board.panels), strict=True):
        built = built.with_panel(draw(panel).grid_pos(place))
    return built.build()
