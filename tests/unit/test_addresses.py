"""URLs that people give: no logins in them, and what stands there is read within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from autopack.model.errors import BadInput
from autopack.secrecy import addresses
from autopack.secrecy.addresses import check_no_login, check_no_secret, read_text

TOKEN = "ghp_canary0123456789"
WITH_LOGIN = [
    f"https://{TOKEN}@host/x.git",
    f"https://x-access-token:{TOKEN}@host/x.git",
    f"https://:{TOKEN}@host/x.git",
    f"http://{TOKEN}:@host/x.git",
    f"ssh://git:{TOKEN}@host/x.git",
    f"git://{TOKEN}@host/x.git",
    f"https://{TOKEN}%40b@host/",
    f"https:me:{TOKEN}@host/x.git",
    f"https:/me:{TOKEN}@host/x.git",
    f"me:{TOKEN}@host:x.git",
    f"https://\uff4d\uff45\uff1a{TOKEN}\uff20host/",
]
# Raw in a password, and not where a URL may have them.
WITH_MARKS = [f"https://me:a{mark}{TOKEN}@host/x.git" for mark in "/?#"]
WITHOUT = [
    "https://host/x.git",
    "ssh://git@host/x.git",
    "git@host:team/x.git",
    "https://host:8443/a@b",
    "http://[::1]:80/x",
    "http://[::1]:80/@team/x",
    "http://localhost:4873/@team/x?y=a@b",
    "",
]


@pytest.mark.parametrize("url", WITH_LOGIN)
def test_a_login_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_no_login(url, "repo")
    assert caught.value.field == "repo"
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("url", WITHOUT)
def test_other_addresses_are_taken(url: str) -> None:
    check_no_secret(url, "repo")


@pytest.mark.parametrize(
    "url",
    [
        *WITH_LOGIN,
        *WITH_MARKS,
        f"https://host/x.git?private_token={TOKEN}",
        f"https://host/x.git?key={TOKEN}",
        f"https://host/x?X-Amz-Signature={TOKEN}",
        f"https://host/{TOKEN}/x.git",
    ],
)
def test_an_address_that_is_stored_holds_no_secret(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_no_secret(url, "repo")
    assert caught.value.field == "repo"
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"


def test_an_address_that_is_read_once_is_shown_without_its_signature() -> None:
    with pytest.raises(BadInput) as caught:
        read_text(f"http://127.0.0.1:1/plan.yaml?sig={TOKEN}", most_bytes=9, field="plan")
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"


class Answers(BaseHTTPRequestHandler):
    """A server that means no good."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        getattr(self, self.path.strip("/").replace("-", "_"))()

    def head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def plan(self) -> None:
        self.head(Content_Type="text/plain")
        self.wfile.write("\ufeffgoal: Größe\n".encode())

    def moved(self) -> None:
        self.head(302, Location="/plan")

    def large(self) -> None:
        self.head()
        try:
            for _ in range(200):
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def drips(self) -> None:
        self.head()
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass

    def drips_headers(self) -> None:
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Y: ")
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass

    def compressed(self) -> None:
        self.head(Content_Encoding="gzip")
        self.wfile.write(b"\x1f\x8b")

    def page(self) -> None:
        self.head(Content_Type="text/html; charset=utf-8")

    def picture(self) -> None:
        self.head(Content_Type="image/png")

    def bytes(self) -> None:
        self.head()
        self.wfile.write(b"\xff\xfe\x00")

    def around(self) -> None:
        self.head(302, Location="/around")

    def to_a_file(self) -> None:
        self.head(302, Location="file:///etc/hostname")

    def gone(self) -> None:
        self.head(404)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    listening.daemon_threads = True
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()


@pytest.mark.parametrize("path", ["plan", "moved"])
def test_a_text_is_read(path: str, server: str) -> None:
    assert read_text(f"{server}/{path}", most_bytes=1000, field="plan") == "goal: Größe\n"


REFUSED = [
    ("large", "is longer than"),
    ("drips", "did not arrive within"),
    ("drips-headers", "did not arrive within"),
    ("compressed", "comes compressed"),
    ("page", "is text/html"),
    ("picture", "is image/png"),
    ("bytes", "is not UTF-8 text"),
    ("around", "redirects"),
    ("to-a-file", "cannot be read"),
    ("gone", "404"),
]


@pytest.mark.parametrize(("path", "reason"), REFUSED)
def test_anything_else_is_refused_with_its_reason(
    path: str, reason: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_SECONDS", 1.0)
    with pytest.raises(BadInput, match=reason) as caught:
        read_text(f"{server}/{path}", most_bytes=100_000, field="plan")
    assert caught.value.field == "plan"


def test_a_server_that_is_away_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_text("http://127.0.0.1:9/plan", most_bytes=1000, field="plan")
