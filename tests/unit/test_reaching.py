"""Whether a Prefect server answers: without a password, with one, and what is none."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from autopack.errors import Refused
from deployments.reaching import check_reachable, server_version, unreachable

LOGIN = "admin:secret"


class _Server(BaseHTTPRequestHandler):
    """Answers under /api as a Prefect server with a password does, elsewhere with a page."""

    def do_GET(self) -> None:
        basic = f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
        if self.path == "/api/health":
            self._answer(200, "true")
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

    def log_message(self, *args: object) -> None:
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


def test_a_server_with_a_password_is_there(url: str) -> None:
    assert unreachable(url) is None
    assert unreachable(f"{url}/") is None
    check_reachable(url)


@pytest.mark.parametrize(
    ("given", "version"),
    [(None, None), ("admin:wrong", None), (LOGIN, "3.9.1")],
)
def test_its_version_is_told_to_who_knows_the_password(
    url: str, given: str | None, version: str | None
) -> None:
    environ = {} if given is None else {"PREFECT_API_AUTH_STRING": given}
    assert server_version(url, environ) == version


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
    assert server_version(address, {}) is None
