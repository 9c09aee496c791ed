"""The playbook as compact text for a prompt."""

from trading.playbook.content import Playbook


def render(playbook: Playbook) -> str:
    """The same content gives the same bytes, so a model provider can cache them."""
    lines = [f"Confidence floor: {playbook.confidence_floor}", "", "Regimes:"]
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
            lines.append(f"- hours {', '.join(map(str, item.hours))} UTC{days}: {item.reason}")
    if playbook.lessons:
        lines += ["", "Lessons:"]
        for lesson in playbook.lessons:
            source = f" (trades {', '.join(map(str, lesson.trade_ids))})" if lesson.trade_ids else ""
            lines.append(f"- {lesson.text}{source}")
    if playbook.calibration.bins:
        lines += ["", "Calibration (stated confidence: won of closed):"]
        for bin_ in playbook.calibration.bins:
            lines.append(f"- {bin_.low} to {bin_.high}: {bin_.wins} of {bin_.trades}")
    return "\n".join(lines)
