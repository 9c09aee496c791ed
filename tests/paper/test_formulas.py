"""Numbers held against OKX's own worked examples and recorded replies."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paper.engine.position import Position
from paper.instruments import CATALOGUE
from paper.market.bars import grid
from paper.market.path import paths, steps_for
from paper.market.synthetic import SyntheticSource
from paper.numbers import parse, text
from paper.server.auth import sign
from paper.server.hub import checksum

ETH = replace(CATALOGUE["ETH-USDT-SWAP"], mmr=Decimal("0.008"))


def test_margin_ratio_and_liquidation_price_of_the_official_example() -> None:
    """15 contracts at 1597.74, mark 1584.33, maintenance 0.8 %: ratio 11.719278 and liquidation 1438.73803607."""
    position = Position("ETH-USDT-SWAP", "isolated", "net", "1", Decimal(10), Decimal(15), Decimal("1597.74"))
    mark, fee = Decimal("1584.33"), Decimal("0.0005")
    position.margin = Decimal("256.8464")
    ratio = position.margin_ratio(ETH, mark, fee)
    liquidation = position.liquidation_price(ETH, position.margin, fee)
    assert ratio is not None
    assert liquidation is not None
    assert ratio == pytest.approx(Decimal("11.719278"), rel=Decimal("1e-5"))
    assert liquidation == pytest.approx(Decimal("1438.7380360728976"), rel=Decimal("1e-6"))
    position_at_liquidation = position.margin_ratio(ETH, liquidation, fee)
    assert position_at_liquidation == pytest.approx(Decimal(1), rel=Decimal("1e-20"))


def test_book_checksum_follows_the_documented_string() -> None:
    book = {"bids": [["3366.1", "7"], ["3366", "6"]], "asks": [["3366.8", "9"], ["3368", "8"]]}
    assert checksum(book) == -1881014294


def test_signature_is_base64_hmac_sha256() -> None:
    assert sign("key", b"The quick brown fox jumps over the lazy dog") == "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg="


@pytest.mark.parametrize(
    "value, shown", [("0E-12", "0"), ("100", "100"), ("1E+3", "1000"), ("0.10", "0.1"), ("-0.0000001", "-0.0000001")]
)
def test_numbers_are_plain_strings(value: str, shown: str) -> None:
    assert text(Decimal(value)) == shown


@pytest.mark.parametrize("value", ["abc", "NaN", "Infinity", True, "1e99", "--1"])
def test_what_is_not_a_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        parse(value)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_path_stays_in_its_bar_and_touches_all_four_prices(seed: int) -> None:
    source = SyntheticSource({"BTC-USDT-SWAP": CATALOGUE["BTC-USDT-SWAP"]}, seed, 1440)
    source.ensure(1440)
    series = source.series("BTC-USDT-SWAP")
    for steps in (steps_for(60_000), steps_for(300_000)):
        walk = paths(series, 0, 500, steps, seed, "BTC-USDT-SWAP")
        assert (walk[:, 0] == series.open[:500]).all()
        assert (walk[:, -1] == series.close[:500]).all()
        assert (walk.max(axis=1) == series.high[:500]).all()
        assert (walk.min(axis=1) == series.low[:500]).all()


def test_one_instruments_prices_do_not_depend_on_which_others_are_listed() -> None:
    alone = SyntheticSource({"SOL-USDT-SWAP": CATALOGUE["SOL-USDT-SWAP"]}, 5, 1440)
    together = SyntheticSource({k: CATALOGUE[k] for k in ("BTC-USDT-SWAP", "SOL-USDT-SWAP")}, 5, 1440)
    for source in (alone, together):
        source.ensure(3000)
    assert (alone.series("SOL-USDT-SWAP").close == together.series("SOL-USDT-SWAP").close).all()


@pytest.mark.parametrize(
    "bar, at, opened",
    [
        ("5m", 1_700_000_123_000, 1_700_000_100_000),
        ("4H", 1_700_000_123_000, 1_699_992_000_000),
        ("1Dutc", 1_700_000_123_000, 1_699_920_000_000),
        ("1D", 1_700_000_123_000, 1_699_977_600_000),
        ("1Wutc", 1_700_000_123_000, 1_699_833_600_000),
        ("1Mutc", 1_700_000_123_000, 1_698_796_800_000),
        ("1M", 1_700_000_123_000, 1_698_768_000_000),
    ],
)
def test_bars_open_on_okx_grid(bar: str, at: int, opened: int) -> None:
    found = grid(bar)
    assert found is not None
    assert found.open_of(at) == opened


@pytest.mark.parametrize("name", ["7m", "5mutc", "2M", "", "5M", "1s"])
def test_bars_not_offered_are_unknown(name: str) -> None:
    assert grid(name) is None


def test_months_are_the_calendars() -> None:
    found = grid("1Mutc")
    assert found is not None
    opened = found.open_of(1_709_164_800_000)  # 29 February 2024
    assert [found.from_open(opened, bars) for bars in (-2, 0, 1)] == [
        1_701_388_800_000, 1_706_745_600_000, 1_709_251_200_000,
    ]  # fmt: skip
    assert found.opens(opened, found.from_open(opened, 2)) == [found.from_open(opened, bars) for bars in range(3)]
    assert found.open_of(10**19) > found.open_of(10**14)
