"""Analysts and what they need: rules, Claude, screening, research, prompts, costs, replay."""
