"""What Prefect shows and schedules: flows, deployments, blocks and keys, as promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent

# flow, its parameters in the order of the form, each with its default
FLOWS: dict[str, dict[str, Any]] = {
    "execute_run": {
        "plan": None,
        "repo": None,
        "commit": None,
        "builder": None,
        "builder_options": "",
        "model": None,
        "features": None,
        "token_cap": None,
        "at_cap": "fail",
        "run_id": None,
        "database": None,
    },
    "execute_phase": {"run_id": "required", "phase_id": "required"},
    "ab_experiment": {"spec": "required", "max_concurrent_pairs": None, "executor": "inline"},
    "ab_pair": {"test_id": "required", "number": "required", "executor": "inline"},
    "execute_runs": {
        "plans": None,
        "repo": None,
        "max_concurrent_runs": 3,
        "executor": "inline",
        "commit": None,
        "builder": None,
        "builder_options": "",
        "model": None,
        "features": None,
        "token_cap": None,
        "at_cap": "fail",
        "run_id": None,
        "database": None,
    },
    "replay_campaign": {
        "state": "FAILED",
        "since": None,
        "until": None,
        "run_id": None,
        "campaign": None,
        "enable": None,
        "disable": None,
        "max_concurrent_runs": 3,
        "no_baseline": False,
        "dry_run": False,
    },
    "reconcile": {"database": None},
    "maintain": {"database": None},
    "mine_patterns": {"since": None, "min_occurrences": 1, "database": None},
}
# deployment, its entrypoint
DEPLOYMENTS = {
    "execute-run/run": "flows.run:execute_run",
    "ab-experiment/ab": "flows.ab:ab_experiment",
    "execute-runs/fleet": "flows.fleet:execute_runs",
    "replay-campaign/replay": "flows.replay:replay_campaign",
    "reconcile/reconcile": "flows.reconciling:reconcile",
    "maintain/maintain": "flows.maintenance:maintain",
    "mine-patterns/mine": "flows.mining:mine_patterns",
}

_LOOK = """
import inspect, json
import flows, blocks
from autopack.agents.registry import builder_names
from tasks.reporting import artifact_key

def parameters(flow):
    found = inspect.signature(flow.fn).parameters.values()
    return {p.name: "required" if p.default is p.empty else p.default for p in found}

def schemas(flow):
    return flow.parameters.model_dump()

def described(flow):
    return {n: "description" in p for n, p in flow.parameters.properties.items()}

named = {name: getattr(flows, name) for name in flows.__all__}
kinds = [getattr(blocks, name) for name in blocks.__all__]
print(json.dumps({
    "flows": {name: parameters(flow) for name, flow in named.items()},
    "flow_names": {name: flow.name for name, flow in named.items()},
    "described": {name: described(flow) for name, flow in named.items()},
    "schemas": {name: schemas(flow) for name, flow in named.items()},
    "is_async": {name: inspect.iscoroutinefunction(flow.fn) for name, flow in named.items()},
    "help": {name: flow.description for name, flow in named.items()},
    "blocks": {kind.get_block_type_slug(): kind.get_description() for kind in kinds},
    "secrets": {kind.get_block_type_slug(): kind.model_json_schema().get("secret_fields")
                for kind in kinds},
    "builders": builder_names(),
    "keys": [artifact_key(kind, "run.1_x") for kind in ("progress", "summary", "tokens", "ab")],
}))
"""


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a process of its own sees, for importing flows chooses that process's server."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    env["AUTOPACK_HOME"] = str(tmp_path_factory.mktemp("home"))
    done = subprocess.run(
        [sys.executable, "-c", _LOOK], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def deployments() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    return {one["name"]: one for one in content["deployments"]}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_takes_what_is_promised_in_that_order(flow: str, shown: Any) -> None:
    parameters = shown["flows"][flow]
    promised = FLOWS[flow]
    assert list(parameters)[: len(promised)] == list(promised)
    assert {name: parameters[name] for name in promised} == promised


def test_a_parameter_that_was_added_is_optional(shown: Any) -> None:
    for flow, promised in FLOWS.items():
        added = {k: v for k, v in shown["flows"][flow].items() if k not in promised}
        assert "required" not in added.values(), flow


def test_every_parameter_has_its_help_in_the_form(shown: Any) -> None:
    for flow, described in shown["described"].items():
        assert all(described.values()), (flow, described)


def test_every_field_of_a_form_is_of_one_plain_type(shown: Any) -> None:
    # For a type that may be null the form shows a switch between "None" and a field.
    for flow, schema in shown["schemas"].items():
        for name, field in schema["properties"].items():
            assert "anyOf" not in field, (flow, name)
            assert field["type"] in {"string", "integer", "boolean", "array"}, (flow, name)


@pytest.mark.parametrize("empty", [None, "", " ", []])
@pytest.mark.parametrize("flow", FLOWS)
def test_what_is_empty_in_a_form_is_unset(flow: str, empty: object, shown: Any) -> None:
    """Null too: schedules and callers send it, and the server compares with the schema."""
    from prefect.utilities.schema_tools.validation import validate

    import flows

    wanted = None if empty is None else "array" if empty == [] else "string"
    unset = {
        name: empty
        for name, default in shown["flows"][flow].items()
        if default in (None, "")
        and (wanted is None or shown["schemas"][flow]["properties"][name]["type"] == wanted)
        and (default is None or empty != " ")
    }
    required = {
        name: "x" if shown["schemas"][flow]["properties"][name]["type"] == "string" else 1
        for name, default in shown["flows"][flow].items()
        if default == "required"
    }

    validate(required | unset, shown["schemas"][flow], raise_on_error=True)  # type: ignore[arg-type]
    read = getattr(flows, flow).validate_parameters(required | unset)

    assert {name: read[name] for name in unset} == {
        name: shown["flows"][flow][name] for name in unset
    }


def test_a_form_begins_with_what_a_run_needs(shown: Any) -> None:
    fields = shown["schemas"]["execute_run"]["properties"]
    assert sorted(fields, key=lambda name: fields[name]["position"])[:2] == ["plan", "repo"]


def test_every_flow_is_async_and_says_what_it_does(shown: Any) -> None:
    assert all(shown["is_async"].values())
    assert all(text.partition("\n")[0].endswith(".") for text in shown["help"].values())


@pytest.mark.parametrize("full_name", DEPLOYMENTS)
def test_a_deployment_starts_its_flow(full_name: str, shown: Any, deployments: Any) -> None:
    flow_name, _, name = full_name.partition("/")
    entrypoint = deployments[name]["entrypoint"]
    assert entrypoint == DEPLOYMENTS[full_name]
    assert shown["flow_names"][entrypoint.partition(":")[2]] == flow_name


def test_every_deployment_has_a_schedule_and_only_reconciling_is_active(deployments: Any) -> None:
    for name, deployment in deployments.items():
        assert deployment["schedules"], name
        for schedule in deployment["schedules"]:
            assert schedule["active"] is (name == "reconcile"), name
            assert {"cron", "interval", "rrule"} & set(schedule), name


def test_deployments_set_only_parameters_that_exist(shown: Any, deployments: Any) -> None:
    for deployment in deployments.values():
        flow = deployment["entrypoint"].partition(":")[2]
        assert set(deployment.get("parameters") or {}) <= set(shown["flows"][flow])


def test_deployments_say_what_they_do_and_where_they_run(deployments: Any) -> None:
    for deployment in deployments.values():
        assert deployment["description"].endswith(".")
        assert deployment["tags"]
        assert deployment["work_pool"]["name"] == "autopack"


def test_there_is_a_block_for_the_database_and_for_every_builder(shown: Any) -> None:
    promised = {"autopack-database", "autopack-doctor"} | {
        f"autopack-builder-{name}" for name in shown["builders"]
    }
    assert promised <= set(shown["blocks"])
    assert all(shown["blocks"].values())


def test_the_database_block_hides_its_url(shown: Any) -> None:
    assert shown["secrets"]["autopack-database"] == ["url"]
    assert shown["secrets"]["autopack-doctor"] == ["api_key"]


def test_blocks_and_worker_find_the_project() -> None:
    content = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'autopack = "deployments.cli:main"' in content
    assert '[project.entry-points."prefect.collections"]\nautopack = "blocks.kinds"' in content


def test_artifacts_have_the_keys_that_are_promised(shown: Any) -> None:
    # Prefect takes only a-z, 0-9 and dashes.
    assert shown["keys"] == [
        "autopack-progress-run-1-x",
        "autopack-summary-run-1-x",
        "autopack-tokens-run-1-x",
        "autopack-ab-run-1-x",
    ]


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_every_flow_is_imported_by_its_name(name: str) -> None:
    from prefect import Flow

    import flows

    assert isinstance(getattr(flows, name), Flow)
