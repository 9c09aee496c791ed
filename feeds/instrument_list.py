"""Which instruments are followed: INSTRUMENTS of the settings, read again when a `.env` file changes.

What cannot be read, or names what the exchange does not list, is said once and changes nothing.
"""

from collections.abc import Callable
from pathlib import Path

import structlog

from exchange.errors import ReadFailed
from settings import CHECKOUT, AnySettings, SettingsError, load_settings

logger = structlog.get_logger()


class InstrumentList:
    """`verify` raises ReadFailed for instruments that the exchange does not list."""

    def __init__(self, settings: AnySettings, verify: Callable[[tuple[str, ...]], object]) -> None:
        self.current = settings.instruments
        self._verify = verify
        self._files = (CHECKOUT / ".env", settings.okxbot_home / ".env")
        self._stamps = self._look()

    def changed(self) -> bool:
        """Whether `current` is another list than at the last call."""
        stamps = self._look()
        if stamps == self._stamps:
            return False
        try:
            wanted = load_settings().instruments
            if wanted != self.current:
                self._verify(wanted)
        except SettingsError as wrong:
            logger.warning("instruments_unchanged", reason=str(wrong))
            self._stamps = stamps
            return False
        except ReadFailed as failed:
            logger.warning("instruments_unchanged", reason=str(failed))
            if failed.code == "51001":  # the exchange has answered; otherwise it is asked again
                self._stamps = stamps
            return False
        self._stamps = stamps
        before, self.current = self.current, wanted
        return wanted != before

    def _look(self) -> tuple[int | None, ...]:
        return tuple(_changed_at(path) for path in self._files)


def _changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
