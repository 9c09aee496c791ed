"""`python -m pipeline.replay CYCLE` and `--whatif CYCLE …`: what `okxbot replay` and `okxbot whatif` run.

The database is named by DATABASE_URL. Exit 0: the same; 1: something differs; 2: refused, with one line.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from brain import costs
from brain.calls import ModelCalls
from brain.claude.client import AnthropicProvider
from brain.claude.opus import OpusAnalyst
from brain.ledger import Ledger
from brain.replay import NoNetwork, ReplayCalls, ReplayMiss
from brain.rules_analyst import RulesAnalyst
from brain.wire import canonical
from models import Account
from models.session import SessionFactory, build_engine, build_sessions
from pipeline import replaying
from pipeline.replaying import Otherwise, StoredCycle
from settings import AnySettings, SettingsError, load_settings
from trading.clock import WallClock
from trading.gate.verdict import Limits


def main(arguments: Sequence[str]) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="okxbot replay")
    parser.add_argument("cycle", type=int)
    parser.add_argument("--whatif", action="store_true")
    parser.add_argument("--analyst", choices=("rules", "claude"))
    parser.add_argument("--model")
    parser.add_argument("--prompt-version")
    parser.add_argument("--limit", action="append", default=[])
    parser.add_argument("--ask", action="store_true")
    given = parser.parse_args(arguments)
    # What is printed is for a person; a call's log line is in the ledger.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        settings = load_settings()
        assert settings.database_url is not None, "DATABASE_URL is set by `okxbot replay`"
        engine = build_engine(settings.database_url.get_secret_value())
        sessions = build_sessions(engine)
        with sessions() as session:
            account_id = session.scalars(select(Account.id)).one()
        stored = replaying.load_cycle(sessions, account_id, given.cycle)
        if not given.whatif:
            return _replay(sessions, settings, stored)
        otherwise = Otherwise(given.analyst, given.model, given.prompt_version, _limits(given.limit, settings))
        return _whatif(sessions, settings, stored, otherwise, ask=given.ask)
    except (ReplayMiss, LookupError, SettingsError, _Refused) as refusal:
        print(f"okxbot: {refusal.args[0] if refusal.args else refusal}", file=sys.stderr)
        return 2


class _Refused(ValueError):
    """A wish that cannot be granted; `str()` says why."""


def _limits(given: list[str], settings: AnySettings) -> tuple[tuple[str, str], ...]:
    pairs, fields = [], type(settings).model_fields
    for item in given:
        name, sign, value = item.partition("=")
        if not sign or name.lower() not in Limits.model_fields:
            raise _Refused(f"--limit {item}: write NAME=VALUE; names: {', '.join(Limits.model_fields)}")
        try:
            # Named and bounded as the setting of that name.
            setting = fields[name.lower()]
            bounded: Any = Annotated[setting.annotation, *setting.metadata]
            TypeAdapter(bounded).validate_python(value)
        except ValidationError as error:
            raise _Refused(f"--limit {item}: {error.errors()[0]['msg']}") from None
        pairs.append((name.lower(), value))
    return tuple(pairs)


def _head(stored: StoredCycle) -> str:
    cycle = stored.cycle
    return f"cycle {cycle.id}  {cycle.inst_id}  {cycle.slot:%Y-%m-%d %H:%M} UTC  analyst={cycle.analyst}"


def _replay(sessions: SessionFactory, settings: AnySettings, stored: StoredCycle) -> int:
    steps = replaying.replay(sessions, settings, stored)
    print(_head(stored))
    for step in steps:
        print(f"{step.name:<10} {'same     ' if step.same else 'DIFFERENT'}  {step.then}")
        if not step.same:
            print(f"{'':<10} now        {step.now}")
    same = all(step.same for step in steps)
    print("the same bytes, without network" if same else "the code that decides has changed since")
    return 0 if same else 1


def _whatif(
    sessions: SessionFactory, settings: AnySettings, stored: StoredCycle, otherwise: Otherwise, *, ask: bool
) -> int:
    then = stored.cycle.decision
    if then is None:
        raise _Refused(f"cycle {stored.cycle.id} came to no decision: {stored.cycle.reason or stored.cycle.stage}")
    decision, note = then, ""
    if otherwise.decides_anew:
        analyst, note = _analyst(sessions, settings, stored, otherwise, ask=ask)
        result = replaying.decide_otherwise(stored, analyst)
        decision = result.decision.model_dump(mode="json")
        note += "" if result.outcome == "decided" else f" (nobody decided: {result.reason})"
    try:
        verdict = replaying.judged_otherwise(sessions, stored, decision, otherwise.limits)
    except ValidationError as error:
        raise _Refused(f"--limit {error.errors()[0]['loc'][-1]}: {error.errors()[0]['msg']}") from None
    print(_head(stored))
    print(f"decision   then  {replaying.decision_line(then)}")
    print(f"           if    {replaying.decision_line(decision)}{note}")
    if decision is not then:
        print(f"           why   {decision['reasoning'][:300]}")
    was = stored.verdicts[-1].reason if stored.verdicts else "the gate was not asked"
    if decision["action"] == "HOLD":
        print(f"gate       then  {was}\n           if    nothing to judge")
        return 0
    if verdict is None:
        print(f"gate       then  {was}\n           if    unknown: the gate never judged {stored.cycle.inst_id}")
        return 0
    print(f"gate       then  {was}\n           if    {replaying.verdict_line(verdict)}")
    known = {c["name"]: c for c in stored.verdicts[-1].checks} if stored.verdicts else {}
    for check in verdict.checks:
        before = known.get(check.name)
        if before and (before["effect"], before["limit"]) != (check.effect, check.limit):
            was, limit = before["effect"], before["limit"]
            print(f"  {check.name:<20} {was} (limit {limit}) → {check.effect} (limit {check.limit})")
    return 0


def _analyst(
    sessions: SessionFactory, settings: AnySettings, stored: StoredCycle, otherwise: Otherwise, *, ask: bool
) -> tuple[RulesAnalyst | OpusAnalyst, str]:
    """Who decides otherwise, and a note about where the answer is from. Asking costs money: only when allowed."""
    wanted = otherwise.analyst or ("claude" if otherwise.model or otherwise.prompt_version else stored.cycle.analyst)
    if wanted == "rules":
        if otherwise.model or otherwise.prompt_version:
            raise _Refused("the rules ask no model: --model and --prompt-version go with --analyst claude")
        return RulesAnalyst(), ""
    terms, prompts = replaying.other_request(stored, settings, otherwise)
    offline = OpusAnalyst(
        terms, NoNetwork("anthropic"), ReplayCalls(sessions, ("whatif", "decide")), budget_s=1, prompts=prompts,
        purpose="whatif",
    )  # fmt: skip
    try:
        replaying.decide_otherwise(stored, offline)
    except ReplayMiss:
        worst = costs.worst_case(terms.model, len(canonical(offline.body(stored.request()))), terms.max_tokens)
    else:
        return offline, "   (from the store)"
    if not ask:
        raise _Refused(
            f"no stored answer for this: add --ask to ask {terms.model} once, at most {worst:.4f} USD of today's budget"
        )
    if settings.anthropic_api_key is None:
        raise _Refused("--ask needs ANTHROPIC_API_KEY")
    provider = AnthropicProvider(settings.anthropic_api_key, settings.anthropic_base_url)
    ledger = Ledger(sessions, WallClock(), stored.cycle.account_id, settings.llm_daily_budget_usd)
    return OpusAnalyst(
        terms, provider, ModelCalls(ledger), budget_s=settings.opus_budget_s, prompts=prompts, purpose="whatif"
    ), f"   (asked {terms.model} now)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
