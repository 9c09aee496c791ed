"""`python -m grafana.generate`: write the dashboards' JSON. `--check` compares; `--owners` draws the owner's limits."""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.boards import health, opus, playbook, portfolio, positions, risk, strategies
from grafana.limits import Limits, default_limits, owners_limits
from grafana.panel import Board
from grafana.style import board_json

FOLDER = Path(__file__).parent / "dashboards"
_ROOMS = (portfolio, positions, strategies, opus, risk, health, playbook)


def boards(limits: Limits) -> tuple[Board, ...]:
    """The seven dashboards, in the order a person reads them."""
    return tuple(room.board(limits) for room in _ROOMS)


def rendered(limits: Limits) -> dict[str, str]:
    """File name to JSON text of every dashboard."""
    return {
        f"{board.uid}.json": json.dumps(board_json(board), cls=JSONEncoder, sort_keys=True, indent=2) + "\n"
        for board in boards(limits)
    }


def main(arguments: list[str]) -> int:
    """Write, or with `--check` say which file is not what the generator makes and return 1."""
    files = rendered(owners_limits() if "--owners" in arguments else default_limits())
    stale = [name for name, text in files.items()
             if not (FOLDER / name).is_file() or (FOLDER / name).read_text() != text]  # fmt: skip
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"grafana/dashboards/{name} is stale: run python -m grafana.generate\n")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(files[name])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
