"""Alerts on their way to people: gathered from everywhere, planned by rules, worded, delivered and remembered."""
