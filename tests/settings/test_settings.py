"""Settings: what is refused, and in which words."""

from decimal import Decimal
from pathlib import Path

import pytest

from runtime.configuration_reference import configuration_markdown, env_example
from settings import CHECKOUT, DemoSettings, PaperSettings, SettingsError, load_settings

OKX = {"OKX_API_KEY": "k", "OKX_SECRET_KEY": "s", "OKX_PASSPHRASE": "p"}


def load(**environ: str):
    return load_settings(environ, dotenv=False)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TRADING_MODE": "casino"}, "TRADING_MODE: must be one of paper, demo, live, not 'casino'"),
        ({"PAPER_SPEDE": "60"}, "PAPER_SPEDE: is not a setting (environment); did you mean PAPER_SPEED?"),
        ({"PAPER_SPEED": "fast"}, "PAPER_SPEED: must be a number from 0.1 to 2000, or lockstep"),
        ({"INSTRUMENTS": "BTC-USD"}, "INSTRUMENTS: must name USDT-margined swaps such as BTC-USDT-SWAP, not BTC-USD"),
        ({"INSTRUMENTS": "BTC-USDT-SWAP,BTC-USDT-SWAP"}, "INSTRUMENTS: names an instrument twice"),
        ({"ANALYST": "claude"}, "ANTHROPIC_API_KEY: is required by ANALYST=claude; set it, or ANALYST=rules"),
        ({"ANTHROPIC_API_KEY": "k"},
         "PAPER_SPEED: must be 1 with the claude analyst on the real API; set PAPER_SPEED=1 or ANALYST=rules"),
        ({"TRADING_MODE": "demo", **OKX, "PAPER_SPEED": "1"}, "PAPER_SPEED: is not a setting (TRADING_MODE=demo)"),
        ({"TRADING_MODE": "demo"}, "OKX_API_KEY: is required by TRADING_MODE=demo"),
        ({"TRADING_MODE": "live", **OKX}, "LIVE_ACCOUNT_UID: is required by TRADING_MODE=live"),
        ({"TRADING_MODE": "live", **OKX, "ENTRY_LIMIT": "rest"}, "ENTRY_LIMIT: must be fok in live trading"),
        ({"FRESH_TICKER_S": "inf"}, "FRESH_TICKER_S: must be a number above 0 up to 3,600, not 'inf'"),
        ({"DAILY_LOSS_HALT_PTC": "9"}, "DAILY_LOSS_HALT_PTC: is not a setting (environment); did you mean"),
        ({"TRADING_MODE": "demo", **OKX, "OKX_REST_URL": "http://x"}, "OKX_REST_URL: must be https:// or wss://"),
        ({"MAX_LEVERAGE": "0"}, "MAX_LEVERAGE: must be a number from 1 up to 125, not '0'"),
        ({"PAPER_EQUITY": "1e400"}, "PAPER_EQUITY: must be a number above 0 below 1,000,000,000,000, not '1e400'"),
        ({"MAX_LEVERAGE": "1e400"}, "MAX_LEVERAGE: must be a number from 1 up to 125, not '1e400'"),
        ({"LEVERAGE": "x"}, "LEVERAGE: must be a whole number from 1 up to 100, not 'x'"),
        ({"LEVERAGE": "500"}, "LEVERAGE: must be a whole number from 1 up to 100, not '500'"),
        ({"MIN_REWARD_RISK": "x"}, "MIN_REWARD_RISK: must be a number above 0 up to 100, not 'x'"),
        ({"ANALYST": "oracle"}, "ANALYST: must be auto, rules or claude, not 'oracle'"),
        ({"HALT_CLEARS_ON_RESTART": "often"}, "HALT_CLEARS_ON_RESTART: must be true or false, not 'often'"),
        ({"TELEGRAM_USER_IDS": "me"}, "TELEGRAM_USER_IDS: must be a whole number, not 'me'"),
        ({"PAPER_MARKET": "prices.csv"}, "PAPER_MARKET: prices.csv does not name its instrument"),
        ({"INFRASTRUCTURE": "external"}, "DATABASE_URL and REDIS_URL: are required by INFRASTRUCTURE=external"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_by_name(environ: dict[str, str], said: str):
    with pytest.raises(SettingsError) as refused:
        load(**environ)
    assert said in str(refused.value).splitlines()[0]


def test_every_number_has_both_bounds():
    """A number nobody can mean, as 1e400, is refused here rather than by the first arithmetic."""
    found = [(name, field) for kind in (PaperSettings, DemoSettings) for name, field in kind.model_fields.items()]
    numbers = {name: field for name, field in found if field.annotation in (int, float, Decimal, int | None)}
    assert len(numbers) > 30
    for name, field in numbers.items():
        bounds = {bound for each in field.metadata for bound in ("ge", "gt", "le", "lt") if hasattr(each, bound)}
        assert len(bounds) == 2, f"{name}: {bounds}"


def test_every_problem_is_said_at_once():
    with pytest.raises(SettingsError) as refused:
        load(PAPER_SPEED="x", MAX_OPEN_POSITIONS="many")
    assert {line.split(":")[0] for line in str(refused.value).splitlines()} == {"PAPER_SPEED", "MAX_OPEN_POSITIONS"}


def test_paper_has_no_field_that_could_hold_live_credentials():
    settings = load(**OKX)
    assert isinstance(settings, PaperSettings)
    assert not any(
        "okx_api" in name or "secret" in name or "passphrase" in name for name in type(settings).model_fields
    )


def test_secrets_do_not_show():
    settings = load(TRADING_MODE="demo", OKX_API_KEY="visible1", OKX_SECRET_KEY="visible2", OKX_PASSPHRASE="visible3")
    assert isinstance(settings, DemoSettings)
    assert "visible" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_wrong_secret_is_not_quoted_in_the_refusal():
    with pytest.raises(SettingsError) as refused:
        load(DATABASE_URL="mysql://u:visible@h/d")
    assert "visible" not in str(refused.value)
    assert str(refused.value) == "DATABASE_URL: must start with postgresql://"


def test_unknown_key_in_env_file_is_refused(tmp_path: Path):
    (tmp_path / ".env").write_text("MAX_LEVERAGE=2\nMAX_LEVERAG=2\n")
    with pytest.raises(SettingsError, match=r"MAX_LEVERAG: is not a setting \(.env\); did you mean MAX_LEVERAGE\?"):
        load_settings({"OKXBOT_HOME": str(tmp_path)})


def test_environment_wins_over_env_file(tmp_path: Path):
    (tmp_path / ".env").write_text("MAX_LEVERAGE=2\nLEVERAGE=2\n")
    settings = load_settings({"OKXBOT_HOME": str(tmp_path), "MAX_LEVERAGE": "3"})
    assert (settings.max_leverage, settings.leverage) == (3, 2)


def test_instruments_follow_the_candle_files():
    settings = load(PAPER_MARKET="/data/okx_BTC-USDT-SWAP_5m.csv.gz,ETH-USDT-SWAP=/data/other.csv")
    assert settings.instruments == ("BTC-USDT-SWAP", "ETH-USDT-SWAP")


def test_generated_files_are_current():
    assert (CHECKOUT / "docs" / "configuration.md").read_text() == configuration_markdown()
    assert (CHECKOUT / ".env.example").read_text() == env_example()
