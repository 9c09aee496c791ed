"""`python -m telegram_ui`: the Telegram bot, in a process of its own."""

import sys

from runtime.logs import configure
from settings import SettingsError, load_settings


def main() -> int:
    """Run until told to stop. Exit code 2 and one line where a setting is missing."""
    configure("telegram")
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"okxbot: {error}\n")
        return 2
    configure("telegram", settings.log_level, settings.log_format, settings.secret_values)
    if settings.telegram_bot_token is None:
        sys.stderr.write("okxbot: TELEGRAM_BOT_TOKEN is not set; the Telegram service needs it\n")
        return 2
    from telegram_ui.service import serve

    try:
        serve(settings)
    except OSError as trouble:
        sys.stderr.write(
            f"okxbot: the webhook cannot listen at {settings.telegram_webhook_listen}: {trouble.strerror}\n"
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
