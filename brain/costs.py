"""What a model call costs: prices from `prices.toml`, tokens from the provider's own usage. USD, exact.

A model without a price raises `UnknownModel`, a kind of token without one raises `Unpriced`: nothing is free because
we do not know better.
"""

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PRICES = Path(__file__).with_name("prices.toml")
PER_TOKEN = Decimal(1_000_000)
# No tokenizer of these models makes more tokens than this of ordinary text; JSON and figures are the dense end.
BYTES_PER_TOKEN_AT_LEAST = 2

Price = Annotated[Decimal, Field(ge=0)]
# What a provider may claim of one call; more is not believed, and the call costs its reservation.
TokenCount = Annotated[int, Field(ge=0, le=100_000_000)]
MOST_USD = 1000


class UnknownModel(LookupError):
    """The model has no price on record."""


class Unpriced(LookupError):
    """The model has a price, but not for this kind of token."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input` excludes what was written to or read from the cache.

    `reported_usd` is what the provider says it billed, where it says so.
    """

    input: int = 0
    output: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    reported_usd: Decimal | None = None

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input + self.cache_write + self.cache_read


class _Tier(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    input: Price
    output: Price
    cache_write_5m: Price | None = None
    cache_write_1h: Price | None = None
    cache_read: Price | None = None
    up_to_prompt_tokens: int | None = None

    @property
    def dearest_input(self) -> Decimal:
        return max(p for p in (self.input, self.cache_write_5m, self.cache_write_1h) if p is not None)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    provider: str
    source: str
    request_fee: Price = Decimal(0)
    tiers: tuple[_Tier, ...]

    def tier(self, prompt_tokens: int) -> _Tier:
        return next(t for t in self.tiers if t.up_to_prompt_tokens is None or prompt_tokens <= t.up_to_prompt_tokens)


@cache
def _models() -> dict[str, _Model]:
    data = tomllib.loads(PRICES.read_text(), parse_float=Decimal)
    return {name: _Model.model_validate(entry) for name, entry in data["models"].items()}


def _priced(model: str) -> _Model:
    try:
        return _models()[model]
    except KeyError:
        raise UnknownModel(f"no price on record for model {model!r} (brain/prices.toml)") from None


def cost(model: str, usage: Usage) -> Decimal:
    """USD of one call. Raises UnknownModel or Unpriced."""
    priced = _priced(model)
    if usage.reported_usd is not None:
        return usage.reported_usd
    tier = priced.tier(usage.prompt)
    total = priced.request_fee * PER_TOKEN
    for kind in ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read"):
        tokens, price = getattr(usage, kind), getattr(tier, kind)
        if tokens and price is None:
            raise Unpriced(f"no price on record for {kind} tokens of {model!r}")
        total += tokens * (price or Decimal(0))
    return total / PER_TOKEN


def worst_case(model: str, prompt_bytes: int, max_output_tokens: int) -> Decimal:
    """USD one try may cost at most: the whole prompt at the dearest input price, the output in full length.

    Raises UnknownModel.
    """
    priced = _priced(model)
    tokens = prompt_bytes // BYTES_PER_TOKEN_AT_LEAST + 1
    tier = priced.tier(tokens)
    return (tokens * tier.dearest_input + max_output_tokens * tier.output) / PER_TOKEN + priced.request_fee
