"""Sources that fail: each is named, bounded and ended, and what came before is kept."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from autopack.model.errors import BadInput
from autopack.research.sources import FailureKind, Query, SourceFailure
from autopack.research.sources.search_command import MOST_OUTPUT, CommandSource
from autopack.research.sources.source_protocol import MOST_SOURCE_BYTES
from autopack.research.sources.source_registry import SourceSettings, sources_for
from autopack.research.sources.web_page import WebSource, is_public

SERVER = Path(__file__).resolve().parents[2] / "data" / "research_mcp_server.py"
FOUND = 'print(json.dumps({"text": "Wait twice as long: " + sys.argv[-1], "title": "Waiting"}))'


def command(body: str, *, seconds: float = 60) -> CommandSource:
    program = [sys.executable, "-c", f"import json, sys, time\n{body}"]
    return CommandSource("command:find", program, folder=None, seconds=seconds)


def test_results_of_a_command_are_read_line_by_line() -> None:
    source = command(f"print('searching…', file=sys.stderr)\n{FOUND}\nprint('[1]')\n{FOUND}")
    [first, second] = source.search(Query("the delay"))
    assert first.text == "Waiting\n\nWait twice as long: the delay"
    assert source.read(first.locator) == first.content
    assert second.locator == first.locator  # they hold the same
    with pytest.raises(SourceFailure):
        source.read("command:find#0000")


def test_a_query_has_its_place_in_a_command() -> None:
    words = [sys.executable, "-c", f"import json, sys\n{FOUND}", "about {query}"]
    source = CommandSource("command:find", words, folder=None, seconds=60)
    [found] = source.search(Query("; rm -rf / $(id)\nnext"))
    assert found.text.endswith("about ; rm -rf / $(id) next")


@pytest.mark.parametrize(
    ("body", "kind", "seconds"),
    [
        ("time.sleep(600)", FailureKind.TIMED_OUT, 0.5),
        ("while True: sys.stdout.write('x' * 2**20)", FailureKind.TOO_LARGE, 60),
        ("sys.exit('no index')", FailureKind.CRASHED, 60),
        ("import os; os.kill(os.getpid(), 9)", FailureKind.CRASHED, 60),
        ("print('3 results')", FailureKind.WRONG_TYPE, 60),
        ("print('[' * 100_000)", FailureKind.WRONG_TYPE, 60),
    ],
)
def test_a_command_that_fails_is_named(body: str, kind: FailureKind, seconds: float) -> None:
    with pytest.raises(SourceFailure) as failed:
        command(body, seconds=seconds).search(Query("the delay"))
    assert failed.value.kind is kind
    assert failed.value.as_json()["source_id"] == "command:find"
    assert len(failed.value.message) <= 400


def test_a_command_that_is_not_there_is_named() -> None:
    source = CommandSource("command:absent", ["absent-program"], folder=None, seconds=60)
    with pytest.raises(SourceFailure, match="not found") as failed:
        source.search(Query("the delay"))
    assert failed.value.kind is FailureKind.NOT_FOUND


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("while True: print('x' * 2**20, flush=True)", FailureKind.TOO_LARGE),
        ("sys.exit(1)", FailureKind.CRASHED),
    ],
)
def test_results_before_a_failure_are_kept(body: str, kind: FailureKind) -> None:
    source = command(f"{FOUND}\nsys.stdout.flush()\n{body}")
    [found] = source.search(Query("the delay"))
    assert found.text.endswith("the delay")
    assert [each.kind for each in source.failures] == [kind]
    assert MOST_OUTPUT < 10 * 1024 * 1024


def test_no_process_outlives_a_command() -> None:
    body = (
        "import subprocess, os\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        'print(json.dumps({"text": str(child.pid)}))'
    )
    [found] = command(body).search(Query("the delay"))
    assert not psutil.pid_exists(int(found.text))


def of_server(tmp_path: Path, kind: str, seconds: float = 60, spec: str = "mcp:manual") -> object:
    file = tmp_path / "mcp.json"
    servers = {"manual": {"command": sys.executable, "args": [str(SERVER), kind]}}
    file.write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
    settings = SourceSettings(mcp_file=file, seconds=seconds)
    [source] = sources_for([spec], settings)
    return source.search(Query("the delay"))


def test_a_tool_of_a_server_is_asked(tmp_path: Path) -> None:
    [found] = of_server(tmp_path, "right")  # pyright: ignore[reportGeneralTypeIssues]
    assert found.text == "The manual says of the delay: wait twice as long each time."
    assert found.locator.startswith("mcp:manual#")


@pytest.mark.parametrize(
    ("wrong", "kind", "seconds", "said"),
    [
        ("dies at once", FailureKind.CRASHED, 60, "no licence was found"),
        ("dies", FailureKind.CRASHED, 60, "the index is broken"),
        ("says nothing", FailureKind.TIMED_OUT, 0.5, ""),
        ("floods", FailureKind.CRASHED, 60, ""),
    ],
)
def test_a_server_that_fails_is_named_and_ended(
    tmp_path: Path, wrong: str, kind: FailureKind, seconds: float, said: str
) -> None:
    with pytest.raises(SourceFailure) as failed:
        of_server(tmp_path, wrong, seconds)
    assert failed.value.kind is kind
    assert said in failed.value.message
    assert not [one for one in psutil.Process().children(recursive=True) if wrong in _words(one)]


def test_a_tool_or_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceFailure, match="search_manual"):
        of_server(tmp_path, "right", spec="mcp:manual/absent")
    with pytest.raises(BadInput, match="absent") as refused:
        of_server(tmp_path, "right", spec="mcp:absent")
    assert refused.value.hint == "name one of that file"


def test_variables_of_a_server_are_those_that_programs_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mcp.json"
    servers = {
        "manual": {"command": sys.executable, "args": [str(SERVER), "${MANUAL_KIND}"]},
        "other": {"command": "absent", "env": {"KEY": "${OTHER_KEY}"}},
    }
    file.write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
    settings = SourceSettings(mcp_file=file, seconds=60)
    monkeypatch.setenv("MANUAL_KIND", "dies at once")
    with pytest.raises(BadInput, match="MANUAL_KIND") as refused:
        sources_for(["mcp:manual"], settings)
    assert refused.value.hint == "list it in AUTOPACK_PASS_ENV"
    monkeypatch.setenv("AUTOPACK_PASS_ENV", "MANUAL_*")
    [source] = sources_for(["mcp:manual"], settings)
    with pytest.raises(SourceFailure, match="no licence was found"):
        source.search(Query("the delay"))


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class Pages(BaseHTTPRequestHandler):
    """Pages of a server on this machine, each wrong in its own way."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.strip("/").partition("/")
        getattr(self, f"send_{kind}", self.send_missing)(rest)

    def answer(self, content: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(content)

    def send_text(self, _: str) -> None:
        self.answer(b"Waiting\n\nThe delay is doubled each time.\n")

    def send_html(self, _: str) -> None:
        page = "<html><head><title>delay</title><script>delay()</script></head><body><h1>Waiting"
        self.answer(f"{page}</h1><p>The delay&nbsp;is\n <b>doubled</b>.</p>".encode(), "text/html")

    def send_to(self, where: str) -> None:
        self.send_response(302)
        self.send_header("Location", where)
        self.end_headers()

    def send_round(self, _: str) -> None:
        self.send_to("/round")

    def send_image(self, _: str) -> None:
        self.answer(b"delay", "image/png")

    def send_large(self, rest: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        for _ in range(1024):
            self.wfile.write(b"delay " * 200_000)

    def send_slow(self, rest: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        for _ in range(600):
            self.wfile.write(b"delay ")
            self.wfile.flush()
            time.sleep(0.2)

    def send_header_slowly(self, rest: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Y: ")
        for _ in range(600):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.2)

    def send_cut(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"delay")

    def send_missing(self, _: str) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return  # the one who asked has heard enough


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(site: str) -> Callable[..., WebSource]:
    def of(path: str, *, seconds: float = 60) -> WebSource:
        return WebSource(f"url:{site}/{path}", seconds=seconds, allow_loopback=True)

    return of


def test_pages_are_read_as_text(page: Callable[..., WebSource]) -> None:
    for path in ("text", "to//text"):
        [found] = page(path).search(Query("delay"))
        assert "The delay is doubled each time." in found.text
    source = page("html")
    [found] = source.search(Query("delay doubled"))
    assert found.text == "Waiting\n\nThe delay is doubled.\n"
    assert source.read(found.locator)[found.start : found.end] == found.content


@pytest.mark.parametrize(
    ("path", "kind", "seconds"),
    [
        ("missing", FailureKind.NOT_FOUND, 60),
        ("image", FailureKind.WRONG_TYPE, 60),
        ("large", FailureKind.TOO_LARGE, 60),
        ("slow", FailureKind.TIMED_OUT, 1),
        ("header_slowly", FailureKind.TIMED_OUT, 1),
        ("to//header_slowly", FailureKind.TIMED_OUT, 1),
        ("cut", FailureKind.UNREACHABLE, 60),
        ("round", FailureKind.REFUSED, 60),
        ("to/ftp://example.org/", FailureKind.REFUSED, 60),
        ("to/file:///etc/passwd", FailureKind.REFUSED, 60),
        ("to/http://10.0.0.1/", FailureKind.REFUSED, 60),
        ("to/http://192.168.0.1:8080/delay", FailureKind.REFUSED, 60),
        ("to/http://169.254.169.254/latest/meta-data/", FailureKind.REFUSED, 60),
        ("to/http://[fd00::1]/", FailureKind.REFUSED, 60),
        ("to/http://[::ffff:10.0.0.1]/", FailureKind.REFUSED, 60),
        ("to/http://user:word@example.org/", FailureKind.REFUSED, 60),
    ],
)
def test_a_page_that_cannot_be_used_is_named(
    page: Callable[..., WebSource], path: str, kind: FailureKind, seconds: float
) -> None:
    with pytest.raises(SourceFailure) as failed:
        page(path, seconds=seconds).search(Query("delay"))
    assert failed.value.kind is kind
    assert MOST_SOURCE_BYTES < 10_000_000


def test_this_machine_is_no_place_for_pages(site: str) -> None:
    port = site.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "0.0.0.0", "127.1"):
        [source] = sources_for([f"url:http://{host}:{port}/text"], SourceSettings(seconds=60))
        with pytest.raises(SourceFailure) as failed:
            source.search(Query("delay"))
        assert failed.value.kind in (FailureKind.REFUSED, FailureKind.UNREACHABLE)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("172.16.0.1", False),
        ("192.0.0.8", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:0001::", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_which_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected
