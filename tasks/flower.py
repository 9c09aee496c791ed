"""`python -m tasks.flower`: Flower, read-only, on loopback, behind a password.

The password comes in the environment (`FLOWER_BASIC_AUTH`), never on the command line.
"""

import os
import shelve
import shutil
import sys
from pathlib import Path

# structlog imports rich wherever it is installed; a service's log is JSON.
sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

from secret_files import SecretFileError, secret  # noqa: E402
from settings import load_settings  # noqa: E402


def _memory() -> Path | None:
    """Where Flower keeps what it has seen over a restart; None where it may not write.

    A file that a crash has broken is thrown away.
    """
    folder = load_settings().okxbot_home / "flower"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        structlog.get_logger().warning("flower_forgets", error=str(error))
        return None
    path = folder / "seen"
    try:
        with shelve.open(str(path)) as kept:
            kept.get("events")
    except Exception as error:  # noqa: BLE001 - whatever a half-written file may raise; it holds nothing but a view
        structlog.get_logger().warning("flower_begins_anew", error=repr(error))
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
    return path


def main() -> int:
    """Serve until told to stop. Refuses to start without a password: Flower's interface could start tasks."""
    os.environ["OKXBOT_SERVICE"] = "flower"
    try:
        # Flower itself reads the variable only.
        os.environ["FLOWER_BASIC_AUTH"] = secret("FLOWER_BASIC_AUTH")
        os.environ.pop("FLOWER_BASIC_AUTH_FILE", None)
    except SecretFileError as trouble:
        sys.stderr.write(f"okxbot: {trouble}\n")
        return 2
    if ":" not in os.environ["FLOWER_BASIC_AUTH"]:
        sys.stderr.write("okxbot: flower needs FLOWER_BASIC_AUTH=user:password in its environment\n")
        return 2
    import click
    from celery.bin.base import CLIContext
    from flower.command import flower
    from flower.urls import handlers
    from tornado.ioloop import IOLoop

    from tasks.app import app, own_logging

    own_logging()
    # Flower shows these figures to whoever asks, without its password; the bot has an endpoint of its own (`metrics`).
    handlers[:] = [each for each in handlers if not (isinstance(each, tuple) and each[0] == "/metrics")]
    # Its own user in Redis may watch and not put tasks into queues.
    if broker := secret("FLOWER_BROKER_URL"):
        app.conf.broker_url = broker
    # Called without Celery's command line, which imports every command there is.
    context = CLIContext(app=app, no_color=True, workdir=None, quiet=True)
    arguments = [
        f"--port={os.environ.get('FLOWER_PORT', '5555')}",
        f"--address={os.environ.get('FLOWER_ADDRESS', '127.0.0.1')}",
        "--read_only=True",
        "--purge_offline_workers=60",
        # It would otherwise hold a hundred thousand.
        "--max_tasks=5000",
        "--logging=none",
    ]
    if (memory := _memory()) is not None:
        arguments += ["--persistent=True", f"--db={memory}", "--state_save_interval=60000"]
    if ready_file := os.environ.get("OKXBOT_READY_FILE"):
        # The loop runs once Flower listens; whoever started it learns so that its port was not lost to another program.
        IOLoop.current().add_callback(Path(ready_file).touch)
    try:
        parent = click.Context(click.Command("celery"))
        with flower.make_context("flower", arguments, parent=parent, obj=context) as invocation:
            flower.invoke(invocation)
    except SystemExit as stop:
        return int(stop.code or 0)
    structlog.get_logger().info("shutdown_complete")
    return 0


if __name__ == "__main__":
    sys.exit(main())
