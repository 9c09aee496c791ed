"""Orders that were acknowledged but queries cannot see yet (switch `order_visibility_delay_ms`, wall time)."""

from collections.abc import Sequence
from typing import Any


class Visibility:
    """Remembers acknowledgements for `delay_ms`; with 0 nothing is ever hidden."""

    def __init__(self, delay_ms: int) -> None:
        self._delay_ms = delay_ms
        self._acknowledged: dict[str, int] = {}

    def note(self, rows: Sequence[dict[str, Any]], wall: int) -> None:
        """Orders acknowledged at wall time `wall`: rows with an `ordId`."""
        if self._delay_ms:
            for row in rows:
                if row.get("ordId"):
                    self._acknowledged[row["ordId"]] = wall

    def hidden(self, wall: int) -> set[str]:
        """Order ids queries may not see yet."""
        for ord_id in [o for o, at in self._acknowledged.items() if wall - at >= self._delay_ms]:
            del self._acknowledged[ord_id]
        return set(self._acknowledged)
