"""`okxbot up`: start everything, then show the live status until told to stop."""

import time

from cli.doctor import check_market
from cli.progress import Progress
from cli.status import live_view
from runtime.errors import OperatorError
from runtime.session import run_session
from settings import AnySettings, load_settings

_VIEW_AGAIN_AFTER = 5.0


def run_up(*, detach: bool, seconds: float | None) -> None:
    if detach and seconds is not None:
        raise OperatorError("--detach and --for exclude each other: a detached bot runs until `okxbot down`")
    settings = load_settings()
    check_market(settings)  # before a database is made for it
    progress = Progress("starting")
    progress.say(f"okxbot, {settings.trading_mode}, analyst {settings.analyst_in_use}, home {settings.okxbot_home}")

    def view(found: AnySettings) -> None:
        """Show the status for ever. A defect of the view is reported and never ends the bot it shows."""
        while True:
            try:
                with progress.screen_taken():
                    live_view(found)
            except Exception as defect:  # noqa: BLE001 (said at once; the trading goes on without a picture of it)
                progress.say(f"the status view failed ({type(defect).__name__}: {defect}); the bot runs on")
            time.sleep(_VIEW_AGAIN_AFTER)

    try:
        run_session(settings, detach=detach, seconds=seconds, say=progress.say, view=view, quiet=progress.quiet)
    finally:
        progress.quiet()
