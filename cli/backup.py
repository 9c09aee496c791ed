"""`okxbot backup` and `okxbot restore`: the bot's database into a file, and back.

A backup may be taken of a running bot at any time and of a stopped one; a restore wants it stopped.
"""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.progress import Progress
from runtime.backup import back_up, read_description, rotate
from runtime.database_alone import database_alone
from runtime.environment import Plan, plan_of, plan_ports
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.restore import restore
from runtime.roles import BOT, let_log_in
from runtime.unsupervised import unsupervised
from settings import AnySettings, load_settings


def run_backup(*, to: Path | None, keep: int) -> None:
    settings = load_settings()
    home = Home(settings.okxbot_home)
    folder = to.expanduser().absolute() if to is not None else home.folder / "backups"
    progress = Progress("backing up")
    try:
        with _reached(plan_of(settings, home)) as plan:
            path, description = back_up(_libpq(plan), folder)
        rows = ", ".join(f"{count} {table}" for table, count in description.rows.items())
        progress.say(f"{path} ({description.size / 2**20:.1f} MB): {rows}")
        for old in rotate(path, keep):
            progress.say(f"removed {old.name}: {keep} are kept")
    finally:
        progress.quiet()


def run_restore(*, file: Path) -> None:
    settings = load_settings()
    home = Home(settings.okxbot_home)
    path = file.expanduser().absolute()
    read_description(path)  # no home and no database are built for a file that is not there
    progress = Progress("restoring")
    try:
        with _reached(_prepared(settings, home)) as plan:
            restore(_libpq(plan), path, getpass.getuser(), progress.say)
            if plan.embedded:
                # In a cluster made just now nobody has let the bot's role in yet.
                let_log_in(plan.owner_url, BOT, plan.secrets.bot_database_password)
        start = "docker compose up -d" if settings.infrastructure == "compose" else "okxbot up"
        progress.say(f"restored; `{start}` reconciles with the exchange before anything trades")
    finally:
        progress.quiet()


def _prepared(settings: AnySettings, home: Home) -> Plan:
    """The plan of this home, made ready for a database where there is none yet; refuses on a running bot."""
    if settings.infrastructure != "embedded":
        return plan_of(settings, home)
    home.prepare()
    if home.supervisor_lock.is_held():
        raise OperatorError(f"the bot of {home.folder} runs; stop it with `okxbot down`, then restore")
    plan = Plan(settings, home, home.remembered_ports() or plan_ports(settings, home), home.secrets())
    plan.cluster.prepare()
    return plan


@contextmanager
def _reached(plan: Plan) -> Iterator[Plan]:
    """The plan by which its server answers; the embedded server of a stopped bot runs meanwhile."""
    if not plan.embedded or plan.home.supervisor_lock.is_held():
        yield plan
        return
    if left := unsupervised(plan.home):
        raise OperatorError(
            f"services of {plan.home.folder} live without a supervisor ({', '.join(left)}): `okxbot down` stops them "
            "in order; then try again"
        )
    with database_alone(plan) as alone:
        yield alone


def _libpq(plan: Plan) -> str:
    """The owner's connection."""
    return plan.owner_url.replace("postgresql+psycopg2://", "postgresql://", 1)
