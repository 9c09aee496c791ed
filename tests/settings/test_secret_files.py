"""Secrets by file: read like the variable itself, refused in one line that never holds the content."""

import pytest

from settings import SettingsError, load_settings


def load(**environ: str):
    return load_settings(environ, dotenv=False)


def test_a_file_stands_for_its_variable(tmp_path):
    (tmp_path / "key").write_text("sk-secret\n")
    settings = load(ANTHROPIC_API_KEY_FILE=str(tmp_path / "key"), PAPER_SPEED="1")
    assert settings.anthropic_api_key.get_secret_value() == "sk-secret"
    assert settings.analyst_in_use == "claude"


def test_okx_keys_may_come_from_files(tmp_path):
    names = ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE")
    for name in names:
        (tmp_path / name).write_text(f"the {name}")
    settings = load(TRADING_MODE="demo", **{f"{name}_FILE": str(tmp_path / name) for name in names})
    assert settings.okx_secret_key.get_secret_value() == "the OKX_SECRET_KEY"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read: No such file"), ("", "is empty"), ("  \n", "is empty")]
)
def test_a_file_that_is_no_good_is_named(tmp_path, content, said):
    if content is not None:
        (tmp_path / "key").write_text(content)
    with pytest.raises(SettingsError, match=f"ANTHROPIC_API_KEY_FILE: .*{said}"):
        load(ANTHROPIC_API_KEY_FILE=str(tmp_path / "key"))


def test_both_ways_at_once_are_refused(tmp_path):
    (tmp_path / "key").write_text("sk-secret")
    with pytest.raises(SettingsError, match="given twice") as refusal:
        load(ANTHROPIC_API_KEY="sk-other", ANTHROPIC_API_KEY_FILE=str(tmp_path / "key"))
    assert "sk-" not in str(refusal.value)


def test_paper_takes_okx_keys_by_no_way(tmp_path):
    (tmp_path / "key").write_text("k")
    assert not hasattr(load(OKX_API_KEY_FILE=str(tmp_path / "key")), "okx_api_key")


def test_among_containers_the_exchange_is_the_one_of_that_name():
    urls = {"DATABASE_URL": "postgresql://d", "REDIS_URL": "redis://r"}
    assert load(INFRASTRUCTURE="compose", **urls).okx_rest_url == "http://exchange:8080"
    with pytest.raises(SettingsError, match="required by INFRASTRUCTURE=compose"):
        load(INFRASTRUCTURE="compose")
