"""OKX lists come in pages, newest first; `after=ID` continues with older rows."""

from collections.abc import Callable

from exchange.errors import ReadFailed
from exchange.fields import Row, required_text
from exchange.retry import read
from exchange.transport import Envelope

PAGE = 100
MOST_PAGES = 100


def all_rows(
    what: str, page: Callable[[str], Envelope], id_field: str, until: Callable[[Row], bool] | None = None
) -> list[Row]:
    """Every row of a list, newest first, up to and excluding the first for which `until` holds.

    A list that does not end is refused: half a list would read as absence. Raises ReadFailed.
    """
    rows: list[Row] = []
    after = ""
    for _ in range(MOST_PAGES):
        cursor = after
        batch = read(what, lambda cursor=cursor: page(cursor)).data  # type: ignore[misc]
        for row in batch:
            if until is not None and until(row):
                return rows
            rows.append(row)
        if len(batch) < PAGE:
            return rows
        after = required_text(batch[-1], id_field, what)
    raise ReadFailed(f"{what}: more than {MOST_PAGES} pages")
