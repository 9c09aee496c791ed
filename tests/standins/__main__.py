"""Both stand-ins until Ctrl-C, for trying the claude analyst offline: `python -m tests.standins`.

Prints the settings that make a bot talk to them. Haiku passes everything, Opus holds everything.
"""

import signal

from tests.standins.anthropic_api import AnthropicStandin
from tests.standins.perplexity_api import PerplexityStandin

with AnthropicStandin() as anthropic, PerplexityStandin() as perplexity:
    print(f"export ANTHROPIC_BASE_URL={anthropic.url} ANTHROPIC_API_KEY={anthropic.key}")
    print(f"export PERPLEXITY_BASE_URL={perplexity.url} PERPLEXITY_API_KEY={perplexity.key}", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
