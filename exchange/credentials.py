"""API credentials of one OKX account, from settings or from the paper account's key file.

A paper process reads them from the file the paper exchange wrote; it has no setting that could hold live
ones.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from exchange.errors import CredentialsMissing
from settings import AnySettings, PaperSettings


@dataclass(frozen=True, slots=True)
class Credentials:
    """Key, secret and passphrase; none of them appears in a repr."""

    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    passphrase: str = field(repr=False)


def paper_account_path(settings: PaperSettings) -> Path:
    """Where the paper exchange keeps the key file of the account."""
    return settings.paper_account_file or settings.okxbot_home / "exchange" / "account.json"


def load_paper_credentials(path: Path) -> Credentials:
    """Read the key file written by the paper exchange. Raises CredentialsMissing in one line."""
    try:
        content = json.loads(path.read_text())
        return Credentials(content["api_key"], content["secret_key"], content["passphrase"])
    except FileNotFoundError:
        raise CredentialsMissing(f"{path}: no key file of a paper account; start the paper exchange first") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        # The chained error may quote the file's content: only its type is told.
        raise CredentialsMissing(f"{path}: not a readable key file ({type(error).__name__})") from None


def load_credentials(settings: AnySettings) -> Credentials:
    """Credentials of the account these settings trade. Raises CredentialsMissing."""
    if isinstance(settings, PaperSettings):
        return load_paper_credentials(paper_account_path(settings))
    return Credentials(
        settings.okx_api_key.get_secret_value(),
        settings.okx_secret_key.get_secret_value(),
        settings.okx_passphrase.get_secret_value(),
    )
