"""All stand-ins until Ctrl-C, for trying the claude analyst and Telegram offline: `python -m tests.standins`.

Prints the settings that make a bot talk to them. Haiku passes everything, Opus holds everything; what the bot says on
Telegram is printed.
"""

import signal

from tests.standins.anthropic_api import AnthropicStandin
from tests.standins.perplexity_api import PerplexityStandin
from tests.standins.telegram_api import TOKEN, TelegramStandin

with AnthropicStandin() as anthropic, PerplexityStandin() as perplexity, TelegramStandin() as telegram:
    print(f"export ANTHROPIC_BASE_URL={anthropic.url} ANTHROPIC_API_KEY={anthropic.key}")
    print(f"export PERPLEXITY_BASE_URL={perplexity.url} PERPLEXITY_API_KEY={perplexity.key}")
    print(f"export TELEGRAM_BASE_URL={telegram.url} TELEGRAM_BOT_TOKEN={TOKEN} TELEGRAM_ADMIN_IDS=1", flush=True)
    telegram.on_said = lambda said: print(f"-- telegram, to {said.chat_id}:\n{said.text}", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
