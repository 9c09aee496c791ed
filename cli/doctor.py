"""`okxbot doctor`: everything a user can get wrong, one line each, with the mend where something is.

Contract: a check returns its good news, or raises `OperatorError` with what is wrong and what to do, or `Remark` with
what hinders nothing; none changes anything that runs. Exit status 1 if any check fails. Nothing secret is shown.
"""

import os
import platform
import re
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path

from runtime.environment import needed_ports
from runtime.errors import OperatorError
from runtime.home import LEAST_FREE_MB, Home
from runtime.orphans import find_orphans
from runtime.ports import HOST, is_free
from runtime.postgres_binaries import postgres_programs, version_of
from runtime.redis_server import program_version, redis_program
from runtime.unprivileged import STATE_FOLDERS, unprivileged_user
from runtime.unsupervised import unsupervised, unsupervised_words
from settings import CHECKOUT, AnySettings, PaperSettings, SettingsError, load_settings
from trading.clock import wall_now
from trading.orders import AccountConfig

MOST_SKEW_S = 5
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[.*\])?==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")

Check = tuple[str, Callable[[], str]]


class Remark(Exception):
    """Worth a line, and no failure."""


def run_doctor() -> int:
    """Print one line per check; 0 if all is well."""
    failures = 0
    for name, check in _checks():
        try:
            print(f"✓ {name}: {check()}")
        except Remark as remark:
            print(f"! {name}: {remark}")
        except (OperatorError, SettingsError) as trouble:
            failures += 1
            for line in str(trouble).splitlines():
                print(f"✗ {name}: {line}")
    return 1 if failures else 0


def _checks() -> Iterator[Check]:
    yield "python", check_python
    yield "dependencies", check_dependencies
    yield "postgresql", check_postgres
    yield "redis", check_redis
    yield "settings", lambda: check_settings(load_settings())
    try:
        settings = load_settings()
    except SettingsError:
        return
    home = Home(settings.okxbot_home)
    yield "home", lambda: check_home(home)
    yield "disk", lambda: check_disk(home)
    yield "ports", lambda: check_ports(settings, home)
    yield "analyst", lambda: check_analyst(settings)
    yield "market", lambda: check_market(settings)
    if not isinstance(settings, PaperSettings):
        yield "exchange and clock", lambda: check_exchange(settings.okx_rest_url)
        yield "API key", lambda: check_key(settings)
    yield "old databases", check_orphans
    yield "bot", lambda: check_bot(home, compose=settings.infrastructure == "compose")


def check_python() -> str:
    return f"{platform.python_version()} at {sys.executable}"


def check_dependencies(lock: Path = CHECKOUT / "requirements.lock") -> str:
    """What is installed is what the lock names."""
    from packaging.markers import Marker

    if not lock.exists():
        return f"okxbot {metadata.version('okxbot')}, installed from a package: its installer chose the versions"

    wrong, right = [], 0
    for line in lock.read_text().splitlines():
        pinned = _PINNED.match(line)
        if pinned is None or (pinned[3] and not Marker(pinned[3]).evaluate()):
            continue
        try:
            found = metadata.version(pinned[1])
        except metadata.PackageNotFoundError:
            found = "missing"
        if found == pinned[2]:
            right += 1
        else:
            wrong.append(f"{pinned[1]} {found} (locked {pinned[2]})")
    if wrong:
        shown = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise OperatorError(f"not in step with {lock.name}: {shown}; run `make install`")
    return f"{right} packages as locked"


def check_postgres() -> str:
    user = unprivileged_user()
    programs = postgres_programs(user)
    return f"{version_of(programs, user)} runs" + (f" (as {user.name})" if user else "")


def check_redis() -> str:
    return f"{program_version(redis_program())} runs"


def check_settings(settings: AnySettings) -> str:
    return f"valid, mode {settings.trading_mode}, instruments {', '.join(settings.instruments)}"


def check_home(home: Home) -> str:
    if not home.folder.exists():
        above = next(each for each in home.folder.parents if each.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise OperatorError(f"{home.folder} cannot be made in {above}; choose another folder with OKXBOT_HOME")
        return f"{home.folder} will be made at the first start"
    home.prepare()
    home.secrets()
    return f"{home.folder} is writable"


def check_disk(home: Home) -> str:
    free = home.free_mb()
    if free < LEAST_FREE_MB:
        raise OperatorError(f"{free} MB free for {home.folder}, {LEAST_FREE_MB} MB are needed; free some space")
    return f"{free / 1024:.1f} GB free for {home.folder}"


def check_ports(settings: AnySettings, home: Home) -> str:
    """Ports the operator demands must be free, unless the bot of this home has them."""
    ours = set(home.remembered_ports().values()) if _runs(home) or unsupervised(home) else set()
    demanded = {name: getattr(settings, f"{name}_port") for name in needed_ports(settings)}
    for name, port in demanded.items():
        if port is not None and port not in ours and not is_free(port):
            raise OperatorError(
                f"{port} ({name.upper()}_PORT) is taken by another program; choose another, or unset it"
            )
    with socket.socket() as probe:
        try:
            probe.bind((HOST, 0))
        except OSError as trouble:
            raise OperatorError(f"nothing can listen on {HOST}: {trouble.strerror}") from trouble
    fixed = [f"{name} {port}" for name, port in demanded.items() if port is not None]
    return ", ".join(fixed) + " free" if fixed else f"free ones are found for {', '.join(demanded)}"


def check_analyst(settings: AnySettings) -> str:
    if settings.analyst_in_use == "rules":
        return "rules (no ANTHROPIC_API_KEY: the built-in rules decide)" if settings.analyst == "auto" else "rules"
    research = "with research" if settings.perplexity_api_key else "without research (no PERPLEXITY_API_KEY)"
    return f"claude, {settings.opus_model} and {settings.haiku_model}, {research}"


def check_market(settings: AnySettings) -> str:
    if not isinstance(settings, PaperSettings):
        return f"OKX at {settings.okx_rest_url}"
    if settings.paper_market in ("synthetic", "okx"):
        return f"{settings.paper_market}, speed {settings.paper_speed}"
    for part in settings.paper_market.split(","):
        file = Path(part.strip().rpartition("=")[2]).expanduser()
        if not file.is_file():
            raise OperatorError(f"PAPER_MARKET: there is no file {file}; give a candle file, or synthetic")
    from paper.errors import StartRefused
    from paper.market.files import glance

    try:
        glance(settings.paper_market)
    except StartRefused as fault:
        raise OperatorError(f"PAPER_MARKET: {fault}") from None
    return f"candle files {settings.paper_market}, speed {settings.paper_speed}"


def check_exchange(rest_url: str) -> str:
    """Reached, and this machine's clock agrees with its answer's date."""
    try:
        with urllib.request.urlopen(f"{rest_url}/api/v5/public/time", timeout=10) as answer:
            date = answer.headers["Date"]
    except (urllib.error.URLError, OSError) as trouble:
        reason = getattr(trouble, "reason", trouble)
        raise OperatorError(f"{rest_url} is not reached ({reason}); check the network and OKX_REST_URL") from trouble
    if date is None:
        return f"{rest_url} answers"
    skew = abs((wall_now() - parsedate_to_datetime(date)).total_seconds())
    if skew > MOST_SKEW_S:
        raise OperatorError(f"this machine's clock is {skew:.0f} s off; orders would be refused; switch on NTP")
    return f"{rest_url} answers, the clock is right"


def check_key(settings: AnySettings) -> str:
    """It may trade, may not withdraw, and works from this machine's address only."""
    from exchange.client import OkxExchange
    from exchange.errors import ReadFailed

    try:
        config = OkxExchange.from_settings(settings).account_config()
    except ReadFailed as failure:
        raise OperatorError(f"the exchange does not accept it: {failure}") from None
    return judge_key(config)


def judge_key(config: AccountConfig) -> str:
    """What the exchange says of the key in use."""
    if "withdraw" in config.permissions:
        raise OperatorError("it may withdraw, the bot will not start with it: make one with read and trade permission")
    if "trade" not in config.permissions:
        raise OperatorError("it may not trade: give it the trade permission on OKX")
    if not config.linked_ips:
        raise OperatorError(
            "it works from any address: link it to this machine's IP address on OKX (API, edit the key)"
        )
    return f"account {config.uid}, {', '.join(config.permissions)}, from {', '.join(config.linked_ips)} only"


def check_orphans(state_folders: tuple[Path, ...] = STATE_FOLDERS) -> str:
    """What other homes have left behind is no fault of this bot."""
    orphans = find_orphans(state_folders)
    gone = [orphan for orphan in orphans if orphan.link is not None]
    unknown = f"; {len(orphans) - len(gone)} of homes not known" if len(orphans) > len(gone) else ""
    if gone:
        megabytes = sum(orphan.megabytes for orphan in gone)
        raise Remark(f"{len(gone)} of deleted homes, {megabytes} MB; `okxbot clean` lists and removes them{unknown}")
    return f"none left of deleted homes{unknown}"


def check_bot(home: Home, *, compose: bool = False) -> str:
    if alone := unsupervised(home, compose=compose):
        raise OperatorError(unsupervised_words(alone))
    if not _runs(home):
        return "not running"
    bot = home.running_bot()
    return f"running since {bot.since}, process {bot.pid}" if bot else "running"


def _runs(home: Home) -> bool:
    return home.run.is_dir() and home.supervisor_lock.is_held()
