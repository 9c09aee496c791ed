"""What is installed: every import is of a declared dependency, and a wheel holds everything the program reads."""

import ast
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

# Made by the tools that run here, no part of the program.
NO_ROOMS = {"tests", "docs", "build", "dist"}


def rooms(checkout: Path) -> list[Path]:
    return [each for each in checkout.iterdir() if each.is_dir() and each.name[0] != "." and each.name not in NO_ROOMS]


def modules(checkout: Path) -> list[Path]:
    return [*checkout.glob("*.py"), *(file for room in rooms(checkout) for file in room.rglob("*.py"))]


def imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(file: Path) -> set[str]:
    return {
        normal(re.split(r"[\[=<>;\s]", line, maxsplit=1)[0])
        for line in file.read_text().splitlines()
        if line and not line.startswith(("#", "-"))
    }


def test_every_imported_library_is_declared_and_not_there_by_luck(checkout: Path) -> None:
    ours = declared(checkout / "requirements.in") | {"okxbot"}
    # `make bench` installs these, too: the peers that figures stand beside.
    peers = declared(checkout / "requirements-dev.in")
    distributions = metadata.packages_distributions()
    undeclared = {
        f"{file.relative_to(checkout)}: {name}"
        for file in modules(checkout)
        for name in imported(file)
        if name in distributions
        and not {normal(each) for each in distributions[name]} & (ours | (peers if "bench" in file.parts else set()))
    }
    assert undeclared == set()


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: setuptools leaves a build folder where it works.
    source = folder / "source"
    source.mkdir()
    for each in [*checkout.glob("*.*"), *rooms(checkout), checkout / "LICENSE"]:
        if each.name != ".venv":
            subprocess.run(["cp", "-r", str(each), str(source)], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps",
         "--no-build-isolation", "--wheel-dir", str(folder), str(source)],
        check=True, capture_output=True,
    )  # fmt: skip
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def test_wheel_holds_every_file_of_every_room(checkout: Path, wheel: zipfile.ZipFile) -> None:
    of_the_rooms = {
        str(file.relative_to(checkout))
        for room in rooms(checkout)
        for file in room.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not room.name.endswith(".egg-info")
    }
    assert {"brain/prices.toml", "brain/prompts/decide_system.txt", "migrations/script.py.mako"} <= of_the_rooms
    packed = set(wheel.namelist())
    assert of_the_rooms - packed == set()
    assert {"settings.py", "celeryconfig.py"} <= packed


def test_wheel_names_its_dependencies_and_its_command(wheel: zipfile.ZipFile) -> None:
    texts = {name.rpartition("/")[2]: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    assert "Requires-Dist: celery==" in texts["METADATA"]
    assert "okxbot = cli.main:main" in texts["entry_points.txt"]


def test_the_tests_run_on_what_the_bot_runs_on(checkout: Path) -> None:
    def versions(lock: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", (checkout / lock).read_text(), re.MULTILINE))

    runtime, development = versions("requirements.lock"), versions("requirements-dev.lock")
    assert len(runtime) > 50
    assert {name: development.get(name) for name in runtime} == runtime
