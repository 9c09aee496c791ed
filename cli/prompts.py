"""`okxbot cycle show ID --prompt`: what the models of a cycle were asked, word for word, and what they answered."""

from typing import Any

from sqlalchemy import select

from cli.connection import connected
from models import DecisionCycle, LlmCall
from runtime.errors import OperatorError


def print_prompts(cycle_id: int) -> None:
    """Every call of the cycle, in order."""
    with connected() as connection, connection.sessions() as session:
        cycle = session.get(DecisionCycle, cycle_id)
        if cycle is None:
            raise OperatorError(f"there is no cycle {cycle_id}; `okxbot cycles` lists them")
        calls = session.scalars(select(LlmCall).where(LlmCall.cycle_id == cycle_id).order_by(LlmCall.id)).all()
    if not calls:
        raise OperatorError(f"no model was asked in cycle {cycle_id} (analyst={cycle.analyst or 'unknown'})")
    for call in calls:
        spent = call.reserved_usd if call.cost_usd is None else call.cost_usd
        print(f"━━ {call.purpose} · {call.model} · prompt {call.prompt_version} · {call.outcome} · {spent:.6f} USD")
        for role, text in _asked(call.request):
            print(f"── {role}\n{text}\n")
        print(f"── answer\n{_answered(call)}\n")


def _asked(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Role and text of every part, both APIs' forms."""
    turns = [("system", request.get("system", [])), *((m["role"], m["content"]) for m in request.get("messages", []))]
    return [
        (role + (" (cached)" if "cache_control" in block else ""), str(block["text"]))
        for role, content in turns
        for block in ([{"text": content}] if isinstance(content, str) else content)
    ]


def _answered(call: LlmCall) -> str:
    if call.response is None:
        return f"none: {call.error or call.outcome}"
    texts = [str(b["text"]) for b in call.response.get("content") or [] if isinstance(b, dict) and b.get("text")]
    texts += [str(c["message"]["content"]) for c in call.response.get("choices") or [] if isinstance(c, dict)]
    return "\n".join(texts) + (f"\nnot used: {call.error}" if call.error else "")
