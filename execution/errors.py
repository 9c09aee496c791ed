"""What execution refuses, each fit to show to a person in one line."""


class Refused(RuntimeError):
    """The account, the database or the state of the bot does not allow this. `str()` says what and what to do."""


class DuplicateIntent(RuntimeError):
    """An intent with this identity, or another open entry in the instrument, exists already. Nothing was written."""
