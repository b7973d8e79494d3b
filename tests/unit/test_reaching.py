"""Whether a Prefect server answers: without a password, with one, and what is none."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from autopack.model.errors import Refused
from deployments.advice import advice
from deployments.reaching import check_reachable, server_version, unreachable

LOGIN = "admin:secret"


def _settings(recorder: bool, batch: int, **database: str) -> dict[str, Any]:
    services = {
        "task_run_recorder": {"enabled": recorder},
        "event_persister": {"batch_size": batch},
    }
    return {"server": {"services": services, "database": database}}


SETTINGS = {
    "plain": _settings(True, 20),
    "ours": _settings(False, 10_000),
    "postgresql": _settings(True, 20, driver="postgresql+asyncpg"),
}


OTHERS = {
    "/object/health": (200, "{}"),
    "/object/admin/version": (200, "{}"),
    "/true/health": (200, "true"),
    "/true/admin/version": (200, "true"),
    "/error/health": (404, '{"detail": "Not Found"}'),
    "/error/admin/version": (404, '{"detail": "Not Found"}'),
    "/old/health": (200, "true"),
    "/old/admin/version": (200, '"2.20.4"'),
}
"""What other programs answer, and a Prefect of another time."""


class _Server(BaseHTTPRequestHandler):
    """Answers under /api as a Prefect server with a password does, elsewhere with a page."""

    def do_GET(self) -> None:
        basic = f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
        if self.path == "/api/health":
            self._answer(200, "true")
        elif self.path == "/behind/api/health":
            self._answer(*((200, "true") if self.headers.get("X-Pass") else (502, "<html>")))
        elif self.path in OTHERS:
            self._answer(*OTHERS[self.path])
        elif self.path.endswith("/admin/settings"):
            self._answer(200, json.dumps(SETTINGS.get(self.path.split("/")[1])))
        elif self.path != "/api/admin/version":
            self._answer(200, "<html>")
        elif self.headers.get("Authorization") == basic:
            self._answer(200, json.dumps("3.9.1"))
        else:
            self._answer(401, '{"exception_message": "Unauthorized"}')

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_server_with_a_password_is_there(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unreachable(url) is None
    assert unreachable(f"{url}/") is None
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", LOGIN)
    check_reachable(url)


@pytest.mark.parametrize("given", [None, "admin:wrong"])
def test_a_login_that_is_not_accepted_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    if given:
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", given)
    with pytest.raises(Refused, match=r"does not accept the login: HTTP 401$") as refused:
        check_reachable(url)
    assert refused.value.field == "PREFECT_API_AUTH_STRING"


@pytest.mark.parametrize("program", ["object", "true", "error", "old"])
def test_another_program_is_no_prefect_server(url: str, program: str) -> None:
    with pytest.raises(Refused, match="no Prefect server answers") as refused:
        check_reachable(url.replace("/api", f"/{program}"))
    assert refused.value.field == "PREFECT_API_URL"


@pytest.mark.parametrize(
    ("given", "version"),
    [("admin:wrong", None), (LOGIN, "3.9.1")],
)
def test_its_version_is_told_to_who_knows_the_password(
    url: str, monkeypatch: pytest.MonkeyPatch, given: str, version: str | None
) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", given)
    assert server_version(url) == version


def test_what_stands_before_the_server_gets_the_headers_that_prefect_sends(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = url.replace("/api", "/behind/api")
    assert (unreachable(behind) or "").startswith("HTTP 502")
    monkeypatch.setenv("PREFECT_CLIENT_CUSTOM_HEADERS", '{"X-Pass": "yes"}')
    assert unreachable(behind) is None


def test_a_server_on_sqlite_that_lacks_what_ours_set_is_told_so(url: str, tmp_path: Path) -> None:
    (said,) = advice(url.replace("/api", "/plain/api"), tmp_path)
    assert "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED=false" in said
    assert "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE=10000" in said
    assert advice(url.replace("/api", "/ours/api"), tmp_path) == []
    assert advice(url.replace("/api", "/postgresql/api"), tmp_path) == []
    assert advice(url, tmp_path) == [], "it does not say"


def test_a_page_is_not_an_api(url: str) -> None:
    with pytest.raises(Refused, match="not an answer of its API") as refused:
        check_reachable(url.removesuffix("/api"))
    assert refused.value.field == "PREFECT_API_URL"


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1/api", "http://127.0.0.1:99999/api", "ftp://x/api", "nonsense", "http://"],
)
def test_what_nobody_answers_at_is_named(address: str) -> None:
    with pytest.raises(Refused) as refused:
        check_reachable(address)
    assert address in refused.value.message
    assert len(refused.value.message.splitlines()) == 1
    assert server_version(address) is None
