"""The `.env` files: beside the sources, and in the home of a bot."""

from pathlib import Path

from dotenv import dotenv_values

from configuration.refusals import SettingsError


def values_of_env_files(checkout: Path, home: str) -> dict[str, str]:
    """Settings by name; the home's file comes before the checkout's. Raises SettingsError."""
    values: dict[str, str] = {}
    try:
        folders = (checkout, Path(home).expanduser())
    except RuntimeError:
        raise SettingsError(f"OKXBOT_HOME: there is no such user's home on this machine: {home}") from None
    for folder in folders:
        path = folder / ".env"
        if path.is_file():
            values |= _read_dotenv(path)
    return values


def _read_dotenv(path: Path) -> dict[str, str]:
    try:
        return {k.upper(): v for k, v in dotenv_values(path).items() if v is not None and v != ""}
    except OSError as trouble:
        raise SettingsError(f"{path}: cannot be read: {trouble.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
