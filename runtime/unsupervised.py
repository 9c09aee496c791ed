"""A bot whose supervisor was killed: its services trade on, and nothing restarts what fails.

Contract: `unsupervised(home)` names the services that live although no supervisor of this home does and no `okxbot up`
or `down` is at it; empty among containers, which have none. PostgreSQL and Redis alone are no bot: commands on a
stopped bot start them, too.
"""

from runtime.home import Home
from runtime.leftovers import SUPERVISOR, find_leftovers

_SERVERS = {"postgres", "redis"}


def unsupervised(home: Home, *, compose: bool = False) -> list[str]:
    if compose or not home.run.is_dir() or home.supervisor_lock.is_held() or home.up_lock.is_held():
        return []
    return sorted({each.service for each in find_leftovers(home)} - _SERVERS - {SUPERVISOR})


def unsupervised_words(names: list[str]) -> str:
    """What that means, and what to do."""
    return (
        f"no supervisor answers though services live ({', '.join(names)}): nothing restarts what fails; "
        "`okxbot up` stops them in order and starts the bot anew"
    )
