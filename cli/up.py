"""`okxbot up`: start everything, then show the live status until told to stop."""

import importlib.util
import signal

from cli.progress import Progress
from runtime.errors import OperatorError
from runtime.session import run_session
from settings import AnySettings, load_settings


def _view(settings: AnySettings) -> None:
    if importlib.util.find_spec("cli.status") is None:
        while True:
            signal.pause()
    from cli.status import live_view

    live_view(settings)


def run_up(*, detach: bool, seconds: float | None) -> None:
    if detach and seconds is not None:
        raise OperatorError("--detach and --for exclude each other: a detached bot runs until `okxbot down`")
    settings = load_settings()
    progress = Progress("starting")
    progress.say(f"okxbot, {settings.trading_mode}, analyst {settings.analyst_in_use}, home {settings.okxbot_home}")
    try:
        run_session(
            settings, detach=detach, seconds=seconds, say=progress.say, view=_view, quiet=progress.quiet
        )
    finally:
        progress.quiet()
