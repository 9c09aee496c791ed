"""What models are told: versioned templates a person can read, and the code that fills them.

A template is a text file whose first line is `version: NAME-N`; the version is stored with every call. `$name` marks
what is filled in; a name that is missing or left over is an error, never an empty space. A template that was replaced
stays in `earlier/`, named by its version, so that what it once asked can be asked again.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent
EARLIER = FOLDER / "earlier"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One template. `version` changes whenever the text does."""

    name: str
    version: str
    text: str

    @property
    def names(self) -> list[str]:
        """The names it has places for."""
        return Template(self.text).get_identifiers()

    def fill(self, **values: str) -> str:
        """The text with every `$name` replaced. Raises KeyError on a missing or an unused value."""
        unused = values.keys() - set(self.names)
        if unused:
            raise KeyError(f"{self.name} has no place for {', '.join(sorted(unused))}")
        return Template(self.text).substitute(values)


@cache
def load(name: str) -> Prompt:
    """The template `name.txt`. Raises ValueError when its first line is no version."""
    return _read(FOLDER / f"{name}.txt")


@cache
def load_version(name: str, version: str) -> Prompt:
    """The template `name` as it was at `version`. Raises LookupError when that is not kept."""
    current = load(name)
    if version == current.version:
        return current
    path = EARLIER / f"{version}.txt"
    if version.rpartition("-")[0] != current.version.rpartition("-")[0] or not path.is_file():
        raise LookupError(f"no template {version} is kept; {name} is at {current.version}")
    return _read(path)


def _read(path: Path) -> Prompt:
    head, _, text = path.read_text(encoding="utf-8").partition("\n")
    if not head.startswith("version: "):
        raise ValueError(f"{path.name} does not start with its version")
    return Prompt(path.stem, head.removeprefix("version: ").strip(), text.strip())
