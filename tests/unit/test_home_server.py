"""Who has the home's Prefect server, who uses it, and how it proves that it is it."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from autopack import home_server
from autopack.files import safe_files
from autopack.home_server import CHALLENGE, PROOF, HomeServer
from autopack.model.errors import BadInput
from autopack.settings import Settings
from deployments.home_server import UsedServer

pytestmark = pytest.mark.skipif(not home_server.is_possible(), reason="has no such locks")

NOTE = HomeServer("http://127.0.0.1:4242/api", 1, 2.0, "3/0", 900.0)


@pytest.fixture(autouse=True)
def nobody_uses_it(tmp_path: Path) -> Iterator[None]:
    yield
    home_server.let_go(tmp_path)


def elsewhere(home: Path, code: str) -> subprocess.Popen[str]:
    """Another process that does this and then waits."""
    words = "import sys,time; from pathlib import Path; from autopack import home_server as h;"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{words} home=Path(sys.argv[1]); print({code}, flush=True);"
         "time.sleep(60)", str(home)],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() not in ("", "None\n", "False\n")
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_the_lock_of_the_server_goes_with_who_holds_it(tmp_path: Path) -> None:
    assert not home_server.is_locked(tmp_path)
    process = elsewhere(tmp_path, "h.lock_server(home)")
    assert home_server.is_locked(tmp_path)
    assert home_server.lock_server(tmp_path) is None
    kill(process)
    descriptor = home_server.lock_server(tmp_path)
    assert descriptor is not None
    assert home_server.is_lock_of(tmp_path, descriptor)
    os.close(descriptor)


def test_users_keep_the_server_until_they_are_gone_however_they_end(tmp_path: Path) -> None:
    assert home_server.use(tmp_path)
    assert home_server.use(tmp_path), "as often as one likes"
    process = elsewhere(tmp_path, "h.use(home)")
    home_server.let_go(tmp_path)
    assert home_server.lock_users_out(tmp_path) is None
    kill(process)
    alone = home_server.lock_users_out(tmp_path)
    assert alone is not None
    assert not home_server.use(tmp_path), "nobody comes to a server that is about to end"
    os.close(alone)
    assert home_server.use(tmp_path)


def test_a_lock_of_a_home_that_vanished_is_none_of_its_successor(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    descriptor = home_server.lock_server(home)
    assert descriptor is not None
    home.rename(tmp_path / "gone")
    assert not home_server.is_lock_of(home, descriptor)
    other = home_server.lock_server(home)
    assert other is not None
    assert not home_server.is_lock_of(home, descriptor)
    assert home_server.lock_users_out(tmp_path / "nothing") is None
    assert not (tmp_path / "nothing").exists(), "looking makes no home"
    os.close(descriptor)
    os.close(other)


def test_a_note_without_its_server_names_nobody(tmp_path: Path) -> None:
    home_server.folder(tmp_path)
    home_server.write_note(tmp_path, NOTE)
    assert home_server.read_note(tmp_path) == NOTE
    assert home_server.running_server(tmp_path) is None
    descriptor = home_server.lock_server(tmp_path)
    assert descriptor is not None
    assert home_server.running_server(tmp_path) == NOTE
    os.close(descriptor)
    home_server.remove_note(tmp_path)
    assert home_server.read_note(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"api_url": "x"}', json.dumps({**NOTE.__dict__, "x": 1})]
)
def test_a_note_that_cannot_be_read_is_none(text: str, tmp_path: Path) -> None:
    safe_files.write(home_server.folder(tmp_path) / "server.json", text)
    assert home_server.read_note(tmp_path) is None


@pytest.mark.parametrize("before", [None, "", "autopack:", "no login"])
def test_of_many_who_make_the_login_one_does(before: str | None, tmp_path: Path) -> None:
    if before is not None:
        safe_files.write(home_server.folder(tmp_path) / "login", before)
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(home_server.make_login, [tmp_path] * 16))
    assert made == {home_server.read_login(tmp_path)}
    [login] = made
    assert login.startswith("autopack:")
    assert len(login) > 40
    folder = tmp_path / "prefect"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "login").stat().st_mode) == 0o600
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["login", "login.lock", "prefect.db", "storage"]


class _Anything(BaseHTTPRequestHandler):
    """Answers 200 to everything, and sends back what it was sent."""

    login: str | None = None

    def do_GET(self) -> None:
        said = self.headers.get(CHALLENGE, "")
        self.send_response(200)
        self.send_header(PROOF, home_server.proof(self.login, said) if self.login else said)
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("knows", "is_ours"), [("autopack:right", True), ("autopack:other", False), (None, False)]
)
def test_only_what_knows_the_login_is_the_server(knows: str | None, is_ours: bool) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("H", (_Anything,), {"login": knows}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/api"
    assert home_server.answers(url, "autopack:right") is is_ours
    server.shutdown()
    server.server_close()
    assert not home_server.answers(url, "autopack:right", seconds=1)


@pytest.mark.parametrize("proof", ["", "\xe9", "0" * 64, "x" * 1000])
def test_no_header_of_another_program_stands_in_the_way(proof: str) -> None:
    class Other(_Anything):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header(PROOF, proof)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/api"
    assert not home_server.answers(url, "autopack:right")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("error", [TypeError("odd"), OSError("full"), BadInput("no")])
def test_whatever_fails_while_the_server_starts_ends_the_wait(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: UsedServer) -> None:
        raise error

    monkeypatch.setattr(UsedServer, "_find_or_start", lambda *_: "http://127.0.0.1:9/api")
    monkeypatch.setattr(UsedServer, "_until_ready", fail)
    used = UsedServer(Settings(tmp_path, f"sqlite:///{tmp_path}/a.db"), lambda _: None)
    with pytest.raises(type(error), match=str(error)):
        used.wait()


def test_a_home_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: Path, *, read: bool = False) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    home_server.folder(tmp_path)
    monkeypatch.setattr(safe_files, "open_append", read_only)
    with pytest.raises(BadInput, match=f"{tmp_path} cannot be written to: Read-only") as refused:
        home_server.use(tmp_path)
    assert refused.value.field == "AUTOPACK_HOME"


def test_since_when_it_is_unused_is_noted() -> None:
    assert NOTE.with_use(7.0) == replace(NOTE, unused_since=7.0)
    assert NOTE.port == 4242
