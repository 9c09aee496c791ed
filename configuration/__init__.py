"""The settings by subject: a module has the fields of one and what may stand there; `settings.py` joins them."""
