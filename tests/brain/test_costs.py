"""What a call costs, to the last digit; what has no price is refused."""

from decimal import Decimal

import pytest

from brain.costs import UnknownModel, Unpriced, Usage, cost, worst_case

M = 1_000_000


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("claude-opus-5-5", Usage(input=M), "4"),
        ("claude-opus-5-5", Usage(output=M), "20"),
        ("claude-opus-5-5", Usage(cache_write_5m=M), "5"),
        ("claude-opus-5-5", Usage(cache_write_1h=M), "8"),
        ("claude-opus-5-5", Usage(cache_read=M), "0.20"),
        ("claude-opus-5-5", Usage(input=1200, output=800, cache_read=3000), "0.0214"),
        ("claude-haiku-5-5", Usage(input=100_000, output=1), "0.0100005"),
        ("claude-haiku-5-5", Usage(input=100_001), "0.0500005"),
        ("claude-haiku-5-5", Usage(input=60_000, cache_read=40_001), "0.03200005"),
        ("sonar-pro", Usage(input=1000, output=1000), "0.032"),
        ("sonar-pro", Usage(input=1000, output=1000, reported_usd=Decimal("0.0069")), "0.0069"),
        ("claude-opus-5-5", Usage(), "0"),
    ],
)
def test_cost_of_a_call(model: str, usage: Usage, usd: str) -> None:
    assert cost(model, usage) == Decimal(usd)


def test_an_unknown_model_is_refused_not_free() -> None:
    with pytest.raises(UnknownModel, match="gpt-9"):
        cost("gpt-9", Usage())
    with pytest.raises(UnknownModel):
        worst_case("gpt-9", 1, 1)


def test_a_kind_of_token_without_a_price_is_refused_not_free() -> None:
    with pytest.raises(Unpriced, match="cache_read"):
        cost("sonar-pro", Usage(cache_read=1))


def test_the_worst_case_covers_the_whole_prompt_written_to_the_cache_and_the_longest_answer() -> None:
    worst = worst_case("claude-opus-5-5", 20_000, 6000)
    assert worst > cost("claude-opus-5-5", Usage(cache_write_1h=10_000, output=6000))
    assert worst < Decimal("0.21")
