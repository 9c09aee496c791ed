"""Credentials come from the paper account's key file or from settings, and never show themselves."""

import json
from pathlib import Path

import pytest

from exchange.credentials import Credentials, load_credentials, load_paper_credentials
from exchange.errors import CredentialsMissing
from settings import load_settings

KEYS = {"api_key": "k-1", "secret_key": "s-2", "passphrase": "p-3"}


def test_paper_account_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps({"uid": "1", **KEYS}))
    settings = load_settings({"PAPER_ACCOUNT_FILE": str(path)}, dotenv=False)
    assert load_credentials(settings) == Credentials("k-1", "s-2", "p-3")


def test_demo_account_is_read_from_settings() -> None:
    environment = {"TRADING_MODE": "demo", "OKX_API_KEY": "k-1", "OKX_SECRET_KEY": "s-2", "OKX_PASSPHRASE": "p-3"}
    assert load_credentials(load_settings(environment, dotenv=False)) == Credentials("k-1", "s-2", "p-3")


@pytest.mark.parametrize("content", [None, "{", "[]", '{"api_key": "k-1"}'])
def test_unusable_file_is_named_without_its_content(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CredentialsMissing, match=r"account\.json") as caught:
        load_paper_credentials(path)
    assert "k-1" not in str(caught.value)


def test_no_secret_shows_in_a_repr() -> None:
    assert not any(secret in repr(Credentials(**KEYS)) for secret in KEYS.values())
