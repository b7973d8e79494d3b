"""Every answer of a real server is as the OpenAPI document declares it, whatever is sent."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.contract_api import Api
from support.failed_run import fail, make, store
from support.listening import listening

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
KNOWN = {"run_id": ["failed", "waiting"], "phase_id": ["one", "two"], "number": [1]}


def _examples(config: pytest.Config) -> int:
    return 200 if config.getoption("--full") else 2


def test_whatever_is_sent_is_answered_as_declared(
    api: Api, tmp_path: Any, pytestconfig: pytest.Config
) -> None:
    project = make(tmp_path)
    fail(project, api.service.settings)
    store(project, "waiting", api.service.db, api.service.settings)
    with listening(api) as url:
        statuses = _ask_all(api, url, _examples(pytestconfig))
    wanted = {200, 400, 404, 409} if pytestconfig.getoption("--full") else {200, 400, 404}
    assert wanted <= set(statuses), statuses


def _ask_all(api: Api, url: str, number: int) -> Counter[int]:
    """Ask every route over HTTP; return how often it answered with which status."""
    statuses: Counter[int] = Counter()
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # pyright: ignore[reportAttributeAccessIssue]

        @given(case=operation.as_strategy(), draw=st.data())
        @settings(
            max_examples=number,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            database=None,
            derandomize=True,
        )
        def ask(case: Any, draw: Any) -> None:
            for name, values in KNOWN.items():
                if case.operation.path.endswith("/execute"):
                    break  # would be begun for real
                if name in (case.path_parameters or {}) and draw.draw(st.booleans()):
                    case.path_parameters[name] = draw.draw(st.sampled_from(values))
            headers = api.key()
            ended = (case.path_parameters or {}).get("run_id") == "failed"
            for name in ("Authorization", "X-API-Key"):
                (case.headers or {}).pop(name, None)  # who is let in is tested elsewhere
            if case.operation.path.endswith("/events") and ended and draw.draw(st.booleans()):
                headers = headers | {"Accept": "text/event-stream"}  # of a run under way it lasts
            answer = case.call(headers=headers)
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        ask()
    return statuses
