"""`python -m runtime.containers STEP`: what `okxbot up` does itself and containers need somebody to do.

`migrate`: brings the schema up, lets the bot's and the dashboards' roles log in, waits for the exchange and binds the
account; exit status 0 when a bot may trade on it. `exchange`: becomes the paper exchange of the settings.
Failure: exit status 2 and one line. Times are wall seconds.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from runtime.bringup import ACCOUNT_CHECK
from runtime.environment import Plan, plan_of
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.migrate import upgrade_to_head
from runtime.roles import BOT, READER, let_log_in
from runtime.services import exchange_argv
from secret_files import secret
from settings import AnySettings, PaperSettings, SettingsError, load_settings

EXCHANGE_WITHIN = 120
PORT = 8080


def migrate(settings: AnySettings) -> None:
    """Schema, roles, account."""
    plan = plan_of(settings, Home(settings.okxbot_home))
    before, after = upgrade_to_head(plan.owner_url)
    sys.stdout.write(f"schema {after}" + ("\n" if before == after else f", was {before or 'empty'}\n"))
    sys.stdout.flush()
    if settings.database_owner_url is not None:
        let_log_in(plan.owner_url, BOT, urlsplit(plan.database_url).password or "")
    if reader := secret("DATABASE_READER_PASSWORD"):
        let_log_in(plan.owner_url, READER, reader)
    _wait_for_exchange(plan)
    answer = subprocess.run(ACCOUNT_CHECK, check=False, timeout=180)
    if answer.returncode != 0:
        raise OperatorError("the account check failed (see the line above); nothing trades")


def _wait_for_exchange(plan: Plan) -> None:
    deadline = time.monotonic() + EXCHANGE_WITHIN
    while True:
        try:
            with urllib.request.urlopen(f"{plan.okx_rest_url}/api/v5/public/time", timeout=5):
                return
        except (urllib.error.URLError, OSError) as trouble:
            if time.monotonic() > deadline:
                hint = "; is COMPOSE_PROFILES=paper set in .env?" if plan.paper else "; check the network"
                raise OperatorError(f"{plan.okx_rest_url} is not reached ({trouble}){hint}") from None
        time.sleep(1)


def exchange(settings: AnySettings) -> None:
    """Become the paper exchange, open to the other containers; its admin port stays inside."""
    if not isinstance(settings, PaperSettings):
        raise OperatorError(
            f"TRADING_MODE={settings.trading_mode} has no paper exchange: empty COMPOSE_PROFILES in .env"
        )
    # Where live prices are read is OKX itself, not, as for the bot, this exchange.
    fields = PaperSettings.model_fields
    okx = {name: fields[name].default for name in ("okx_rest_url", "okx_ws_url")}
    data = Home(settings.okxbot_home).exchange
    os.execv(
        sys.executable, exchange_argv(settings.model_copy(update=okx), "0.0.0.0", PORT, data, settings.paper_market)
    )


STEPS: dict[str, Callable[[AnySettings], None]] = {"migrate": migrate, "exchange": exchange}


def main() -> int:
    step = STEPS.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if step is None:
        sys.stderr.write(f"okxbot: name a step: {', '.join(STEPS)}\n")
        return 2
    try:
        step(load_settings())
    except (OperatorError, SettingsError) as trouble:
        sys.stderr.write(f"okxbot: {trouble}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
