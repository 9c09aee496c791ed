"""Who decides: analysts and models."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from configuration.kinds import Seconds


class Analysts(BaseModel):
    """Who decides: analysts and models."""

    analyst: Literal["auto", "rules", "claude"] = Field(
        "auto", description="auto: claude if ANTHROPIC_API_KEY is set, otherwise the built-in rules."
    )
    anthropic_api_key: SecretStr | None = Field(None, description="Key for Opus and Haiku.")
    anthropic_base_url: str = Field("https://api.anthropic.com", description="Anthropic API, or a stand-in.")
    perplexity_api_key: SecretStr | None = Field(None, description="Key for research; without it none is done.")
    perplexity_base_url: str = Field("https://api.perplexity.ai", description="Perplexity API, or a stand-in.")
    opus_model: str = Field("claude-opus-5-5", description="Model that decides and reflects.")
    haiku_model: str = Field("claude-haiku-5-5", description="Model that screens.")
    perplexity_model: str = Field("sonar-pro", description="Model that researches.")
    opus_effort: Literal["low", "medium", "high"] = Field("low", description="Thinking effort asked of Opus.")
    opus_max_tokens: int = Field(6000, ge=500, le=128_000, description="Output limit of a decision, thinking included.")
    opus_budget_s: Seconds = Field(30, description="One deadline over all tries of a decision; then HOLD.")
    reflection_max_tokens: int = Field(
        16000, ge=1000, le=128_000, description="Output limit of a reflection, thinking included."
    )
    reflection_budget_s: Annotated[float, Field(ge=1, le=240)] = Field(
        180, description="One deadline over all tries of a deep reflection; then the playbook stays as it is."
    )
    haiku_budget_s: Seconds = Field(6, description="One deadline over all tries of a screening; then it passes.")
    haiku_audit_pct: Annotated[Decimal, Field(ge=0, le=100)] = Field(
        Decimal(2), description="Share of what Haiku screens out that goes to Opus all the same, to know its misses, %."
    )
    perplexity_budget_s: Seconds = Field(15, description="One deadline over all tries of a research question.")
    llm_daily_budget_usd: Annotated[Decimal, Field(ge=0, le=1_000_000)] = Field(
        Decimal(10), description="Model spend per UTC day; spent means HOLD."
    )

    @property
    def analyst_in_use(self) -> Literal["rules", "claude"]:
        """Which analyst decides, `auto` resolved."""
        if self.analyst != "auto":
            return self.analyst
        return "claude" if self.anthropic_api_key is not None else "rules"
