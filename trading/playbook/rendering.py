"""The playbook as compact text for a prompt, within a budget of tokens.

Rules always stand; what learning adds is given as far as it fits, the newest evidence first, and what is left out is
counted, never silently dropped.
"""

from trading.playbook.content import Lesson, Playbook

BUDGET_TOKENS = 2500
CHARACTERS_PER_TOKEN = 3.5
"""Below what the API's tokenizer makes of such text, so that the budget is kept."""
MOST_IDS = 12


def render(playbook: Playbook, budget_tokens: int = BUDGET_TOKENS) -> str:
    """The same content gives the same bytes, so a model provider can cache them."""
    lines = _rules(playbook)
    left = budget_tokens * CHARACTERS_PER_TOKEN - sum(len(line) + 1 for line in lines)
    for title, items in (("Lessons:", _lessons(playbook)), ("Calibration:", _calibration(playbook))):
        if not items:
            continue
        kept: list[str] = []
        left -= len(title) + 2
        for item in items:
            if len(item) + 1 > left:
                break
            kept.append(item)
            left -= len(item) + 1
        if len(kept) < len(items):
            kept.append(f"- ({len(items) - len(kept)} more left out for their length)")
        lines += ["", title, *kept]
    return "\n".join(lines)


def _rules(playbook: Playbook) -> list[str]:
    lines = [
        f"Confidence floor: {playbook.confidence_floor}; full size from {playbook.full_size_confidence}",
        "",
        "Regimes:",
    ]
    for regime, rule in playbook.regimes.items():
        directions = " and ".join(rule.directions) or "no entries"
        lines.append(f"- {regime}: {rule.guidance} ({directions}; size × {rule.size_factor})")
    lines += ["", "Strategies:"]
    for name, strategy in playbook.strategies.items():
        state = "" if strategy.enabled else " [disabled]"
        where = ", ".join(strategy.regimes)
        numbers = ", ".join(f"{key}={value:g}" for key, value in strategy.parameters.items())
        lines.append(f"- {name}{state}: {strategy.summary} Regimes: {where}. Margin {strategy.size_pct} %. {numbers}")
    if playbook.time_filters:
        lines += ["", "No entries:"]
        for item in playbook.time_filters:
            days = f" on weekdays {', '.join(map(str, item.weekdays))}" if item.weekdays else ""
            until = f" until {item.expires_at:%Y-%m-%d %H:%M}" if item.expires_at else ""
            lines.append(f"- hours {', '.join(map(str, item.hours))} UTC{days}{until}: {item.reason}")
    return lines


def _lessons(playbook: Playbook) -> list[str]:
    """Those given at the start, then the learned ones, the one renewed last first."""
    given = [one for one in playbook.lessons if one.expires_at is None]
    learned = [one for one in playbook.lessons if one.expires_at is not None]
    return [_lesson(one) for one in given + list(reversed(learned))]


def _lesson(lesson: Lesson) -> str:
    ids = lesson.trade_ids[-MOST_IDS:]
    source = f" (trades {', '.join(map(str, ids))})" if ids else ""
    if len(lesson.trade_ids) > len(ids):
        source = f" ({len(lesson.trade_ids)} trades, lately {', '.join(map(str, ids))})"
    head = f"{lesson.stance} {lesson.scope}: " if lesson.stance is not None and lesson.scope is not None else ""
    return f"- {head}{lesson.text}{source}"


def _calibration(playbook: Playbook) -> list[str]:
    """What stated confidence has turned out to be worth, once there are enough trades."""
    lines = []
    for curve in playbook.calibration.curves:
        if curve.trades >= playbook.calibration.min_trades:
            points = ", ".join(f"{knot.stated} won {knot.won}" for knot in curve.knots)
            lines.append(f"- {curve.source}, {curve.trades} trades: {points}")
    return lines
