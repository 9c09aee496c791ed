"""The rules stand behind the same interface as Claude, and the SDKs stay away from processes that do not ask."""

import subprocess
import sys
from pathlib import Path

from brain.build import build_analyst, build_researcher
from models.session import SessionFactory
from settings import load_settings
from standins.anthropic_api import AnthropicStandin
from tests.brain.conftest import INST, make_request
from trading.clock import WallClock


def test_without_a_key_the_rules_decide_and_say_so(sessions: SessionFactory, clock: WallClock, account_id: int) -> None:
    settings = load_settings({}, dotenv=False)
    analyst = build_analyst(settings, sessions, clock, account_id)
    result = analyst.decide(make_request())
    assert (analyst.name, result.outcome, result.llm_call_id) == ("rules", "decided", None)
    assert result.decision.inst_id == INST
    assert result.reason == result.decision.reasoning != ""
    assert build_researcher(settings, sessions, clock, account_id) is None


def test_with_a_key_claude_decides(
    sessions: SessionFactory, clock: WallClock, account_id: int, anthropic_api: AnthropicStandin
) -> None:
    values = {"ANTHROPIC_API_KEY": anthropic_api.key, "ANTHROPIC_BASE_URL": anthropic_api.url}
    settings = load_settings(values, dotenv=False)
    assert build_analyst(settings, sessions, clock, account_id).name == "claude"
    assert build_researcher(settings, sessions, clock, account_id) is None  # no Perplexity key


def test_building_the_brain_imports_no_sdk(checkout: Path) -> None:
    code = (
        "import sys, brain.build, brain.claude.opus, brain.claude.haiku, brain.perplexity_research\n"
        "sys.exit(', '.join({'anthropic', 'perplexity', 'httpx', 'httpx2'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
