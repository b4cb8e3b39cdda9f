"""Compose file, systemd units, documents: what they start exists, never the ``celery`` command (R31)."""

from __future__ import annotations

import re
import shlex
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.helpers import Shoal

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))


def unit(path: Path) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser


def test_every_process_has_a_service() -> None:
    assert set(COMPOSE["services"]) == {
        *("redis", "gateway", "front", "back", "turns", "chores", "beat", "flower"),
    }


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_services_start_through_shoal(shoal: Shoal, name: str) -> None:
    service = COMPOSE["services"][name]
    assert "entrypoint" not in service, "the image's entry point is `shoal`"
    done = shoal.run(*service["command"], "--help")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_services_are_locked_down_and_watched(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["healthcheck"]["test"][:2] == ["CMD", "shoal"]
    assert service["restart"] == "always"
    assert int(service["stop_grace_period"].removesuffix("s")) >= 30, "workers may take 20 s to leave"


def test_the_compose_file_holds_no_secret() -> None:
    for service in COMPOSE["services"].values():
        for key in service.get("environment", {}):
            assert not re.search(r"TOKEN|PASSWORD|SECRET|KEY", key)
    assert all("file" in secret for secret in COMPOSE["secrets"].values())


def test_only_the_monitor_has_a_port_and_only_on_loopback() -> None:
    ports = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert ports == {"flower": ["127.0.0.1:5555:5555"]}
    assert COMPOSE["services"]["flower"]["profiles"] == ["monitoring"]
    assert COMPOSE["services"]["redis"]["network_mode"] == "none"


def test_the_containers_config_is_valid(shoal: Shoal, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.abcdefghijklmnopqrstuvwxyz0123456789AB")
    config = tmp_path / "shoal.json"
    text = (ROOT / "deploy" / "shoal.compose.json").read_text()
    config.write_text(text.replace("/run/secrets/discord_token", str(token)))
    done = shoal.run("config", "validate", "--json", "--config", str(config))
    assert done.returncode == 0, done.stdout
    assert '"accounts": ["default"]' in done.stdout


def test_the_image_starts_shoal_without_root() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    assert 'ENTRYPOINT ["shoal"]' in lines
    assert "USER shoal" in lines
    assert any("--require-hashes -r requirements.lock" in line for line in lines)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_start_through_shoal(shoal: Shoal, path: Path) -> None:
    service = unit(path)["Service"]
    program, *words = shlex.split(
        service["ExecStart"].replace("%i", "front" if "worker" in path.name else "a")
    )
    assert program == "/opt/shoal/.venv/bin/shoal"
    assert shoal.run(*words, "--help").returncode == 0
    assert service["RestartPreventExitStatus"] == "78"
    assert (service["Restart"], unit(path)["Unit"]["StartLimitIntervalSec"]) == ("always", "0"), (
        "systemd gives a unit up after 5 starts in 10 s unless told otherwise (ten kills in ten s)"
    )
    assert int(service["TimeoutStopSec"]) >= 30
    assert service["NoNewPrivileges"] == "true"
    assert "TOKEN=" not in service.get("Environment", "")


def test_there_are_units_for_one_machine_and_for_many() -> None:
    assert {path.name for path in UNITS} == {
        *("shoal.service", "shoal-redis.service", "shoal-gateway@.service", "shoal-worker@.service"),
        *("shoal-beat.service", "shoal-flower.service"),
    }


def test_nothing_tells_anybody_to_run_the_celery_command() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    wanted = [
        ROOT / name
        for name in listed
        if name.endswith((".md", ".yml", ".service", ".sh"))
        or Path(name).name in ("Makefile", "Dockerfile", "run")
    ]
    assert len(wanted) > 8
    command = re.compile(
        r"(?:^|[\s`'\"\[/])celery\s+(?:-A|-b|--app|worker|beat|flower|inspect|control|multi)\b", re.M
    )
    for path in wanted:
        if path.exists():
            assert not command.search(path.read_text()), f"{path} starts celery"
