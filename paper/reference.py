"""`python -m paper.reference`: write the tables of docs/paper-exchange.md anew from the code."""

from pathlib import Path

from paper.faults import menu_table
from paper.switches import switch_table

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "paper-exchange.md"
TABLES = {"faults": menu_table, "switches": switch_table}


def with_tables(text: str) -> str:
    """The document with each table between its two markers as the code has it now."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        if found:
            text = f"{before}{begin}\n{table()}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
