"""What Grafana does to a statement before PostgreSQL gets it: macros and variables replaced."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class View:
    """What somebody looks at: a span of time, the variables' values, and the time one point of a graph stands for."""

    start: datetime
    end: datetime
    instruments: Sequence[str]
    versions: Sequence[str] = ()
    cycle: str = ""
    interval: str = "1h"

    def expand(self, sql: str) -> str:
        """`sql` as PostgreSQL gets it. Raises ValueError for a macro or variable that is not known here."""
        start, end = (f"'{at.isoformat()}'" for at in (self.start, self.end))
        sql = re.sub(r"\$__timeFilter\(([^)]+)\)", rf"\1 BETWEEN {start} AND {end}", sql)
        for name, value in (
            ("$__timeFrom()", start),
            ("$__interval", self.interval),
            ("$instrument", _quoted(self.instruments)),
            ("$playbook", _quoted(self.versions)),
            ("$cycle", self.cycle),
        ):
            sql = sql.replace(name, value)
        if "$" in sql:
            raise ValueError(f"a macro or variable is left: {sql}")
        return sql


def _quoted(values: Sequence[str]) -> str:
    return ",".join(f"'{value}'" for value in values) or "''"
