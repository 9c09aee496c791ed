"""One panel as data: what it shows, in which unit, against which limit. `grafana.style` draws it."""

from dataclasses import dataclass
from inspect import cleandoc
from typing import Literal

Kind = Literal["timeseries", "stat", "table", "bars", "barchart", "state", "candles"]


@dataclass(frozen=True)
class Panel:
    """`limit` is drawn as a threshold; `money` colours the sign green and red; `drill` maps a column to a dashboard.

    Units are Grafana's ids (`currencyUSD`, `percent` for 0..100, `percentunit` for 0..1, `s`, `ms`, `short`).
    A limit is `above` (too much is bad) or `below` (too little is bad).
    """

    kind: Kind
    title: str
    description: str
    sql: str
    unit: str = "short"
    width: int = 8
    height: int = 7
    limit: float | None = None
    bad: Literal["above", "below"] = "above"
    money: bool = False
    drill: tuple[str, str, str] | None = None  # column, uid of the dashboard, its variable
    link: tuple[str, str] | None = None  # column, address
    hidden: tuple[str, ...] = ()  # columns a link needs and nobody wants to see
    series: tuple[str, ...] = ()  # names of a graph's series, each with a colour of its own
    marks: tuple[str, ...] = ()  # columns of a candle panel drawn as points
    bytes_of: tuple[str, ...] = ()  # columns of a table that hold bytes
    decimals: int | None = None

    @property
    def statement(self) -> str:
        """The SQL without the indentation of the source."""
        return cleandoc(self.sql)


@dataclass(frozen=True)
class Board:
    """One dashboard: `uid` is its stable address, `panels` flow left to right over 24 columns."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
