"""The container files: complete, pinned, and in step with the settings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cairn.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()

# A tag that names a release: digits with a dot, or a dated release.
PINNED = re.compile(r"[\w./-]+:(v?\d+\.\d+[\w.-]*|\w+\.\d{4}-\d{2}-\d{2}T[\w-]+)")


def images() -> list[str]:
    inline = "\n".join(service["build"].get("dockerfile_inline", "") for service in builds())
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE + "\n" + inline, re.MULTILINE)
    return [*(service["image"] for service in SERVICES.values()), *stages]


def builds() -> list[dict[str, Any]]:
    return [service for service in SERVICES.values() if isinstance(service.get("build"), dict)]


def test_the_services_are_there() -> None:
    assert set(SERVICES) == {"api", "worker", "temporal", "temporal-ui", "postgresql", "minio", "collector"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("image", images())
def test_every_image_has_a_pinned_tag(image: str) -> None:
    assert PINNED.fullmatch(image) or re.fullmatch(r"python:\d\.\d+-slim-\w+", image)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_with_limits(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries"} <= set(check)


@pytest.mark.parametrize("name", SERVICES)
def test_services_wait_for_the_health_of_services_that_exist(name: str) -> None:
    for other, condition in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        assert condition == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_bound_to_this_machine_and_volumes_exist(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")
    for volume in SERVICES[name].get("volumes", []):
        source = volume.partition(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / source).is_file()


@pytest.mark.parametrize("name", ["api", "worker"])
def test_the_environment_holds_settings_that_exist(name: str) -> None:
    environment = SERVICES[name]["environment"]
    names = {key.removeprefix("CAIRN_").lower() for key in environment if key.startswith("CAIRN_")}
    assert names <= set(Settings.model_fields)
    plain = {key.removeprefix("CAIRN_").lower(): value for key, value in environment.items() if "${" not in value}
    Settings.model_validate({key: value for key, value in plain.items() if key in Settings.model_fields})


def test_the_collector_uses_what_it_defines() -> None:
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "collector.yaml").read_text())
    for pipeline in config["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(config[kind])
    assert set(config["service"]["extensions"]) <= set(config["extensions"])


def test_the_image_takes_all_packages_of_the_project() -> None:
    for package in ("cairn", "workflows", "activities", "api", "worker.py"):
        assert re.search(rf"^COPY {re.escape(package)} ", DOCKERFILE, re.MULTILINE)
        assert f"!{package}" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_file_keeps_to_the_schema_of_compose() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    result = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_dockers_own_client_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker compose on this machine; the structure is tested above")
    result = subprocess.run([docker, "compose", "config", "--quiet"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
