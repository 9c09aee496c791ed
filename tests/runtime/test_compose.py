"""docker-compose.yml against the table of services: the same names, patient enough, closed doors, no privileges."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from runtime.compose_secrets import write_secrets
from runtime.environment import Plan, needed_ports
from runtime.home import NO_SECRETS, Home
from runtime.services import Service, services_for
from settings import OF_COMPOSE, load_settings

CHECKOUT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict] = COMPOSE["services"]
NOT_OURS = {"postgres", "redis", "grafana", "prometheus"}
# Clients send to these addresses; they are the ones a person opens.
PUBLISHED = {"postgres": 5432, "redis": 6379, "grafana": 3000, "flower": 5555, "metrics": 9464}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Service]:
    settings = load_settings({"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_ADMIN_IDS": "1"}, dotenv=False)
    plan = Plan(settings, Home(tmp_path_factory.mktemp("home")), dict.fromkeys(needed_ports(settings), 1), NO_SECRETS)
    return {service.name: service for service in services_for(plan)}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_the_services_are_those_of_the_supervisor(table):
    assert set(SERVICES) - {"grafana", "prometheus", "migrate"} == set(table)


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_each_has_a_health_check_and_time_to_end(table, name):
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    if name in table:
        assert seconds(service["stop_grace_period"]) >= table[name].stop_timeout
        if name not in NOT_OURS:
            assert service.get("stop_signal", "SIGTERM") == "SIGTERM"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_each_runs_without_privileges(name):
    service = SERVICES[name]
    assert service["user"].split(":")[0] not in ("0", "root")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["init"] is True, "signals reach the service's first process, and only that"
    assert "privileged" not in service
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


def test_nothing_is_published_but_on_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        name: [f"127.0.0.1:${{PUBLISH_{name.upper()}:-{port}}}:{port}"] for name, port in PUBLISHED.items()
    }


def test_images_are_pinned():
    images = {name: service["image"] for name, service in SERVICES.items()}
    for name, image in images.items():
        default = image.partition(":-")[2].removesuffix("}")
        assert default.rpartition(":")[2] not in ("", "latest"), f"{name}: {image}"
    assert ":latest" not in (CHECKOUT / "Dockerfile").read_text()
    assert "--require-hashes" in (CHECKOUT / "Dockerfile").read_text()


def test_what_the_file_reads_from_dotenv_is_let_through_by_the_settings():
    """One `.env` serves compose and every command on the host."""
    named = set(re.findall(r"\$\{([A-Z_]+)", (CHECKOUT / "docker-compose.yml").read_text()))
    assert "POSTGRES_IMAGE" in named
    assert named <= set(OF_COMPOSE)


def test_no_secret_is_written_into_the_file():
    for name, service in SERVICES.items():
        for key, value in (service.get("environment") or {}).items():
            assert not any(word in key for word in ("PASSWORD", "TOKEN", "KEY")) or "/run/secrets/" in value, (
                name,
                key,
            )


def test_what_each_service_counts_lies_apart_and_is_read_by_metrics(table):
    counting = {name for name, service in table.items() if "PROMETHEUS_MULTIPROC_DIR" in service.environment}
    folders = {
        name: Path(service["environment"]["PROMETHEUS_MULTIPROC_DIR"])
        for name, service in SERVICES.items()
        if "PROMETHEUS_MULTIPROC_DIR" in (service.get("environment") or {})
    }
    root = Path(SERVICES["metrics"]["environment"]["METRICS_COUNTERS"])
    assert folders == {name: root / name for name in counting}, "process ids repeat from container to container"
    assert all(f"counters:{root}" in SERVICES[name]["volumes"] for name in counting)
    assert f"counters:{root}:ro" in SERVICES["metrics"]["volumes"]


def test_the_prometheus_of_the_profile_reads_metrics_with_its_password_and_is_not_published(tmp_path):
    prometheus = SERVICES["prometheus"]
    assert prometheus["profiles"] == ["prometheus"]
    assert "ports" not in prometheus, "it has no password"
    (job,) = yaml.safe_load((CHECKOUT / "metrics" / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["metrics:9464"]}]
    write_secrets(tmp_path)
    secret = Path(job["basic_auth"]["password_file"]).name
    assert secret in prometheus["secrets"]
    password = (tmp_path / "secrets" / secret).read_text()
    whole = (tmp_path / "secrets" / "metrics_basic_auth").read_text()
    assert whole == f"{job['basic_auth']['username']}:{password}"


def test_flower_is_given_no_key_of_the_bot():
    assert SERVICES["flower"]["env_file"] == []


def test_what_opens_cycles_ends_before_the_workers_and_the_servers_last():
    def before(name: str) -> set[str]:
        direct = set(SERVICES[name].get("depends_on", {}))
        return direct.union(*(before(each) for each in direct)) if direct else set()

    workers = {"orchestrator", "haiku", "opus", "perplexity", "reflection", "trade", "protect", "account"}
    assert workers <= before("market-feed")
    assert workers | {"market-feed", "account-feed", "redis", "postgres"} <= before("beat")
    assert all({"account-feed", "redis", "postgres"} <= before(name) for name in workers)


def test_secrets_are_made_once_private_and_fit_what_the_file_names(tmp_path):
    made = write_secrets(tmp_path)
    folder = tmp_path / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    named = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert named <= {path.name for path in folder.iterdir()}
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert write_secrets(tmp_path) == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert (tmp_path / ".env").exists()
    assert "../.env" in made
    bot = before["redis_url"].split(":")[2].split("@")[0]
    assert bot in before["celery_broker_url"]
    assert bot not in before["redis_acl"], "by its digest only"
    values = [text.strip() for name, text in before.items() if "password" in name]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("program", [["docker", "compose"], ["docker-compose"]])
def test_compose_itself_accepts_the_file(tmp_path, program):
    """Where it is installed; it needs no engine for that. Elsewhere the tests above stand."""
    asked = [*program, "version"]
    if shutil.which(program[0]) is None or subprocess.run(asked, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{' '.join(program)} is not installed")
    shutil.copy(CHECKOUT / "docker-compose.yml", tmp_path)
    write_secrets(tmp_path)
    answer = subprocess.run([*program, "config", "-q"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
