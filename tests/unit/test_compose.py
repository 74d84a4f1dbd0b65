"""compose.yaml and the Dockerfile, checked without a container engine."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main
from compose_spec import PyOptions

from gateway.auth.access_tokens import Tokens
from gateway.server.serve import DRAIN_S
from ops.cli import app
from runtime.settings import Settings, read_settings

CHECKOUT = Path(__file__).parents[2]
OURS = ("migrate", "sample-data", "gateway", "seat-worker", "notifier")
SCALED = ("gateway", "seat-worker")
"""Services of which there may be any number."""
COMPOSE = CHECKOUT / "compose.yaml"
DEFAULT = re.compile(r"\$\{(\w+):-([^}]*)\}")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = PyOptions(apply_merge=True).from_yaml(DEFAULT.sub(r"\2", COMPOSE.read_text()))
    compose.validate()
    services: dict[str, Any] = compose.to_dict()["services"]
    return services


def environment(service: dict[str, Any]) -> dict[str, str]:
    """Returns the environment of a service's container when nothing is set outside."""
    given: dict[str, str] = {}
    for file in service["env_file"]:
        if (path := CHECKOUT / file["path"]).exists() and file.get("required", True):
            assignments = shlex.split(path.read_text(), comments=True)
            given |= {name: value for name, _, value in (one.partition("=") for one in assignments)}
    written = {name: DEFAULT.sub(r"\2", str(value)) for name, value in service["environment"].items()}
    assert not any("$" in value for value in written.values())
    return given | written


def settings(service: dict[str, Any]) -> Settings:
    return read_settings(environment(service) | {"AISLE_HOST": "0.0.0.0"})


def test_there_are_two_gateways_two_workers_and_one_image(services: dict[str, Any]) -> None:
    for name in SCALED:
        assert services[name]["deploy"] == {"mode": "replicated", "replicas": 2}
        assert not services[name].keys() & {"container_name", "ports", "hostname"}
    assert {services[name]["image"] for name in OURS} == {"aisle"}
    assert {services[name]["build"]["dockerfile"] for name in OURS} == {"deploy/Dockerfile"}


@pytest.mark.parametrize("name", OURS)
def test_the_command_of_a_service_exists(services: dict[str, Any], name: str) -> None:
    match services[name]["command"]:
        case ["python", "-m", module]:
            assert importlib.util.find_spec(f"{module}.__main__") is not None
        case ["aisle", command]:
            commands = getattr(typer.main.get_command(app), "commands", {})
            assert command in commands
        case other:
            pytest.fail(f"neither a service nor a command: {other}")


@pytest.mark.parametrize("name", OURS)
def test_the_environment_of_a_service_is_one_it_can_start_with(services: dict[str, Any], name: str) -> None:
    found = settings(services[name])
    assert found.jwt_keys is not None
    Tokens(found.jwt_keys, {})
    addresses = [found.database_url, found.redis_url, found.smtp_url, f"kafka://{found.kafka}"]
    for address in addresses:
        assert address is not None
        assert urlsplit(address).hostname in services
    assert found.admin_password is not None
    assert found.staff_password is not None


def test_the_passwords_of_the_database_are_the_same_on_both_sides(services: dict[str, Any]) -> None:
    url = urlsplit(settings(services["gateway"]).database_url or "")
    server = {name: DEFAULT.sub(r"\2", value) for name, value in services["postgres"]["environment"].items()}
    assert (url.username, url.password, url.path) == (
        server["POSTGRES_USER"],
        server["POSTGRES_PASSWORD"],
        f"/{server['POSTGRES_DB']}",
    )


def test_a_service_awaited_until_healthy_has_a_health_check(services: dict[str, Any]) -> None:
    for service in services.values():
        for other, wanted in service.get("depends_on", {}).items():
            match wanted["condition"]:
                case "service_healthy":
                    assert services[other]["healthcheck"]["test"]
                case "service_started":
                    assert other in SCALED
                case "service_completed_successfully":
                    assert services[other]["restart"] == "no"
                case condition:
                    pytest.fail(f"{other}: {condition}")


def test_published_ports_are_local_and_can_be_chosen(services: dict[str, Any]) -> None:
    published = {name: port for name, service in services.items() for port in service.get("ports", [])}
    assert published.keys() == {"proxy", "mail"}
    for port in published.values():
        assert port.startswith("127.0.0.1:")
    chosen = re.findall(r"127\.0\.0\.1:\$\{(PUBLISHED_\w+):-\d+\}:\d+", COMPOSE.read_text())
    assert chosen == ["PUBLISHED_PORT", "PUBLISHED_MAIL_PORT"]


def test_the_proxy_passes_on_to_the_port_of_the_gateways_and_is_trusted(services: dict[str, Any]) -> None:
    caddyfile = (CHECKOUT / "deploy/caddy/compose.Caddyfile").read_text()
    assert re.findall(r"name (\S+)\s+port (\d+)", caddyfile) == [
        ("gateway", str(settings(services["gateway"]).port))
    ]
    (inside,) = [port.rpartition(":")[2] for port in services["proxy"]["ports"]]
    assert f"\n:{inside} {{" in caddyfile
    assert settings(services["gateway"]).trusted_proxies


def test_every_service_has_limits_and_is_started_again(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["mem_limit"]
        assert service["logging"]["options"]["max-size"]
        assert service["restart"] == ("no" if name in ("migrate", "sample-data") else "unless-stopped")
        if name in OURS:
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN_S


def instructions(name: str) -> list[str]:
    """The arguments of one kind of instruction of the Dockerfile, in order."""
    text = (CHECKOUT / "deploy/Dockerfile").read_text().replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def test_files_copied_into_the_image_exist_and_are_not_ignored() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = {copy.split()[0] for copy in instructions("COPY") if not copy.startswith("--from")}
    assert copied == let_in
    assert all((CHECKOUT / name).exists() for name in copied)


def test_the_image_installs_by_hashes_and_runs_as_an_ordinary_user() -> None:
    assert any("--require-hashes --requirement requirements/run.lock" in run for run in instructions("RUN"))
    (user,) = instructions("USER")
    assert int(user) > 0
    assert all(command.startswith("[") for command in instructions("CMD"))
    assert "AISLE_HOST=0.0.0.0" in instructions("ENV")[-1]


def test_the_health_check_of_the_image_has_only_options_that_podman_knows() -> None:
    (check,) = instructions("HEALTHCHECK")
    options = re.findall(r"--([a-z-]+)=", check.partition("CMD")[0])
    assert set(options) <= {"interval", "timeout", "start-period", "retries"}


@pytest.mark.slow
def test_the_wheel_in_the_image_has_every_file_of_its_packages(tmp_path: Path) -> None:
    packages = [copy.split()[0] for copy in instructions("COPY") if copy.split()[0].isidentifier()]
    ignore = shutil.ignore_patterns("__pycache__")
    for package in packages:
        shutil.copytree(CHECKOUT / package, tmp_path / package, ignore=ignore)
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    given = {
        file.relative_to(tmp_path).as_posix()
        for package in packages
        for file in (tmp_path / package).rglob("*")
        if file.is_file()
    }
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            "out",
            ".",
        ],
        cwd=tmp_path,
        check=True,
    )
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert given <= set(archive.namelist())
