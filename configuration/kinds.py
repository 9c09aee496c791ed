"""Kinds of values that several subjects use."""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

Percent = Annotated[Decimal, Field(gt=0, le=100)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


def split_at_commas(value: object) -> object:
    """A comma-separated text as its parts; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


AtCommas = BeforeValidator(split_at_commas)
