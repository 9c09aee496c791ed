"""Every `okxbot` command and option named in the documents is one the program has: read off its own command tree."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from cli import main

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "SECURITY.md", *(f"docs/{each.name}" for each in sorted((CHECKOUT / "docs").glob("*.md"))))
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@pytest.fixture(scope="module")
def program():
    main._mount_the_others([])
    return typer.main.get_command(main.app)


def commands(text: str) -> Iterator[str]:
    """What stands behind `okxbot`: in a block with its explanation, which may name more options, else in backticks."""
    for number, part in enumerate(re.split(r"^```.*$", text, flags=re.M)):
        if number % 2:
            lines = re.sub(r"\n[ \t]+", " ", part).splitlines()
        else:
            lines = re.findall(r"`([^`]+)`", part)
        for line in lines:
            for piece in re.split(r"[;|]\s*(?=okxbot )|`", line):
                if found := re.search(r"(?:^|[\s/])okxbot (.+)", piece):
                    yield found[1]


def misnamed(program, words: str) -> list[str]:
    """What of `words` the program does not have."""
    command, rest = program, words.split()
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        below = command.commands.get(rest[0].strip(",.:()"))
        if below is None:
            return [] if command.invoke_without_command or not re.match(r"[a-z]+$", rest[0]) else [rest[0]]
        command = below
        rest = rest[1:]
    own = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    return [option for option in OPTION.findall(words) if option not in own]


def test_a_wrong_word_is_seen(program):
    assert list(commands("say `okxbot sing` or\n```\nokxbot up --loud   or\n     --quiet\n```")) == [
        "sing",
        "up --loud   or --quiet",
    ]
    assert misnamed(program, "sing") == ["sing"]
    assert misnamed(program, "up --loud --for 3") == ["--loud"]
    assert misnamed(program, "stop move BTC-USDT-SWAP --break-even") == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_command_of_the_documents_exists(program, name):
    text = (CHECKOUT / name).read_text()
    found = list(commands(text))
    assert found or "okxbot " not in text
    wrong = {words: bad for words in found if (bad := misnamed(program, words))}
    assert not wrong
