"""What the form of a run sends, and what schedules and callers sent before, is taken."""

from __future__ import annotations

from typing import Any

import pytest

UNSET = dict.fromkeys(["commit", "builder", "model", "features", "token_cap", "run_id", "push"])


@pytest.mark.parametrize("sent", [UNSET | {"builder_options": None}, {"plan": "", "repo": ""}, {}])
async def test_the_server_takes_null_and_empty_fields(prefect_server: None, sent: Any) -> None:
    from prefect import get_client
    from prefect.client.schemas.actions import DeploymentUpdate

    from flows import execute_run

    deployed = await (await execute_run.ato_deployment("form")).aapply()
    async with get_client() as client:
        # An operator may have saved the form when its switches said "None".
        await client.update_deployment(deployed, DeploymentUpdate(parameters={"database": None}))
        made = await client.read_deployment(deployed)
        fields = (made.parameter_openapi_schema or {})["properties"]
        flow_run = await client.create_flow_run_from_deployment(deployed, parameters=sent)
        await client.delete_deployment(deployed)

    assert made.enforce_parameter_schema
    assert {name for name, field in fields.items() if field["type"] == "string"} > {"plan", "repo"}
    assert flow_run.parameters == {"database": None} | sent


async def test_an_empty_form_says_which_fields_are_needed(home: object) -> None:
    from autopack.model.errors import BadInput
    from flows import execute_run

    with pytest.raises(BadInput, match=r"a plan and a repository.* fields plan and repo"):
        await execute_run(plan="", repo=" ", builder="", features=[], run_id="", database="")


async def test_in_a_deployment_a_plan_needs_a_repository(
    home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker would take for one is the folder that it was started in."""
    from autopack.model.errors import BadInput
    from flows import execute_run

    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")
    with pytest.raises(BadInput, match=r"fields plan and repo"):
        await execute_run(plan="phases: []", repo="")


def test_the_forms_help_says_what_is_needed() -> None:
    from prefect.utilities.callables import parameter_schema

    from flows import execute_run

    fields = parameter_schema(execute_run).properties
    assert fields["plan"]["description"].startswith("Needed, unless run_id alone resumes a run")
    assert fields["repo"]["description"].startswith("Needed with a plan")
    assert "with the plan left empty" in fields["run_id"]["description"]
