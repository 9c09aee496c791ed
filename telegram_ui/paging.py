"""Long answers in pages of whole blocks. A page button carries the command: a press asks it again, for that page."""

from telegram_ui.desk import Button

PAGE = 3500
LINES = 45


def pages(blocks: tuple[str, ...]) -> list[str]:
    """Blocks packed into pages that fit a message and a phone."""
    found: list[str] = []
    for block in blocks:
        if found:
            joined = f"{found[-1]}\n\n{block}"
            if len(joined) <= PAGE and joined.count("\n") < LINES:
                found[-1] = joined
                continue
        found.append(block)
    return found


def page_buttons(command: str, page: int, count: int) -> tuple[Button, ...] | None:
    """Back and forth; `page` counts from 0. None where the command is too long for a button."""
    if count < 2:
        return ()
    wanted = [("◀", page - 1), (f"{page + 1} of {count}", page), ("▶", page + 1)]
    if len(f"p:{count}:{command}".encode()) > 64:
        return None
    return tuple(Button(label, f"p:{to}:{command}") for label, to in wanted if 0 <= to < count)


def asked_page(data: str) -> tuple[int, str] | None:
    """Page and command of a pressed page button; None when it is none."""
    head, _, rest = data.partition(":")
    page, _, command = rest.partition(":")
    if head != "p" or not (page.isascii() and page.isdigit()) or len(page) > 3:
        return None
    return int(page), command
