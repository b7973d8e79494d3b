"""Worker image, compose file and Kubernetes template: whole, and true of this version."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deployments"
COMPOSE = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
_VARIABLE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")
# What compose itself needs to be told; all else has a default.
GIVEN = {"POSTGRES_PASSWORD": "secret"}


def interpolate(text: str) -> str:
    """What compose makes of ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``."""

    def value(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        if name in GIVEN:
            return GIVEN[name]
        assert kind == "-", f"{name} has no default and is not said to be needed"
        return default

    return _VARIABLE.sub(value, text)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(interpolate(COMPOSE))["services"]


def test_the_compose_file_follows_the_specification() -> None:
    options = compose_spec.PyOptions()
    options.apply_merge = True
    compose = options.from_yaml(interpolate(COMPOSE))
    compose.validate()
    assert set(compose.to_spec().services) == {
        "postgres",
        "redis",
        "prefect-server",
        "prefect-services",
        "upgrade",
        "deploy",
        "worker",
    }


def test_a_password_that_is_missing_is_asked_for() -> None:
    assert "${POSTGRES_PASSWORD:?" in COMPOSE


def test_every_service_waits_for_what_can_become_so(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for {other}"
            else:
                assert "restart" not in services[other], f"{other} never completes"


def test_hosts_in_addresses_are_services(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            for host in re.findall(r"(?:@|^http://|^redis://)([\w-]+):\d+", str(value)):
                assert host in services, (name, variable)


def test_volumes_are_declared_and_mounted_files_exist(services: dict[str, Any]) -> None:
    declared = yaml.safe_load(COMPOSE)["volumes"]
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (FOLDER / source).is_file()
            else:
                assert source in declared
    build = services["worker"]["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).is_file()


def test_settings_of_prefect_exist(services: dict[str, Any]) -> None:
    from prefect.settings import Settings
    from prefect.settings.legacy import _get_settings_fields

    known = set(_get_settings_fields(Settings))
    for service in services.values():
        for variable in service.get("environment", {}):
            if variable.startswith("PREFECT_") and not variable.startswith("PREFECT_REDIS_"):
                assert variable in known, variable


def test_the_servers_image_is_the_version_that_workers_have(services: dict[str, Any]) -> None:
    pins = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'"prefect==([\d.]+)"', pins)
    assert version is not None
    for name in ("prefect-server", "prefect-services"):
        assert services[name]["image"] == f"prefecthq/prefect:{version[1]}-python3.11"


def test_commands_exist(services: dict[str, Any]) -> None:
    from deployments.cli import app

    for name in ("upgrade", "deploy"):
        program, *command = services[name]["command"]
        assert program == "autopack"
        assert app.parse_commands(command)[2] == []


def test_everything_that_the_image_copies_exists_and_is_let_through() -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    ignore = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY (.*)$", dockerfile, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignore


def test_the_image_does_not_run_as_root_and_keeps_its_home() -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["autopack"]
    assert "AUTOPACK_HOME=/var/lib/autopack" in dockerfile
    assert "VOLUME /var/lib/autopack" in dockerfile


def template() -> dict[str, Any]:
    path = FOLDER / "kubernetes" / "base-job-template.json"
    return json.loads(path.read_text(encoding="utf-8"))


def default_template() -> dict[str, Any]:
    """Prefect's own, which its server ships for pools of that type."""
    views = files("prefect.server.api.collections_data") / "views"
    content = (views / "aggregate-worker-metadata.json").read_text(encoding="utf-8")
    return json.loads(content)["prefect-kubernetes"]["kubernetes"]["default_base_job_configuration"]


def test_the_kubernetes_template_takes_what_prefects_own_takes() -> None:
    ours, theirs = template(), default_template()
    assert set(ours["job_configuration"]) == set(theirs["job_configuration"])
    properties = ours["variables"]["properties"]
    for name, expected in theirs["variables"]["properties"].items():
        assert properties[name].get("type") == expected.get("type"), name
    assert ours["variables"]["definitions"] == theirs["variables"]["definitions"]


def test_the_kubernetes_template_uses_every_variable_and_only_those() -> None:
    ours = template()
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(ours["job_configuration"])))
    assert used == set(ours["variables"]["properties"])


def test_the_servers_check_of_templates_accepts_ours() -> None:
    from prefect.server.schemas.actions import WorkPoolCreate

    WorkPoolCreate(name="autopack", type="kubernetes", base_job_template=template())


def test_the_defaults_of_the_kubernetes_template_fit_its_schema() -> None:
    import jsonschema

    variables = template()["variables"]
    jsonschema.Draft7Validator.check_schema(variables)
    defaults = {
        name: one["default"] for name, one in variables["properties"].items() if "default" in one
    }
    jsonschema.validate(defaults, variables)
