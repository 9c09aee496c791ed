"""`python -m soak.switched_exchange FILE …`: the paper exchange under the switches FILE names just now (JSON)."""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Become the exchange. A file that is not there means no switches."""
    file, rest = Path(sys.argv[1]), sys.argv[2:]
    switches = json.loads(file.read_text()) if file.exists() else {}
    given = [part for name, value in switches.items() for part in ("--switch", f"{name}={value}")]
    os.execv(sys.executable, [sys.executable, "-m", "paper", *rest, *given])


if __name__ == "__main__":
    main()
