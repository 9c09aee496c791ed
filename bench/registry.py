"""The frame of the figures: who measures what, and how a measurement is summed up.

Contract: a module in `bench/` registers functions with `@figure(name)`; each returns one `Measured`, or several. The
name is what the operator gives to `okxbot bench NAME`. A figure that cannot be measured here raises `OperatorError`.
"""

import importlib
import os
import pkgutil
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import bench
from runtime.errors import OperatorError


@dataclass(frozen=True)
class Measured:
    """One figure. `value` is what is quoted; `p50` and `p99` are None for a figure that is not a distribution."""

    name: str
    value: float
    unit: str
    n: int
    p50: float | None = None
    p99: float | None = None


@dataclass(frozen=True)
class Figure:
    """A measurement with how and where it was made, as `okxbot bench --json` prints it."""

    name: str
    value: float
    unit: str
    n: int
    p50: float | None
    p99: float | None
    command: str
    machine: str

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


Measure = Callable[[], Measured | Iterable[Measured]]
_REGISTERED: dict[str, Measure] = {}
_ON_REQUEST: set[str] = set()


def figure(name: str, *, on_request: bool = False) -> Callable[[Measure], Measure]:
    """Register a function under the name the operator asks for. `on_request`: too long to be among "all"."""

    def register(measure: Measure) -> Measure:
        if name in _REGISTERED:
            raise ValueError(f"two figures are called {name}")
        _REGISTERED[name] = measure
        if on_request:
            _ON_REQUEST.add(name)
        return measure

    return register


def distribution(name: str, samples: Sequence[float], unit: str) -> Measured:
    """A figure from samples; what is quoted is their median. At least two are needed."""
    cuts = statistics.quantiles(samples, n=100, method="inclusive")
    p50, p99 = round(cuts[49], 4), round(cuts[98], 4)
    return Measured(name, p50, unit, len(samples), p50, p99)


def registered() -> dict[str, Measure]:
    """All figures by name, of every module in `bench/`."""
    for module in pkgutil.iter_modules(bench.__path__):
        importlib.import_module(f"bench.{module.name}")
    return dict(sorted(_REGISTERED.items()))


def machine() -> str:
    """Cores, memory, processor, system and Python, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = platform.processor() or platform.machine()
    system = f"{platform.system()} {platform.machine()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GB, {processor}, {system}, Python {platform.python_version()}"


def run(names: Sequence[str]) -> Iterable[Figure]:
    """Measure the named figures, or all, one after the other. Raises `OperatorError` for an unknown name."""
    available = registered()
    unknown = [name for name in names if name not in available]
    if unknown:
        raise OperatorError(f"there is no figure {', '.join(unknown)}; there are {', '.join(available)}")
    where = machine()
    for name in names or [each for each in available if each not in _ON_REQUEST]:
        found = available[name]()
        for each in [found] if isinstance(found, Measured) else found:
            yield Figure(**asdict(each), command=f"okxbot bench {name}", machine=where)
