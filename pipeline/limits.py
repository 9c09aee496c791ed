"""The gate's limits from the settings: each limit is the setting of its name."""

from settings import AnySettings
from trading.gate.verdict import Limits


def limits_of(settings: AnySettings) -> Limits:
    """The limits `settings` sets. Raises ValidationError naming a limit no setting is called by."""
    return Limits.model_validate(settings, from_attributes=True)
