"""`okxbot down`: stop the bot of this home, detached, in a terminal or left behind by a crash."""

import os
import signal
import time

from cli.progress import Progress
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.leftovers import find_leftovers
from runtime.services import services_for
from runtime.session import last_plan
from runtime.takedown import take_down
from settings import load_settings

_FOREGROUND_WITHIN = 180


def run_down() -> None:
    settings = load_settings()
    if settings.infrastructure == "compose":
        raise OperatorError("the services of this bot are containers: stop them with `docker compose stop`")
    home = Home(settings.okxbot_home)
    if not home.run.is_dir():
        print(f"no bot was ever started in {home.folder}")
        return
    progress = Progress("stopping")
    try:
        with home.up_lock as lock:
            if not lock.take():
                _ask_the_foreground(home, progress)
                return
            if not home.supervisor_lock.is_held() and not find_leftovers(home):
                progress.say(f"no bot runs in {home.folder}")
                return
            plan = last_plan(settings, home)
            take_down(home, services_for(plan) if plan else [], progress.say, plan.dsn if plan else None)
            progress.say("everything stopped")
    finally:
        progress.quiet()


def _ask_the_foreground(home: Home, progress: Progress) -> None:
    """An `okxbot up` in some terminal holds the bot: it stops it itself, in order, when asked."""
    bot = home.running_bot()
    if bot is None or bot.detached:
        raise OperatorError(f"another okxbot command works on {home.folder} just now; try again when it is done")
    progress.say(f"asking process {bot.pid} to stop")
    try:
        os.kill(bot.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it ended just now, and lets go of the home
    except PermissionError:
        raise OperatorError(f"the bot of {home.folder} belongs to another user (process {bot.pid})") from None
    deadline = time.monotonic() + _FOREGROUND_WITHIN
    while home.up_lock.is_held():
        if time.monotonic() > deadline:
            raise OperatorError(f"process {bot.pid} did not stop within {_FOREGROUND_WITHIN} s; see {home.logs}")
        time.sleep(0.1)
    progress.say("everything stopped")
