"""`python -m tasks.beat`: the one scheduler. It sends short ticks; the jobs find their slots themselves."""

import os
import sys
from pathlib import Path
from typing import ClassVar

from celery.beat import Scheduler


class SeenScheduler(Scheduler):  # type: ignore[misc]
    """Remembers nothing over a restart, for the jobs find their slots in the database; touches `file` at each tick."""

    file: ClassVar[Path]

    def tick(self, *args: object, **kwargs: object) -> float:
        self.file.touch()
        return float(super().tick(*args, **kwargs))


def main() -> int:
    """Run beat until it is told to stop."""
    os.environ["OKXBOT_SERVICE"] = "beat"
    # structlog imports rich wherever it is installed; a service's log is JSON.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog

    from settings import load_settings
    from tasks.app import app

    app.conf.task_send_sent_event = False  # a tick is no news
    home = load_settings().okxbot_home
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        SeenScheduler.file = folder / "beat.tick"
        app.Beat(scheduler=SeenScheduler, loglevel="WARNING", quiet=True).run()
    except SystemExit as stop:
        if stop.code not in (0, None):
            raise
    structlog.get_logger().info("shutdown_complete")
    return 0


if __name__ == "__main__":
    sys.exit(main())
