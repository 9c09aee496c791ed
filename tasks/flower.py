"""`python -m tasks.flower`: Flower, read-only, on loopback, behind a password.

The password comes in the environment (`FLOWER_BASIC_AUTH`), never on the command line.
"""

import os
import sys


def main() -> int:
    """Serve until told to stop. Refuses to start without a password: Flower's interface could start tasks."""
    os.environ["OKXBOT_SERVICE"] = "flower"
    if ":" not in os.environ.get("FLOWER_BASIC_AUTH", ""):
        sys.stderr.write("okxbot: flower needs FLOWER_BASIC_AUTH=user:password in its environment\n")
        return 2
    port = os.environ.get("FLOWER_PORT", "5555")
    address = os.environ.get("FLOWER_ADDRESS", "127.0.0.1")
    from tasks.app import app, own_logging

    own_logging()
    arguments = ["flower", f"--port={port}", f"--address={address}", "--read_only=True", "--purge_offline_workers=60",
                 "--logging=none"]  # fmt: skip
    try:
        app.start(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    import structlog

    structlog.get_logger().info("shutdown_complete")
    return 0


if __name__ == "__main__":
    sys.exit(main())
