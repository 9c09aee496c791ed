"""What models are told: versioned templates a person can read, and the code that fills them.

A template is a text file whose first line is `version: NAME-N`; the version is stored with every call. `$name` marks
what is filled in; a name that is missing or left over is an error, never an empty space.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Prompt:
    """One template. `version` changes whenever the text does."""

    name: str
    version: str
    text: str

    def fill(self, **values: str) -> str:
        """The text with every `$name` replaced. Raises KeyError on a missing or an unused value."""
        template = Template(self.text)
        unused = values.keys() - set(template.get_identifiers())
        if unused:
            raise KeyError(f"{self.name} has no place for {', '.join(sorted(unused))}")
        return template.substitute(values)


@cache
def load(name: str) -> Prompt:
    """The template `name.txt`. Raises ValueError when its first line is no version."""
    head, _, text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").partition("\n")
    if not head.startswith("version: "):
        raise ValueError(f"{name}.txt does not start with its version")
    return Prompt(name, head.removeprefix("version: ").strip(), text.strip())
