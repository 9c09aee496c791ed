"""Builds the brain a process needs from its settings. The SDKs are imported only where they are used."""

from importlib import import_module

from brain.analyst import Analyst
from brain.reflection import Reflector
from brain.research import Researcher
from brain.rules_analyst import RulesAnalyst
from brain.screening import Screener
from models.session import SessionFactory
from settings import AnySettings
from trading.clock import Clock


def build_analyst(settings: AnySettings, sessions: SessionFactory, clock: Clock, account_id: int) -> Analyst:
    """The analyst the settings name: `claude` with a key, otherwise the rules."""
    if settings.analyst_in_use == "rules":
        return RulesAnalyst()
    from brain.claude.opus import OpusAnalyst

    return OpusAnalyst.from_settings(settings, sessions, clock, account_id)


def build_screener(settings: AnySettings, sessions: SessionFactory, clock: Clock, account_id: int) -> Screener | None:
    """Haiku, or None when the rules decide: they cost nothing to ask."""
    if settings.analyst_in_use == "rules":
        return None
    from brain.claude.haiku import HaikuScreener

    return HaikuScreener.from_settings(settings, sessions, clock, account_id)


def build_researcher(
    settings: AnySettings, sessions: SessionFactory, clock: Clock, account_id: int
) -> Researcher | None:
    """Perplexity, or None without its key or when the rules decide, who cannot read."""
    if settings.analyst_in_use == "rules" or settings.perplexity_api_key is None:
        return None
    from brain.perplexity_research import PerplexityResearcher

    return PerplexityResearcher.from_settings(settings, sessions, clock, account_id)


def build_reflector(settings: AnySettings, sessions: SessionFactory, clock: Clock, account_id: int) -> Reflector:
    """Opus where Opus decides, otherwise the rules."""
    if settings.analyst_in_use == "rules":
        from brain.rules.reflection import RulesReflector

        return RulesReflector()
    from brain.claude.reflection import OpusReflector

    return OpusReflector.from_settings(settings, sessions, clock, account_id)


def warm(settings: AnySettings, service: str) -> None:
    """Import the SDK this worker will use: seconds on a busy machine, which no decision's deadline should pay."""
    if settings.analyst_in_use == "rules":
        return
    if service in ("opus", "haiku", "reflection"):
        import_module("anthropic")
    elif service == "perplexity" and settings.perplexity_api_key is not None:
        import_module("perplexity")
