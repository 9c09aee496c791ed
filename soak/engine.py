"""A Docker engine and the images of the compose file, by the `docker` program's own command line.

Contract: `Engine.find()` raises `NoEngine` in one line where none answers. `images(engine, folder)` returns what the
compose file is to be told: nothing where its images can be had, else images made here. A made base is Debian from the
distribution's mirror; PostgreSQL and Redis are then the very programs of the locked wheels, started as the official
images start theirs.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soak.process import CHECKOUT

STANDINS = CHECKOUT / "soak" / "images"
BASE = "okxbot-proof/python:bookworm"


class NoEngine(Exception):
    """No Docker engine, or nothing to make images from."""


@dataclass(frozen=True)
class Engine:
    docker: str
    compose: tuple[str, ...]

    @staticmethod
    def find() -> "Engine":
        """The first `docker` on PATH that reaches an engine, and its compose."""
        for folder in os.get_exec_path():
            docker = Path(folder) / "docker"
            if not os.access(docker, os.X_OK) or not _answers([str(docker), "info"]):
                continue
            for compose in ((str(docker), "compose"), ("docker-compose",)):
                if shutil.which(compose[0]) and _answers([*compose, "version"]):
                    return Engine(str(docker), compose)
            raise NoEngine("a Docker engine answers, but neither `docker compose` nor `docker-compose` is here")
        raise NoEngine("no Docker engine answers; start one, or set DOCKER_HOST")

    def run(self, *arguments: str, check: bool = True, timeout: float = 900) -> str:
        """`docker …`; its standard output."""
        return _run([self.docker, *arguments], os.environ, check=check, timeout=timeout)

    def has(self, image: str) -> bool:
        """Here already, or to be had from its registry."""
        return _answers([self.docker, "image", "inspect", image]) or _answers([self.docker, "pull", "-q", image])


def _answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: list[str], environment: Mapping[str, str], *, check: bool, timeout: float) -> str:
    done = subprocess.run(
        command, env=dict(environment), cwd=CHECKOUT, capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} …: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def make_base(engine: Engine, folder: Path) -> None:
    """A Debian with Python, and the certificate authorities this machine trusts."""
    if _answers([engine.docker, "image", "inspect", BASE]):
        return
    if shutil.which("mmdebstrap") is None:
        raise NoEngine("no image registry is reached, and mmdebstrap, which could make a base image, is not installed")
    archive = folder / "base.tar"
    command = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates,python3,python3-venv"]
    trusted = sorted(Path("/usr/local/share/ca-certificates").glob("*.crt"))
    for certificate in trusted:
        command.append(f"--customize-hook=copy-in {certificate} /usr/local/share/ca-certificates")
    if trusted:
        command.append('--customize-hook=chroot "$1" update-ca-certificates')
        bundle = r"[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n"
        command.append(f"--customize-hook=printf '{bundle}' > \"$1/etc/pip.conf\"")
    _run([*command, "bookworm", str(archive)], os.environ, check=True, timeout=900)
    engine.run("import", str(archive), BASE)
    archive.unlink()


def make_prometheus(engine: Engine, folder: Path) -> dict[str, str]:
    """Debian's Prometheus behind the interface of the official image; by compose's variable."""
    image = "okxbot-proof/prometheus"
    if not _answers([engine.docker, "image", "inspect", image]):
        archive = folder / "prometheus.tar"
        hook = '--customize-hook=install -d -o 65534 -g 65534 "$1/prometheus"'
        command = ["mmdebstrap", "--variant=minbase", "--include=prometheus", hook, "bookworm", str(archive)]
        _run(command, os.environ, check=True, timeout=900)
        engine.run("import", "--change", 'ENTRYPOINT ["/usr/bin/prometheus"]', str(archive), image)
        archive.unlink()
    return {"PROMETHEUS_IMAGE": image}


def standins(engine: Engine, okxbot_image: str) -> dict[str, str]:
    """PostgreSQL and Redis images from the bot's own, where the official ones cannot be had; by compose's variables."""
    made = {}
    for variable, name in (("POSTGRES_IMAGE", "postgres"), ("REDIS_IMAGE", "redis")):
        image = f"okxbot-proof/{name}"
        engine.run("build", "-q", "-t", image, "--build-arg", f"OKXBOT_IMAGE={okxbot_image}", str(STANDINS / name))
        made[variable] = image
    return made
