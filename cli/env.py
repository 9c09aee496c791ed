"""`okxbot env`: what other programs need to look into the running bot, as shell exports.

Contract: the only command that prints secrets. `DATABASE_URL` is in the form psql and libpq read; the key is that of
the paper account, or in demo and live the one the settings hold.
"""

import shlex

from runtime.environment import paper_account, plan_of
from runtime.errors import OperatorError
from runtime.home import Home
from settings import OkxSettings, load_settings


def print_environment() -> None:
    settings = load_settings()
    home = Home(settings.okxbot_home)
    if not home.run.is_dir() or not home.supervisor_lock.is_held():
        raise OperatorError(f"no bot runs in {home.folder}; start one with `okxbot up`")
    plan = plan_of(settings, home)
    values = {
        "DATABASE_URL": plan.dsn,
        "REDIS_URL": plan.operator_redis_url,
        "OKX_REST_URL": plan.okx_rest_url,
        "OKX_WS_URL": plan.okx_ws_url,
    }
    if isinstance(settings, OkxSettings):
        values["OKX_API_KEY"] = settings.okx_api_key.get_secret_value()
        values["OKX_SECRET_KEY"] = settings.okx_secret_key.get_secret_value()
        values["OKX_PASSPHRASE"] = settings.okx_passphrase.get_secret_value()
    else:
        account = paper_account(plan)
        values["OKX_API_KEY"] = account["api_key"]
        values["OKX_SECRET_KEY"] = account["secret_key"]
        values["OKX_PASSPHRASE"] = account["passphrase"]
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")
