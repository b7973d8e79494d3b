"""Worker image, compose file and Kubernetes template: whole, and true of this version."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from autopack.workspace.git import clean_environment
from deployments.passwords import made

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deployments"
COMPOSE = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
_VARIABLE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")
# What compose itself needs to be told; all else has a default.
GIVEN = made()


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
    assert set(compose.to_spec().services or {}) == {
        "postgres",
        "redis",
        "prefect-server",
        "prefect-services",
        "upgrade",
        "deploy",
        "worker",
    }


@pytest.mark.parametrize("name", GIVEN)
def test_a_password_that_is_missing_is_asked_for(name: str) -> None:
    assert f"${{{name}:?" in COMPOSE


def test_every_part_asks_for_its_password(services: dict[str, Any]) -> None:
    login, word = GIVEN["PREFECT_API_AUTH_STRING"], GIVEN["REDIS_PASSWORD"]
    for name in ("prefect-server", "prefect-services"):
        told = services[name]["environment"]
        assert told["PREFECT_SERVER_API_AUTH_STRING"] == login
        assert told["PREFECT_REDIS_MESSAGING_PASSWORD"] == word
        assert f":{word}@redis" in told["PREFECT_SERVER_DOCKET_URL"]
        assert told["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == told["PREFECT_UI_URL"]
    for name in ("upgrade", "deploy", "worker"):
        assert services[name]["environment"]["PREFECT_API_AUTH_STRING"] == login
    assert services["redis"]["command"][-2:] == ["--requirepass", word]
    assert services["redis"]["environment"]["REDISCLI_AUTH"] == word


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
                browsers = "_UI_" in variable or "_CORS_" in variable
                known = {"localhost"} if browsers else services
                assert host in known, (name, variable)


def test_no_two_services_build_the_same_tag(services: dict[str, Any]) -> None:
    built = [service["image"] for service in services.values() if "build" in service]
    assert built == ["autopack"]


def test_links_lead_where_browsers_get_to(services: dict[str, Any]) -> None:
    for name in ("upgrade", "deploy", "worker", "prefect-server", "prefect-services"):
        assert services[name]["environment"]["PREFECT_UI_URL"] == "http://localhost:4200", name
    server = services["prefect-server"]["environment"]
    assert server["PREFECT_SERVER_UI_API_URL"] == "http://localhost:4200/api"


def test_what_is_commented_out_can_be_switched_on() -> None:
    switched = re.sub(r"^( +)# (GIT_\w+: |- /)", r"\1\2", COMPOSE, flags=re.MULTILINE)
    worker = yaml.safe_load(interpolate(switched))["services"]["worker"]
    assert "/home/you/.ssh:/home/autopack/.ssh:ro" in worker["volumes"]
    given = {name: v for name, v in worker["environment"].items() if name.startswith("GIT_")}
    assert set(given) == {
        "GIT_SSH_COMMAND",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_KEY_0",
        "GIT_CONFIG_VALUE_0",
    }
    assert given.items() <= clean_environment(given, as_user=True).items(), "git is not given it"


def test_secrets_in_an_env_file_stay_out_of_git_the_image_and_the_wheel() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[-1] == "**/.env*", "the last line that matches decides"
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["exclude"] == [".env*"]


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
            assert f"!{source.partition('/')[0]}" in ignore


def test_the_image_does_not_run_as_root_and_keeps_its_home() -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["autopack"]
    assert "AUTOPACK_HOME=/var/lib/autopack" in dockerfile
    assert "VOLUME /var/lib/autopack" in dockerfile


def test_images_of_others_are_named_by_digest_where_it_is_known(services: dict[str, Any]) -> None:
    digest = re.compile(r"[\w/.-]+(:[\w.-]+)?@sha256:[0-9a-f]{64}")
    dockerfile = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    images = set(re.findall(r"^FROM (.*)$", dockerfile, re.MULTILINE))
    images |= {service["image"] for service in services.values()} - {"autopack"}
    by_tag = {image for image in images if not digest.fullmatch(image)}
    assert len(images - by_tag) == 3
    assert {image.partition(":")[0] for image in by_tag} == {"prefecthq/prefect"}
    assert "${PREFECT_IMAGE:-" in COMPOSE, "who knows the digest can say it"


def test_programs_of_autopacks_containers_get_no_further_rights(services: dict[str, Any]) -> None:
    for name in ("upgrade", "deploy", "worker"):
        assert services[name]["cap_drop"] == ["ALL"], name
        assert services[name]["security_opt"] == ["no-new-privileges:true"], name


def test_a_kubernetes_job_has_no_rights_that_it_does_not_need() -> None:
    manifest = template()["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert manifest["automountServiceAccountToken"] is False
    assert manifest["securityContext"]["runAsNonRoot"] is True
    assert manifest["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(manifest)
    (container,) = manifest["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_kubernetes_job_can_write_where_the_image_needs_it() -> None:
    manifest = template()["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    (container,) = manifest["containers"]
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert set(mounted) == {"/tmp", "/home/autopack", "/var/lib/autopack"}
    volumes = {volume["name"]: volume for volume in manifest["volumes"]}
    assert set(volumes) == set(mounted.values())
    assert volumes[mounted["/tmp"]]["emptyDir"] == {}
    assert not any("hostPath" in volume for volume in volumes.values())


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


def test_operations_say_what_the_kubernetes_template_expects() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    properties = template()["variables"]["properties"]
    for name in ("namespace", "image", "secret_name", "home_claim"):
        assert f"`{properties[name]['default']}`" in page, name


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("process", "prefect worker start --pool autopack --type process"),
        # Prefect has no worker of this type in itself
        (
            "kubernetes",
            "uv run --with prefect-kubernetes prefect worker start --pool autopack"
            " --type kubernetes",
        ),
    ],
)
def test_deploy_prints_a_command_that_starts_a_worker(kind: str, command: str) -> None:
    from deployments.cli.machine.deploy import worker_command

    assert worker_command("autopack", kind) == command
    assert command in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
