"""The analysts that are models of Anthropic: Opus decides, Haiku screens."""
