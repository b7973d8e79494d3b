"""An answer of every route of the API, from runs that are really there; what examples look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.contract_api import PASSWORD, Api
from support.failed_run import fail, make, store

ATTEMPT = "/runs/{run_id}/phases/{phase_id}/attempts/{number}"
STARTED = {"flow_run_id": None, "pid": 4711}
CREATED = "2026-01-01T12:00:00+00:00"


def answers(api: Api, folder: Path) -> dict[str, Any]:
    """Return what each route answers, by method and path.

    Those that start a run, answer a question or move a phase are put together from what they
    answer with.
    """
    project = make(folder)
    fail(project, api.service.settings)
    store(project, "waiting", api.service.db, api.service.settings)
    headers = api.key() | api.token("ada")
    told: dict[str, Any] = {}

    def ask(method: str, path: str, body: Any = None, query: str = "", **names: object) -> Any:
        names = {"run_id": "failed", "phase_id": "two", "number": 1} | names
        where = path.format(**names) + query
        answer = api.client.request(method, where, json=body, headers=headers)
        assert answer.status_code in (200, 201), (method, where, answer.text)
        told[f"{method} {path}"] = answer.json()
        return answer.json()

    for path in ("/livez", "/readyz", "/health", "/runs", "/runs/{run_id}/status"):
        ask("GET", path)
    ask("GET", "/runs/{run_id}")
    for path in ("/phases", "/phases/{phase_id}", "/events"):
        ask("GET", f"/runs/{{run_id}}{path}", query="?limit=3" if path == "/events" else "")
    ask("GET", ATTEMPT)
    ask("GET", f"{ATTEMPT}/diff", query="?content=true")
    ask("GET", f"{ATTEMPT}/log", query="?content=true&limit=3")
    for path in ("status", "consolidated-metrics", "phase6-stats", "token-efficiency"):
        ask("GET", f"/dashboard/runs/{{run_id}}/{path}")
    for path in ("usage", "ab-results", "campaigns", "patterns"):
        ask("GET", f"/dashboard/{path}")
    ask("POST", "/api/auth/login", {"name": "ada", "password": PASSWORD})
    ask("GET", "/api/auth/me")
    ask("GET", "/api/auth/.well-known/jwks.json")
    ask("GET", "/api/auth/key-status")
    made = ask("POST", "/api/auth/keys", {"name": "nightly-ci", "scopes": ["read", "run"]})
    ask("GET", "/api/auth/keys")
    ask("DELETE", "/api/auth/keys/{key_id}", key_id=made["detail"]["key_id"])
    ask("POST", "/pauses/set", {"builder": "codex", "note": "the provider is in trouble"})
    ask("GET", "/pauses")
    ask("POST", "/pauses/lift", {"builder": "codex"})
    ask("POST", "/runs/{run_id}/pause", {"note": "after lunch"}, run_id="waiting")
    ask("POST", "/runs/{run_id}/resume", run_id="waiting")
    ask("POST", "/runs/{run_id}/caps", {"token_cap": 6_000_000}, run_id="waiting")
    ask("POST", "/runs/{run_id}/cancel", run_id="waiting")
    cancelled = told["POST /runs/{run_id}/cancel"]
    begun = {"run": cancelled["detail"], "started": {"by": "process", **STARTED}}
    for path in ("/runs", "/runs/{run_id}/execute"):
        told[f"POST {path}"] = cancelled | {"detail": begun}
    for path in ("approve", "reject"):
        told[f"POST /runs/{{run_id}}/{path}"] = cancelled
    phase = told["GET /runs/{run_id}/phases/{phase_id}"]
    told["PATCH /runs/{run_id}/phases/{phase_id}"] = cancelled | {"detail": phase}
    account = {"name": "grace", "scopes": ["read"], "active": True, "created_at": CREATED}
    told["POST /api/auth/register"] = account
    return told
