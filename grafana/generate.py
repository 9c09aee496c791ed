"""`python -m grafana.generate`: write the JSON of dashboards and alert rules.

`--check` compares; `--owners` draws the owner's limits.
"""

import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.alarms import rules_json
from grafana.boards import health, opus, playbook, portfolio, positions, risk, strategies
from grafana.limits import Limits, default_limits, owners_limits
from grafana.panel import Board
from grafana.style import board_json

FOLDER = Path(__file__).parent / "dashboards"
RULES = Path(__file__).parent / "provisioning" / "alerting" / "rules.json"
_ROOMS = (portfolio, positions, strategies, opus, risk, health, playbook)


def boards(limits: Limits) -> tuple[Board, ...]:
    """The seven dashboards, in the order a person reads them."""
    return tuple(room.board(limits) for room in _ROOMS)


def rendered(limits: Limits) -> dict[str, str]:
    """File name to JSON text of every dashboard."""
    return {f"{board.uid}.json": json.dumps(_plain(board), sort_keys=True, indent=2) + "\n" for board in boards(limits)}


def _plain(board: Board) -> Any:
    made = json.loads(json.dumps(board_json(board), cls=JSONEncoder))
    for variable in made["templating"]["list"]:
        # The SDK gives every variable what only one of intervals has; Grafana's own types do not know it.
        for name in ("auto", "auto_count", "auto_min"):
            variable.pop(name, None)
    return made


def files(limits: Limits) -> dict[Path, str]:
    """Everything that is generated, by path."""
    rules = json.dumps(rules_json(limits), indent=2) + "\n"
    return {FOLDER / name: text for name, text in rendered(limits).items()} | {RULES: rules}


def main(arguments: list[str]) -> int:
    """Write, or with `--check` say which file is not what the generator makes and return 1."""
    made = files(owners_limits() if "--owners" in arguments else default_limits())
    stale = [path for path, text in made.items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"grafana/{path.relative_to(FOLDER.parent)} is stale: run python -m grafana.generate\n")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(made[path])
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
