"""What a stranger sends is answered as a problem that names the field; nothing changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.contract_api import LOCAL, Api
from support.failed_run import fail, make, store

from autopack.access import audit, program_keys
from autopack.access.secret import ApiSecret
from autopack.store.runs import get_run
from deployments.api.bounded import MOST_BYTES

# What is sent and how it is described has nothing to do with the database.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])
JSON = {"Content-Type": "application/json"}
EVENTS, LOG = "/runs/failed/events", "/runs/failed/phases/one/attempts/1/log"
RUN = {"plan": "goal: x\nphases: [{id: a, instructions: b}]", "repo": "."}


@pytest.fixture
def stored(api: Api, tmp_path: Any) -> Api:
    """With a run ``failed``, and ``waiting``, not begun."""
    project = make(tmp_path)
    fail(project, api.service.settings)
    store(project, "waiting", api.service.db, api.service.settings)
    return api


# path, headers, status, field
READ: list[tuple[str, dict[str, str], int, str]] = [
    *(
        (f"{path}?after={cursor}", {}, 400, "after")
        for path in ("/runs", EVENTS, "/dashboard/ab-results", "/dashboard/campaigns")
        for cursor in ("x", "%00", "%ff", "-1", "a" * 5000, "1.5", "%E0%A5%A7", "9" * 30)
    ),
    *(
        (EVENTS, {"Last-Event-ID": last, "Accept": accept}, 400, "Last-Event-ID")
        for last in ("garbage", "-1", "9" * 30, "0x1", "1;2", "99")
        for accept in ("text/event-stream", "application/json")
    ),
    *((f"{EVENTS}?limit={limit}", {}, 400, "limit") for limit in ("0", "-1", "x", "", "1e3")),
    (f"{EVENTS}?limit=5&limit=6", {}, 400, "limit"),
    (f"{EVENTS}?after=1&after=2", {}, 400, "after"),
    *((f"{LOG}?start={start}", {}, 400, "start") for start in ("-1", "x", "9" * 12)),
    (f"{LOG}?of=root", {}, 400, "of"),
    (f"{LOG}?content=maybe", {}, 400, "content"),
    (LOG.replace("/log", "/diff?limit=99999999"), {}, 400, "limit"),
    *(
        (f"/runs/{name}/status", {}, status, "run_id")
        for name, status in {
            "%2e%2e": 404,
            "a%00b": 400,
            "%ff": 404,
            "\u00e9\u202e": 404,
            "x" * 3000: 404,
            "%0d%0aSet-Cookie:x": 404,
            "'%20or%201=1": 404,
        }.items()
    ),
    *(
        (f"/runs/failed/phases/one/attempts/{number}", {}, 400, "number")
        for number in ("0", "-1", "x", "2147483648", "%D9%A3")
    ),
    ("/runs/a/b/status", {}, 404, "path"),
    # No redirect to where a header says that this host is.
    *((path, {"Host": "evil.example"}, 404, "path") for path in ("/runs/", "/livez/")),
    ("/runs?since=-1d", {}, 400, "since"),
    ("/runs?state=", {}, 400, "state"),
]
# method, path, what is sent, its headers, status, field
SENT: list[tuple[str, str, Any, dict[str, str], int, str]] = [
    *(("POST", "/runs", body, JSON, 400, "body") for body in (b"", b"{", b"[]", b"null", b"\xff")),
    ("POST", "/runs", b"[" * 100_000, JSON, 400, "body"),
    ("POST", "/runs", b'{"repo": "."}', JSON, 400, "plan"),
    *(
        ("POST", path, b'{"builder": "codex"}', {"Content-Type": kind}, 415, "Content-Type")
        for path in ("/runs", "/pauses/set", "/api/auth/login")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/jsonp")
    ),
    ("POST", "/runs/waiting/cancel", b'{"force": true}', JSON, 400, "body"),
    ("DELETE", "/api/auth/keys/none", b'{"all": true}', JSON, 400, "body"),
    ("POST", "/runs", b'{"plan": NaN, "repo": "."}', JSON, 400, "plan"),
    ("POST", "/runs", RUN | {"features": ["nothing"]}, JSON, 400, "features"),
    ("POST", "/runs", RUN | {"builder_options": "x"}, JSON, 400, "builder_options"),
    ("POST", "/runs", RUN | {"builder": "nobody"}, JSON, 404, "builder"),
    ("POST", "/runs", RUN | {"run_id": "../../x"}, JSON, 400, "run_id"),
    ("POST", "/runs", RUN | {"repo": "ext::sh -c id"}, JSON, 400, "repo"),
    ("POST", "/runs", RUN | {"token_cap": True}, JSON, 400, "token_cap"),
    *(
        ("POST", "/runs/waiting/caps", {name: value}, JSON, 400, name)
        for name, values in {
            "token_cap": (-1, 1.5, 10**40, True, "5"),
            "cost_cap": (-1, "NaN", 1e308, "1e999"),
            "minutes_cap": (-1, 1e308, True, "5"),
            "minute_cap": (5,),
        }.items()
        for value in values
    ),
    *(
        ("POST", "/runs/waiting/caps", sent, JSON, 400, field)
        for sent, field in {
            b'{"token_cap": 5, "token_cap": 6}': "token_cap",
            b'{"token_cap": 5, "token\\u005fcap": 5}': "token_cap",
            b'{"minutes_cap": Infinity}': "minutes_cap",
            b'{"minutes_cap": 1e400}': "minutes_cap",
            b'{"cost_cap": -Infinity}': "cost_cap",
        }.items()
    ),
    ("POST", "/runs", b'{"plan": {"a": {"x": 1, "x": 2}}, "repo": "."}', JSON, 400, "x"),
    ("POST", "/pauses/set", {}, JSON, 400, "body"),
    ("POST", "/pauses/set", {"all": True, "builder": "codex"}, JSON, 400, "body"),
    ("POST", "/pauses/set", {"builder": "\u202e"}, JSON, 404, "builder"),
    ("POST", "/runs/waiting/pause", {"now": "at once"}, JSON, 400, "now"),
    ("POST", "/runs/waiting/cancel?dryrun=1", b"", {}, 400, "dryrun"),
    ("POST", "/runs/waiting/cancel?dry_run=1&dry_run=0", b"", {}, 400, "dry_run"),
    *(
        ("POST", "/runs/waiting/cancel", b"", {"Idempotency-Key": key}, 400, "Idempotency-Key")
        for key in ("", "x" * 500, "\x01")
    ),
    ("PATCH", "/runs/waiting/phases/one", {"state": "X", "lease_token": 1}, JSON, 400, "state"),
    (
        "PATCH",
        "/runs/waiting/phases/one",
        {"state": "COMPLETE", "lease_token": "1"},
        JSON,
        400,
        "lease_token",
    ),
    ("POST", "/api/auth/keys", {"name": "a", "scopes": ["root"]}, JSON, 400, "scopes"),
    ("POST", "/api/auth/login", {"name": "ada"}, JSON, 400, "password"),
    ("PUT", "/runs/failed/status", b"", {}, 405, "method"),
    ("POST", "/livez", b"", {}, 405, "method"),
]


def test_what_cannot_be_used_is_a_problem_that_names_the_field(stored: Api) -> None:
    wrong: list[object] = []
    asked = [
        *(("GET", path, b"", headers, status, field) for path, headers, status, field in READ),
        *SENT,
    ]
    for method, path, sent, headers, status, field in asked:
        content = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        answer = stored.client.request(
            method, path, content=content, headers=stored.key() | headers
        )
        is_problem = answer.headers["content-type"] == "application/problem+json"
        told = answer.json() if is_problem else {}
        if (answer.status_code, told.get("field")) != (status, field):
            wrong.append((method, path[:80], content[:40], answer.status_code, told.get("field")))
        if len(answer.content) > 4_000:
            wrong.append((method, path[:80], "a long answer"))
    assert wrong == []
    assert {one.outcome for one in audit.read_audit(stored.service.db)[0]} == {"refused"}
    assert get_run(stored.service.db, "waiting").token_cap == 5_000_000


def test_a_body_that_is_too_large_is_not_read(api: Api) -> None:
    """From nobody, with its length and without, to routes that take one and those that do not."""
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        for _ in range(64):
            read += 1
            yield b"x" * (MOST_BYTES // 8)

    for path in ("/api/auth/login", "/runs", "/runs/waiting/cancel", "/ui/sign-in"):
        told = api.client.post(path, content=b"x" * (MOST_BYTES + 1), headers=JSON)
        assert told.status_code == 413, path
        assert told.json()["field"] == "body"
    told = api.client.post("/api/auth/login", content=pieces(), headers=JSON)
    assert (told.status_code, told.json()["field"]) == (413, "body")


def test_keys_and_tokens_of_another_home_let_nobody_in(api: Api) -> None:
    key, token = api.key(), api.token("ada")
    other = ApiSecret(b"another home's secret, as long as one", "elsewhere")
    theirs, _ = program_keys.create_key(
        api.service.db, other, program_keys.NewKey("theirs", frozenset(LOCAL.scopes)), LOCAL
    )
    for headers, field in (
        ({"X-API-Key": theirs}, "X-API-Key"),
        ({"X-API-Key": f"{key['X-API-Key']}x"}, "X-API-Key"),
        ({"X-API-Key": theirs} | token, "X-API-Key"),
        (key | {"Authorization": "Bearer a.b.c"}, "Authorization"),
        ({"Authorization": "Bearer"}, "Authorization"),
        ({"Authorization": "Basic YTpi"}, "Authorization"),
        ({"Authorization": f"Bearer {'a' * 60_000}"}, "Authorization"),
    ):
        told = api.client.get("/runs", headers=headers)
        assert (told.status_code, told.json()["field"]) == (401, field), headers
