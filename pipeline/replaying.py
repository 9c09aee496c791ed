"""A cycle run again from what is stored of it: no network, no exchange, no clock. And run otherwise, to compare.

`replay` makes every stage's input again and compares what comes out with what came out then. A model's answer is found
by the bytes of the request: a request that is no longer the same is refused (`ReplayMiss`), never sent. `whatif`
exchanges the analyst, the model, a prompt or a limit.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from brain.analyst import Analyst, DecisionRequest, DecisionResult, trades_of
from brain.calls import Calls
from brain.claude.haiku import HaikuScreener
from brain.claude.opus import OpusAnalyst
from brain.claude.reducer import FactReducer
from brain.prompts.decision import DecisionPrompts
from brain.replay import NoNetwork, ReplayCalls, ReplayMiss
from brain.research import ResearchRequest, Source
from brain.rules_analyst import RulesAnalyst
from brain.screening import ScreenRequest, bypass
from brain.terms import Terms
from models import DecisionCycle, LlmCall, PlaybookVersion, RiskVerdict
from models.session import SessionFactory
from pipeline.learning.evidence import source_of
from pipeline.occasions import stored_occasions
from pipeline.stored import StoredSnapshot, stored_findings, stored_snapshot
from settings import AnySettings
from trading.clock import WallClock
from trading.decision import ENTERING
from trading.gate.gate import judge
from trading.gate.verdict import GateInput, Verdict
from trading.instrument import Instrument
from trading.playbook import Playbook, SoftRules, soft_rules
from trading.playbook.lessons import expire


@dataclass(frozen=True, slots=True)
class Step:
    """One stage, then and now, in a line each. `same`: nothing of its result differs."""

    name: str
    then: str
    now: str
    same: bool


@dataclass(frozen=True, slots=True)
class StoredCycle:
    """Everything a cycle rested on."""

    cycle: DecisionCycle
    inputs: StoredSnapshot
    playbook: Playbook | None
    verdicts: tuple[RiskVerdict, ...]
    screen_model: str | None

    @property
    def considered(self) -> dict[str, Any]:
        """Beside the snapshot. Raises ReplayMiss where a model decided before such was kept."""
        if self.cycle.considered is None:
            raise ReplayMiss(f"cycle {self.cycle.id} does not say what its model was shown")
        return self.cycle.considered

    def request(self) -> DecisionRequest:
        """What its analyst was asked. Raises ReplayMiss."""
        if self.playbook is None or self.cycle.playbook_version is None:
            raise ReplayMiss(f"cycle {self.cycle.id} was not decided by an analyst")
        shown = self.cycle.considered or {}
        return DecisionRequest(
            cycle_id=self.cycle.id, market=self.inputs.market, account=self.inputs.account,
            history=self.inputs.history, playbook=self.playbook, playbook_version=self.cycle.playbook_version,
            research=stored_findings(self.cycle), recent_trades=trades_of(shown.get("recent_trades", [])),
            language=shown.get("language", "English"),
        )  # fmt: skip


def load_cycle(sessions: SessionFactory, account_id: int, cycle_id: int) -> StoredCycle:
    """Raises ReplayMiss where there is none, or none with a snapshot."""
    with sessions() as session:
        cycle = session.get(DecisionCycle, cycle_id)
        if cycle is None or cycle.account_id != account_id:
            raise ReplayMiss(f"there is no cycle {cycle_id}; `okxbot cycles` lists them")
        if cycle.snapshot is None:
            raise ReplayMiss(f"cycle {cycle_id} has no snapshot: {cycle.reason or cycle.stage}")
        verdicts = select(RiskVerdict).where(RiskVerdict.cycle_id == cycle_id).order_by(RiskVerdict.id)
        content = session.scalar(
            select(PlaybookVersion.content).where(
                PlaybookVersion.account_id == cycle.account_id, PlaybookVersion.version == cycle.playbook_version
            )
        )
        inputs = stored_snapshot(cycle)
        return StoredCycle(
            cycle,
            inputs,
            None if content is None else expire(Playbook.model_validate(content), inputs.market.market_at),
            tuple(session.scalars(verdicts)),
            _screen_model(session, cycle_id),
        )


def _screen_model(session: Session, cycle_id: int) -> str | None:
    return session.scalar(
        select(LlmCall.model).where(LlmCall.cycle_id == cycle_id, LlmCall.purpose == "screen").limit(1)
    )


def replay(sessions: SessionFactory, settings: AnySettings, stored: StoredCycle) -> list[Step]:
    """Every stage of the cycle that left something to compare. Raises ReplayMiss."""
    calls = ReplayCalls(sessions)
    steps = [*_screening(sessions, settings, stored, calls), *_reduction(settings, stored, calls)]
    if stored.cycle.decision is not None and stored.cycle.playbook_version is not None:
        then = stored.cycle.decision
        now = stored_analyst(stored, calls).decide(stored.request()).decision.model_dump(mode="json")
        # A field that came later has its default then.
        steps.append(Step("decision", decision_line(then), decision_line(now), now | then == now))
    for row in stored.verdicts:
        verdict = judge(gate_input(row))
        checks = [check.model_dump(mode="json") for check in verdict.checks]
        same = (checks, verdict.contracts) == (row.checks, row.contracts)
        steps.append(Step("gate", row.reason, verdict.reason, same))
    if not steps:
        raise ReplayMiss(f"cycle {stored.cycle.id} decided nothing: {stored.cycle.reason or stored.cycle.stage}")
    return steps


def stored_analyst(stored: StoredCycle, calls: Calls) -> Analyst:
    """The analyst of the cycle, under the terms of its day."""
    if stored.cycle.analyst == "rules":
        return RulesAnalyst()
    try:
        prompts = DecisionPrompts.of(stored.considered["prompt_version"])
    except LookupError as error:
        raise ReplayMiss(str(error)) from None
    terms = Terms.model_validate_json(json.dumps(stored.considered["terms"]))
    return OpusAnalyst(terms, NoNetwork("anthropic"), calls, budget_s=1, prompts=prompts)


def _screening(sessions: SessionFactory, settings: AnySettings, stored: StoredCycle, calls: Calls) -> list[Step]:
    then = stored.cycle.screening
    if then is None:
        return []
    market, account, occasions = stored.inputs.market, stored.inputs.account, stored_occasions(stored.cycle)
    if then["screener"] != "haiku":
        why = bypass(market, account, occasions)
        return [Step("screening", then["reason"], why or "not asked", then["bypass"] == why)]
    asked = settings.model_copy(update={"haiku_model": stored.screen_model or settings.haiku_model})
    screener = HaikuScreener(asked, sessions, WallClock(), stored.cycle.account_id, NoNetwork("anthropic"), calls)
    now = screener.ask(ScreenRequest(stored.cycle.id, market, account, occasions))
    same = (now.passed, now.reason, now.fail_open) == (then["passed"], then["reason"], then["fail_open"])
    return [Step("screening", then["reason"], now.reason, same)]


def _reduction(settings: AnySettings, stored: StoredCycle, calls: Calls) -> list[Step]:
    """The facts of research; an answer out of the cache was read in another cycle."""
    then, findings = stored.cycle.research, stored_findings(stored.cycle)
    if then is None or findings is None or then["cached"]:
        return []
    sources = tuple(Source(**source) for source in then["sources"])
    coin = stored.cycle.inst_id.split("-")[0]
    asked = ResearchRequest(then["question"], then["trigger"], stored.cycle.id, coin)
    now, why = FactReducer(settings, NoNetwork("anthropic"), calls).reduce(asked, then["text"], sources)
    return [
        Step("research", _facts(len(findings.facts)), why if now is None else _facts(len(now.facts)), now == findings)
    ]


def _facts(count: int) -> str:
    return f"{count} facts"


def gate_input(row: RiskVerdict) -> GateInput:
    """What the gate was given, as stored."""
    given = dict(row.given)
    return GateInput.model_validate(given | {"instrument": _instrument(given["instrument"])})


def _instrument(stored: dict[str, str]) -> Instrument:
    text = {"inst_id", "state"}
    code = stored.get("inst_id_code", "None")
    numbers = {name: Decimal(value) for name, value in stored.items() if name not in text | {"inst_id_code"}}
    return Instrument(
        inst_id=stored["inst_id"], state=stored["state"], inst_id_code=None if code == "None" else int(code), **numbers
    )


def decision_line(decision: dict[str, Any]) -> str:
    """One line of a decision."""
    parts = [decision["action"]]
    if decision["action"] not in ("HOLD", "CLOSE"):
        parts += [
            f"size {decision['size_pct']} %",
            f"stop {decision['stop_loss']}",
            f"target {decision['take_profit']}",
        ]
        parts += [f"confidence {decision['confidence']}"]
    return ", ".join([*parts, decision["strategy"]] if decision["strategy"] else parts)


def verdict_line(verdict: Verdict) -> str:
    """One line of a verdict."""
    return f"{verdict.contracts.normalize():f} contracts, {verdict.reason}" if verdict.approved else verdict.reason


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What is exchanged. `limits` by name, as text."""

    analyst: str | None = None
    model: str | None = None
    prompt_version: str | None = None
    limits: tuple[tuple[str, str], ...] = ()

    @property
    def decides_anew(self) -> bool:
        return bool(self.analyst or self.model or self.prompt_version)


def other_request(stored: StoredCycle, settings: AnySettings, otherwise: Otherwise) -> tuple[Terms, DecisionPrompts]:
    """Terms and prompts of the exchanged decision: those of its day where a model decided, else today's.

    Raises LookupError for a prompt version that is not kept.
    """
    shown = stored.cycle.considered
    terms = Terms.of(settings) if shown is None else Terms.model_validate_json(json.dumps(shown["terms"]))
    prompts = DecisionPrompts.current() if shown is None else DecisionPrompts.of(shown["prompt_version"])
    if otherwise.model:
        terms = terms.model_copy(update={"model": otherwise.model})
    if otherwise.prompt_version:
        prompts = prompts.with_version(otherwise.prompt_version)
    return terms, prompts


def decide_otherwise(stored: StoredCycle, analyst: Analyst) -> DecisionResult:
    """The decision of another analyst about the same moment. Raises ReplayMiss."""
    return analyst.decide(stored.request())


def judged_otherwise(
    sessions: SessionFactory, stored: StoredCycle, decision: dict[str, Any], limits: tuple[tuple[str, str], ...]
) -> Verdict | None:
    """The gate's word on `decision` at that moment under other limits; None where nothing is known to judge it by.

    Where the gate was not asked then, it is asked about the snapshot, under the limits of the nearest verdict on this
    instrument. Raises ValueError (pydantic's) for a limit there is not.
    """
    row = stored.verdicts[-1] if stored.verdicts else _nearest(sessions, stored.cycle)
    if row is None:
        return None
    given = gate_input(row)
    changed = given.limits.model_dump() | dict(limits)
    given = GateInput.model_validate(
        given.model_dump() | {"instrument": given.instrument, "decision": decision, "limits": changed}
    )
    if not stored.verdicts:
        market, at = stored.inputs.market, stored.cycle.decided_at or stored.inputs.market.taken_at
        given = given.model_copy(
            update={
                "decided_at": at, "now": at, "market_now": market.market_at, "market": market, "live": market,
                "account": stored.inputs.account, "history": stored.inputs.history, "entries_allowed": True,
                "protection_seen_at": at,
            }
        )  # fmt: skip
    if decision != stored.cycle.decision or not stored.verdicts:
        given = given.model_copy(update={"soft": _soft_rules(sessions, stored, given)})
    return judge(given)


def _soft_rules(sessions: SessionFactory, stored: StoredCycle, given: GateInput) -> SoftRules | None:
    """What the cycle's playbook allows of an exchanged decision; its confidence counts as the original's would."""
    version = stored.cycle.playbook_version
    if stored.playbook is None or version is None or given.decision.action not in ENTERING:
        return None
    with sessions() as session:
        source = source_of(session, stored.cycle.id)
    return soft_rules(
        stored.playbook, version, given.decision, regime=given.market.regime, at=given.market_now, source=source
    )


def _nearest(sessions: SessionFactory, cycle: DecisionCycle) -> RiskVerdict | None:
    with sessions() as session:
        return session.scalars(
            select(RiskVerdict)
            .join(DecisionCycle, DecisionCycle.id == RiskVerdict.cycle_id)
            .where(DecisionCycle.account_id == cycle.account_id, DecisionCycle.inst_id == cycle.inst_id)
            .order_by(func.abs(RiskVerdict.cycle_id - cycle.id))
            .limit(1)
        ).one_or_none()
