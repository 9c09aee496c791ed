"""`python -m soak.bring_up [--down] [--everything]`: the whole bot of OKXBOT_HOME, to be disturbed; as `okxbot up`
starts it detached.

The same supervisor and the same services, but for those no order needs (models, Flower, Telegram; `--everything`: but
for Telegram), and an exchange whose faults may be ordered and whose switches may be changed.
"""

import dataclasses
import sys

from runtime.environment import Plan
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.services import Service, services_for
from runtime.session import last_plan, run_session
from runtime.takedown import take_down
from settings import SettingsError, load_settings

LEFT_OUT = ("haiku", "opus", "perplexity", "reflection", "flower", "metrics", "telegram")


def table(plan: Plan) -> list[Service]:
    """The services of a bot to be disturbed."""
    left_out = ("telegram",) if "--everything" in sys.argv else LEFT_OUT
    found = []
    for service in services_for(plan):
        if service.name in left_out:
            continue
        if service.name == "exchange":
            start = service.argv.index("paper") + 1
            switches = str(plan.home.run / "switches.json")
            argv = (sys.executable, "-m", "soak.switched_exchange", switches, *service.argv[start:], "--admin")
            service = dataclasses.replace(service, argv=argv)
        found.append(service)
    return found


def main() -> int:
    """Exit status 0, or 2 and a line on stderr."""
    try:
        settings = load_settings()
        home = Home(settings.okxbot_home)
        if "--down" in sys.argv:
            plan = last_plan(settings, home)
            take_down(home, table(plan) if plan else [], print, plan.dsn if plan else None)
        else:
            run_session(
                settings, detach=True, seconds=None, say=print, view=lambda _: None, quiet=lambda: None, table=table
            )
    except (OperatorError, SettingsError) as trouble:
        sys.stderr.write(f"soak: {trouble}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
