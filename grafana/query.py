"""A query to PostgreSQL as Grafana's data source takes it; the SDK has no class for it."""

from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

DATASOURCE_UID = "okxbot-postgres"
SOURCE = DataSourceRef(type_val="grafana-postgresql-datasource", uid=DATASOURCE_UID)


@dataclass(frozen=True)
class PostgresQuery(Dataquery):
    """One SQL statement. `format_` is `time_series` (a column `time`, sorted) or `table`."""

    sql: str
    format_: str
    ref_id: str = "A"

    def to_json(self) -> dict[str, Any]:
        """The target as dashboard JSON wants it."""
        return {
            "refId": self.ref_id,
            "datasource": SOURCE,
            "editorMode": "code",
            "format": self.format_,
            "rawQuery": True,
            "rawSql": self.sql,
        }


class Query(Builder[Dataquery]):
    """Hands a finished query to the SDK's panels, which ask for a builder."""

    def __init__(self, query: PostgresQuery) -> None:
        self._query = query

    def build(self) -> Dataquery:
        """The query."""
        return self._query
