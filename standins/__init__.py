"""Stand-ins for the services the bot talks to: Anthropic, Perplexity, Telegram.

Local servers with the real wire format, the real refusals and a menu of faults. Tests ask them, and `okxbot standins`
runs them for a bot without keys. What they answer is made up; nothing they say is worth money.
"""
