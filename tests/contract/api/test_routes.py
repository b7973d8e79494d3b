"""What the API answers about runs, and how changes are answered."""

from __future__ import annotations

from typing import Any

import pytest
from support.contract_api import Api
from support.failed_run import fail, make, store

from autopack.access import audit
from autopack.access.scopes import Scope
from autopack.store.runs import get_run
from autopack.views.run_view import run_view, tokens_view


@pytest.fixture
def failed(api: Api, tmp_path: Any) -> Api:
    """With a run ``failed`` that failed in its second phase, and ``waiting``, not begun."""
    project = make(tmp_path)
    fail(project, api.service.settings)
    store(project, "waiting", api.service.db, api.service.settings)
    return api


def _get(api: Api, path: str, *scopes: Scope) -> Any:
    answer = api.client.get(path, headers=api.key(*(scopes or (Scope.READ,))))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_run_as_everywhere_else(failed: Api) -> None:
    view = run_view(failed.service.db, "failed")
    assert _get(failed, "/runs/failed?content=true", Scope.READ, Scope.CONTENT) == view
    assert _get(failed, "/dashboard/runs/failed/consolidated-metrics") == tokens_view(
        failed.service.db, "failed"
    )
    assert [run["run_id"] for run in _get(failed, "/runs")["runs"]] == ["waiting", "failed"]
    assert [run["run_id"] for run in _get(failed, "/runs?state=FAILED")["runs"]] == ["failed"]


def test_what_agents_wrote_is_shown_only_when_asked_for_and_allowed(failed: Api) -> None:
    bare = _get(failed, "/runs/failed")["phases"][1]["last_failure"]
    full = _get(failed, "/runs/failed?content=true", Scope.READ, Scope.CONTENT)
    assert bare["lines"] is None
    assert full["phases"][1]["last_failure"]["lines"] is not None
    answer = failed.client.get("/runs/failed?content=true", headers=failed.key(Scope.READ))
    assert answer.status_code == 403


def test_where_a_run_stands(failed: Api) -> None:
    status = _get(failed, "/runs/failed/status")
    assert (status["state"], status["completed_phases"], status["failed_phases"]) == (
        "DONE_FAILED_REQUIRES_HUMAN_REVIEW",
        1,
        1,
    )
    assert status["tokens"] == run_view(failed.service.db, "failed")["tokens"]["total"]
    assert status["token_cap"] == 5_000_000
    assert _get(failed, "/dashboard/runs/failed/status") == status


def test_phases_and_attempts(failed: Api) -> None:
    assert [one["phase_id"] for one in _get(failed, "/runs/failed/phases")["phases"]] == [
        "one",
        "two",
    ]
    phase = _get(failed, "/runs/failed/phases/two")
    assert [one["state"] for one in phase["attempt_list"]] == ["FAILED"]
    assert _get(failed, "/runs/failed/phases/two/attempts/1")["failure_cause"] is not None


def test_pages_hold_each_run_once(failed: Api) -> None:
    first = _get(failed, "/runs?limit=1")
    second = _get(failed, f"/runs?limit=1&after={first['next_cursor']}")
    assert [page["runs"][0]["run_id"] for page in (first, second)] == ["waiting", "failed"]
    assert second["next_cursor"] is None


REFUSED = [
    ("/runs/none", 404, "run_id"),
    ("/runs/none/status", 404, "run_id"),
    ("/runs/none/phases", 404, "run_id"),
    ("/runs/none/phases/one", 404, "run_id"),
    ("/runs/none/phases/one/attempts/1/log", 404, "run_id"),
    ("/runs/none/phases/one/attempts/1/diff", 404, "run_id"),
    ("/runs/none/events", 404, "run_id"),
    ("/runs/failed/events?after=nonsense", 400, "after"),
    ("/dashboard/runs/none/status", 404, "run_id"),
    ("/dashboard/runs/none/token-efficiency", 404, "run_id"),
    ("/runs/failed/phases/none", 404, "phase_id"),
    ("/runs/failed/phases/two/attempts/9", 404, "attempt"),
    ("/runs/failed/phases/two/attempts/x", 400, "number"),
    ("/runs?limit=0", 400, "limit"),
    ("/runs?limit=10001", 400, "limit"),
    ("/runs?after=nonsense", 400, "after"),
    ("/runs?state=nonsense", 400, "state"),
    ("/runs?stat=FAILED", 400, "stat"),
    ("/runs/failed?contents=true", 400, "contents"),
    ("/dashboard/usage?period=decade", 400, "period"),
    ("/dashboard/usage?period=2026-02-30..", 400, "since"),
    ("/dashboard/usage?by=colour", 400, "by"),
    ("/nothing", 404, "path"),
]


def test_what_cannot_be_answered_names_the_field(failed: Api) -> None:
    for path, status, field in REFUSED:
        answer = failed.client.get(path, headers=failed.key(Scope.READ))
        assert (answer.status_code, answer.json()["field"]) == (status, field), path
        assert answer.headers["content-type"] == "application/problem+json"


def test_an_unchanged_answer_is_not_sent_again(failed: Api) -> None:
    headers = failed.key(Scope.READ)
    first = failed.client.get("/runs", headers=headers)
    again = failed.client.get("/runs", headers=headers | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = failed.client.get("/runs", headers=headers | {"If-None-Match": '"x"'})
    assert other.status_code == 200


def test_a_run_is_cancelled_once(failed: Api) -> None:
    headers = failed.key(Scope.RUN)
    tried = failed.client.post("/runs/waiting/cancel?dry_run=true", headers=headers).json()
    assert (tried["dry_run"], tried["changed"]) == (True, False)
    assert not get_run(failed.service.db, "waiting").state.is_final
    first = failed.client.post("/runs/waiting/cancel", headers=headers).json()
    assert (first["target"], first["changed"]) == ("waiting", True)
    assert first["detail"]["state"] == "DONE_CANCELLED"
    again = failed.client.post("/runs/waiting/cancel", headers=headers).json()
    assert (again["changed"], again["detail"]) == (False, first["detail"])
    entries, _ = audit.read_audit(failed.service.db)
    assert [one.target for one in entries if one.action == "run.cancel"] == ["waiting"] * 2


def test_the_same_key_gets_the_same_answer(failed: Api) -> None:
    headers = failed.key(Scope.RUN) | {"Idempotency-Key": "one"}
    first = failed.client.post("/runs/waiting/cancel", headers=headers)
    again = failed.client.post("/runs/waiting/cancel", headers=headers)
    assert first.json() == again.json()
    assert first.json()["changed"] is True
    other = failed.client.post("/runs/failed/cancel", headers=headers)
    assert (other.status_code, other.json()["kind"]) == (422, "other_request")
    bad = failed.client.post(
        "/runs/failed/cancel", headers=headers | {"Idempotency-Key": "x" * 201}
    )
    assert (bad.status_code, bad.json()["field"]) == (400, "Idempotency-Key")


def test_a_run_that_waits_for_nothing_is_not_answered(failed: Api) -> None:
    for action in ("approve", "reject"):
        answer = failed.client.post(
            f"/runs/waiting/{action}", headers=failed.key(Scope.APPROVE), json={}
        )
        assert (answer.status_code, answer.json()["kind"]) == (409, "refused")


@pytest.mark.parametrize(
    "body", [{"token_caps": 1}, {"token_cap": "many"}, {"token_cap": 1, "cost_cap": 1}, []]
)
def test_an_answer_that_cannot_be_used(api: Api, body: Any) -> None:
    answer = api.client.post("/runs/waiting/approve", headers=api.key(Scope.APPROVE), json=body)
    assert answer.status_code == 400


def test_a_database_that_is_away_is_said(api: Api) -> None:
    assert _get(api, "/readyz") == {"status": "ready"}
    assert _get(api, "/health")["database"]["engine"] == api.service.db.dialect
    text = api.client.get("/metrics", headers=api.key(Scope.READ)).text
    assert 'autopack_runs{state="DONE_SUCCESS"} 0.0' in text


def test_the_description_is_openapi(api: Api) -> None:
    document = api.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "/runs/{run_id}/status" in document["paths"]
