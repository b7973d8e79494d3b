"""Orders over HTTP: pauses, caps, updates of phases; and what attempts changed and printed."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from support.contract_api import Api
from support.failed_run import fail, make, store

from autopack.access import answers
from autopack.access.scopes import Scope
from autopack.files import safe_files
from autopack.model.ids import AttemptKey
from autopack.model.states import PhaseState, RunState
from autopack.runs.spools.spool import open_spool
from autopack.store.folder_note import find_folder
from autopack.store.leases import Holder, acquire
from autopack.store.runs import get_phases, get_run, move_run
from autopack.store.tables import attempts, phases, reviews

READ, RUN, CONTENT = Scope.READ, Scope.RUN, Scope.CONTENT


@pytest.fixture
def stored(api: Api, tmp_path: Any) -> Api:
    """With a run ``failed``, and ``waiting``, not begun."""
    project = make(tmp_path)
    fail(project, api.service.settings)
    store(project, "waiting", api.service.db, api.service.settings)
    return api


def _post(api: Api, path: str, body: Any = None, scope: Scope = RUN) -> Any:
    content = None if body is None else json.dumps(body)  # which escapes what UTF-8 cannot hold
    headers = api.key(scope) | {"Content-Type": "application/json"}
    return api.client.post(path, content=content, headers=headers)


def _get(api: Api, path: str, *scopes: Scope) -> Any:
    answer = api.client.get(path, headers=api.key(*(scopes or (READ,))))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_pauses_are_set_and_lifted_each_by_itself(stored: Api) -> None:
    run = _post(stored, "/runs/waiting/pause", {"note": "lunch"}).json()
    assert (run["target"], run["changed"]) == ("waiting", True)
    assert not _post(stored, "/runs/waiting/pause", {}).json()["changed"]
    for body in ({"all": True}, {"builder": "script"}):
        assert _post(stored, "/pauses/set", body).json()["changed"]
    status = _get(stored, "/runs/waiting/status")
    assert [one["kind"] for one in status["paused"]] == ["all", "builder", "run"]
    assert status["paused"][2]["note"] == "lunch"
    assert [one["paused"] for one in _get(stored, "/runs")["runs"]] == [True, False]
    assert _post(stored, "/runs/waiting/resume").json()["changed"]
    assert not _post(stored, "/runs/waiting/resume").json()["changed"]
    assert [one["kind"] for one in _get(stored, "/health")["pauses"]] == ["all", "builder"]
    assert _post(stored, "/pauses/lift", {"all": True}).json()["changed"]
    assert [one["name"] for one in _get(stored, "/pauses")["pauses"]] == ["script"]


REFUSED = [
    ("/runs/failed/pause", {}, 409),
    ("/runs/none/pause", {}, 404),
    ("/runs/none/resume", None, 404),
    ("/pauses/set", {}, 400),
    ("/pauses/set", {"all": True, "builder": "script"}, 400),
    ("/pauses/set", {"all": False}, 400),
    ("/pauses/set", {"builder": "cursor"}, 404),
    ("/pauses/set", {"provider": "a b"}, 400),
    ("/pauses/lift", {"builder": "cursor"}, 404),
    ("/runs/waiting/caps", {}, 400),
    ("/runs/waiting/caps", {"token_cap": 0}, 400),
    ("/runs/waiting/caps", {"token_caps": 5}, 400),
    ("/runs/failed/caps", {"token_cap": 5}, 409),
    ("/runs/failed/execute", None, 409),
    ("/runs/none/execute", None, 404),
    ("/runs/waiting/pause", {"note": "a\x00b"}, 400),
    ("/runs/waiting/pause", {"note": "\ud800"}, 400),
]


def test_orders_that_cannot_be_followed_change_nothing(stored: Api) -> None:
    before = stored.service.db.read
    for path, body, status in REFUSED:
        for query in ("", "?dry_run=true"):
            answer = _post(stored, path + query, body)
            assert answer.status_code == status, (path, body, query, answer.text)
            assert answer.json()["kind"]
    assert _get(stored, "/pauses")["pauses"] == []
    assert before is not None


def test_caps_move_while_a_run_is_under_way(stored: Api) -> None:
    tried = _post(stored, "/runs/waiting/caps?dry_run=true", {"token_cap": 7}).json()
    assert (tried["dry_run"], tried["changed"]) == (True, False)
    answer = _post(stored, "/runs/waiting/caps", {"token_cap": 7, "cost_cap": 1.5}).json()
    assert (answer["detail"]["token_cap"], answer["detail"]["cost_cap"]) == (7, 1.5)
    assert not _post(stored, "/runs/waiting/caps", {"token_cap": 7}).json()["changed"]
    assert get_run(stored.service.db, "waiting").token_cap == 7


SENT = {
    "/runs/failed/cancel": None,
    "/runs/failed/pause": {},
    "/runs/failed/resume": None,
    "/runs/failed/caps": {"token_cap": 7},
    "/runs/failed/approve": {},
    "/runs/failed/reject": {},
    "/runs/failed/execute": None,
    "/pauses/set": {"all": True},
    "/pauses/lift": {"all": True},
    "/runs": {"plan": "goal: x\nphases: []", "repo": "/moved/away"},
}


def test_a_repeated_request_is_answered_alike_whatever_became_of_the_run(stored: Api) -> None:
    headers = stored.key() | {"Content-Type": "application/json", "Idempotency-Key": "one"}
    who = stored.client.get("/api/auth/me", headers=headers).json()["name"]
    for path, body in SENT.items():
        sent = b"" if body is None else json.dumps(body).encode()
        digest = hashlib.sha256(f"POST {path}?\n".encode() + sent).hexdigest()
        request = answers.Request(who, "one", digest)
        given = {"target": path, "changed": True, "dry_run": False, "detail": None}
        assert answers.begin(stored.service.db, request) is None
        answers.finish(stored.service.db, request, answers.Answer(200, given))
        told = stored.client.post(path, content=sent, headers=headers)
        assert (told.status_code, told.json()) == (200, given), path
        answers.finish(stored.service.db, request, None)


def test_what_others_wrote_is_for_those_who_may_read_it_and_is_text(stored: Api) -> None:
    text, db = "\x1b[31mcanary\x1b[0m\u202e npm_abc123DEF456ghi789", stored.service.db
    said = {"path": "b", "quote": text, "problem": text}
    review = {
        "run_id": "failed", "phase_id": "two", "attempt": 1, "round": 1, "commit": "c" * 40,
        "reviewer": "script", "simulated": False, "verdict": "reject", "why": text,
        "findings": [said], "dropped": [{**said, "why": text}], "notes": [text],
        "created_at": datetime.now(UTC),
    }  # fmt: skip
    failure = {"failure_message": text}

    def write(conn: sa.Connection) -> None:
        conn.execute(reviews.insert().values(review))
        conn.execute(phases.update().values(failure))
        conn.execute(attempts.update().values(failure | {"failure_output": f"FAILED {text}"}))

    db.transact(write)
    for path in ("", "/phases", "/phases/two", "/phases/two/attempts/1", "/status", "/events"):
        assert "canary" not in json.dumps(_get(stored, f"/runs/failed{path}")), path
    for path in ("", "/phases", "/phases/two"):
        told = json.dumps(_get(stored, f"/runs/failed{path}?content=true", READ, CONTENT))
        assert told.count("canary [secret]") >= 8, path
        assert not [sign for sign in ("\\u001b", "\\u202e", "npm_") if sign in told], path


def _patch(api: Api, body: Any, phase: str = "one", run: str = "waiting") -> Any:
    return api.client.patch(f"/runs/{run}/phases/{phase}", json=body, headers=api.key(RUN))


def test_a_phase_is_moved_along_the_table_by_the_holder_of_the_lease(stored: Api) -> None:
    db, why = stored.service.db, {"cause": "builder_error", "message": "no"}
    assert _patch(stored, {"state": "EXECUTING", "lease_token": 1}).status_code == 409
    lease = acquire(db, "waiting", Holder.of_this_process(), 45).lease
    token = _get(stored, "/runs/waiting/status")["lease_token"]
    assert token == lease.token
    assert _patch(stored, {"state": "EXECUTING", "lease_token": token}).status_code == 409
    db.transact(lambda conn: move_run(conn, lease, RunState.PHASE_EXECUTION))
    moves: list[tuple[dict[str, Any], int, bool | None]] = [
        ({"state": "COMPLETE"}, 409, None),  # it is queued
        ({"state": "EXECUTING", "lease_token": token + 1}, 409, None),
        ({"state": "EXECUTING"}, 200, True),
        ({"state": "EXECUTING"}, 200, False),
        ({"state": "FAILED"}, 400, None),  # and why?
        ({"state": "COMPLETE", "failure": why}, 400, None),
        ({"state": "COMPLETE", "commit": "main"}, 400, None),
        ({"state": "COMPLETE", "commit": "c" * 40}, 200, True),
        ({"state": "COMPLETE", "commit": "c" * 40}, 200, False),
        ({"state": "QUEUED"}, 409, None),  # only by a rollback
        ({"state": "DONE"}, 400, None),
    ]
    for body, status, changed in moves:
        answer = _patch(stored, {"lease_token": token} | body)
        assert answer.status_code == status, (body, answer.text)
        if changed is not None:
            assert answer.json()["changed"] is changed
    assert get_phases(db, "waiting")[0].state is PhaseState.COMPLETE
    assert _patch(stored, {"state": "SKIPPED", "lease_token": token, "failure": why}, "two")
    assert get_phases(db, "waiting")[1].failure_message == "no"


def test_what_an_attempt_changed(stored: Api) -> None:
    where = "/runs/failed/phases/two/attempts/1/diff"
    bare = _get(stored, where)
    assert (bare["files"], bare["diff"]) == ([{"path": "b", "added": 1, "removed": 0}], None)
    full = _get(stored, f"{where}?content=true", READ, CONTENT)
    assert "+1" in full["diff"]
    assert full["truncated"] is False
    cut = _get(stored, f"{where}?content=true&limit=9", READ, CONTENT)
    assert (len(cut["diff"]), cut["truncated"]) == (9, True)
    for path in (f"{where}?content=true", f"{where[:-4]}log?content=true"):
        assert stored.client.get(path, headers=stored.key(READ)).status_code == 403


HOSTILE = (
    "<script>alert(1)</script>",
    "\x1b]0;title\x07\x1b[31mred\x1b[0m",
    "abc\u202edef",
    "x" * 10_000_000,
    "key sk-ant-" + "api03-" + "A" * 60,
    "nul\x00 and \x07bell",
)


def test_what_was_printed_is_text_a_range_at_a_time(stored: Api) -> None:
    db, settings = stored.service.db, stored.service.settings
    key = AttemptKey("failed", "two", 1)
    spool = open_spool(find_folder(settings.home, db, "failed"), key)
    for name in ("builder.out", "validation.log"):
        safe_files.remove(spool / name)
        (spool / name).write_text("\n".join((*HOSTILE, *map(str, range(50)))) + "\n")
    for of in ("agent", "checks"):
        where = f"/runs/failed/phases/two/attempts/1/log?of={of}"
        bare = _get(stored, where)
        assert (bare["is_here"], bare["lines"], bare["next"]) == (True, None, None)
        lines: list[str] = []
        start: int | None = 0
        while start is not None:
            page = _get(stored, f"{where}&content=true&limit=7&start={start}", READ, CONTENT)
            assert len(page["lines"]) <= 7
            lines += page["lines"]
            start = page["next"]
        assert lines[0] == "<script>alert(1)</script>"
        assert lines[1:3] == ["red", "abcdef"]
        assert all(len(line) <= 4096 for line in lines)
        assert "A" * 60 not in "".join(lines)
        assert lines[-50:] == [str(number) for number in range(50)]


def test_dashboards_answer_pages(stored: Api) -> None:
    assert _get(stored, "/dashboard/ab-results") == {"experiments": [], "next_cursor": None}
    assert _get(stored, "/dashboard/campaigns") == {"campaigns": [], "next_cursor": None}
    ids = [one["pattern_id"] for one in _get(stored, "/dashboard/patterns")["patterns"]]
    assert "python_missing_dep" in ids
    for period in (
        "day",
        "week",
        "month",
        "2026-01-01..",
        "..2026-01-31",
        "2026-01-01..2026-01-31",
    ):
        assert _get(stored, f"/dashboard/usage?period={period}")["by"] == "model"


def test_runs_are_filtered(stored: Api) -> None:
    repo = get_run(stored.service.db, "failed").repo
    for query, expected in (
        ("since=1d", 2),
        ("since=2999-01-01", 0),
        (f"repo={repo}", 2),
        ("repo=/elsewhere", 0),
        ("campaign=none", 0),
    ):
        assert len(_get(stored, f"/runs?{query}")["runs"]) == expected, query
    answer = stored.client.get("/runs?since=soon", headers=stored.key(READ))
    assert (answer.status_code, answer.json()["field"]) == (400, "since")
