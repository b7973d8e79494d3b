"""The Prefect server of a home: one for all commands, alive while it is used, behind a login."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from support.prefect_server import free_port
from support.processes import AUTOPACK, Machine
from support.projects import call, git, make_project

from autopack import home_server
from autopack.home_server import HomeServer
from autopack.settings import Settings
from deployments.home_server import UsedServer, home_server_version
from deployments.postgres_place import is_running, place_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not home_server.is_possible(), reason="has no such locks"),
]

AGENT = """
import json, os, urllib.error, urllib.request
from pathlib import Path
note = json.loads(Path("{home}/prefect/server.json").read_text())
login = Path("{home}/prefect/login").read_text().strip()
asked = urllib.request.Request(
    note["api_url"] + "/flow_runs/filter", b"{{}}", {{"Content-Type": "application/json"}}
)
try:
    answer = urllib.request.urlopen(asked).status
except urllib.error.HTTPError as error:
    answer = error.code
seen = []
for path in Path("/proc").glob("[0-9]*/environ"):
    try:
        if login.encode() in path.read_bytes():
            seen.append(path.parent.name)
    except OSError:
        pass
said = {{"answer": answer, "pid": note["pid"], "told": login in str(os.environ), "seen": seen}}
Path("said.json").write_text(json.dumps(said))
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    folder.mkdir()
    yield folder
    server = home_server.running_server(folder)
    home_server.remove_note(folder)
    if server is not None:
        psutil.Process(server.pid).kill()
    home_server.let_go(folder)


def used(home: Path, *, idle: float = 900.0) -> UsedServer:
    server = UsedServer(Settings(home, "sqlite://", server_idle_seconds=idle), print)
    server.wait()
    return server


def noted(home: Path) -> HomeServer:
    server = home_server.running_server(home)
    assert server is not None
    return server


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def status(server: UsedServer, login: str | None) -> int:
    name, _, password = (login or "").partition(":")
    auth = None if login is None else (name, password)
    return httpx.post(f"{server.api_url}/flow_runs/filter", json={}, auth=auth).status_code


def test_it_asks_for_a_login_comes_back_and_ends_when_nobody_uses_it(home: Path) -> None:
    server = used(home, idle=1)
    first, login = noted(home), server.login
    assert [status(server, one) for one in (login, None, "autopack:guessed")] == [200, 401, 401]
    headers = {"Origin": "http://elsewhere.example"}
    assert (
        "access-control-allow-origin"
        not in httpx.get(f"{server.api_url}/health", headers=headers).headers
    )

    other = home.parent / "another user's"
    other.mkdir()
    shutil.copytree(home / "prefect", other / "prefect", ignore=lambda *_: ["login", "prefect.db"])
    stranger = home_server.make_login(other)
    assert not home_server.answers(server.api_url, stranger), "not the server of another home"
    assert status(server, stranger) == 401

    os.kill(first.pid, signal.SIGKILL)
    until(lambda: home_server.is_locked(home) and home_server.answers(server.api_url, login))
    second = noted(home)
    assert second.pid != first.pid
    assert second.api_url == first.api_url, "those who use it find it again"

    home_server.write_note(home, replace(second, version="0/0"))
    server = used(home, idle=1)
    third = noted(home)
    assert third.version == home_server_version()
    assert third.pid not in (first.pid, second.pid)
    assert not psutil.pid_exists(second.pid) or psutil.Process(second.pid).status() == "zombie"

    home_server.let_go(home)
    until(lambda: not home_server.is_locked(home), 30)
    assert home_server.read_note(home) is None


class _Anything(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, format: str, *args: object) -> None:
        pass

    do_POST = do_GET  # noqa: N815


def test_a_taken_port_and_a_broken_database_are_left_to_others(home: Path) -> None:
    other = ThreadingHTTPServer(("127.0.0.1", 0), _Anything)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{other.server_address[1]}/api"
    folder = home_server.folder(home)
    home_server.write_note(home, HomeServer(url, 1, 2.0, home_server_version(), 900.0))
    (folder / "prefect.db").write_bytes(b"no database" * 1000)

    server = used(home)
    other.shutdown()

    assert server.api_url != url
    assert status(server, server.login) == 200
    [aside] = folder.glob("prefect.db.broken-*")
    assert aside.read_bytes() == b"no database" * 1000

    process = psutil.Process(noted(home).pid)
    shutil.rmtree(home)
    until(lambda: not process.is_running() or process.status() == "zombie", 30)
    assert not home.exists()


@pytest.mark.parametrize("number", [3, pytest.param(32, marks=pytest.mark.full)])
def test_first_commands_at_once_share_one_server_that_builds_cannot_ask(
    number: int, home: Path, tmp_path: Path
) -> None:
    machine = Machine(home, f"sqlite:///{tmp_path / 'autopack.db'}", None)
    repository, agent, plan = tmp_path / "repository", tmp_path / "agent.py", tmp_path / "plan.json"
    repository.mkdir()
    git(repository, "init", "--quiet", "--initial-branch=main")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "first")
    agent.write_text(AGENT.format(home=home))
    phase = {"id": "p", "instructions": "Ask", "validate": ["true"], "scope": {"paths": []}}
    plan.write_text(json.dumps({"goal": "g", "setup": [], "phases": [phase]}))
    command = ["run", str(plan), "--repo", str(repository), "--builder", "command"]
    command += ["--set", f"template=python3 {agent}", "--json", "--run-id"]

    processes = [machine.start(*command, f"run-{n}") for n in range(number)]
    ends = [process.communicate(timeout=600) for process in processes]

    for process, (stdout, stderr) in zip(processes, ends, strict=True):
        assert process.returncode == 0, stdout + stderr
    started = sum("starting the Prefect server" in stderr for _, stderr in ends)
    assert started == 1
    server = noted(home)
    for n in range(number):
        said = json.loads(git(repository, "show", f"autopack/run-{n}:said.json"))
        assert said == {"answer": 401, "pid": server.pid, "told": False, "seen": []}
    until(lambda: noted(home).unused_since)
    answer = machine.run("health", "--json").json["server"]
    said = (answer["running"], answer["pid"], answer["started_by"])
    assert said == (True, server.pid, "on demand")
    assert answer["ends_at"] > answer["since"], "looking at it is no use of it"

    assert machine.run("down", "--json").json["ended"][0]["pid"] == server.pid
    assert not psutil.pid_exists(server.pid)
    assert machine.run("down", "--json").json == {"ended": []}
    assert machine.run("health", "--json").json["server"]["running"] is False


DISK = """
mount -t tmpfs -o size=700k,mode=700 none "$AUTOPACK_HOME" || exit 77
if [ "$1" = read-only ]; then mount -o remount,ro "$AUTOPACK_HOME" || exit 77; fi
shift
exec "$@"
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no disk of its own can be had")
@pytest.mark.parametrize(
    ("disk", "code", "said"),
    [
        ("read-only", 2, "error: AUTOPACK_HOME {home} cannot be written to: Read-only file system"),
        ("full", 1, "error: nothing can be written to {home}/prefect: database or disk is full"),
    ],
)
def test_a_home_where_no_server_can_be_is_one_clear_line(
    disk: str, code: int, said: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    machine = Machine(home, f"sqlite:///{tmp_path / 'autopack.db'}", None)
    project = make_project(tmp_path / "project", {"one": [[call(5)]]})
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", DISK, "sh", disk, AUTOPACK, "run", *project.run_args],
        env=machine.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("no disk of its own can be had")
    assert done.returncode == code
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("error:")] == [said.format(home=home)]
    assert lines[-1].startswith("hint:")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("delay", "moments", "least"),
    [
        # while it starts, and during the build
        (10, (0.5, 6.0), 2),
        # also when it just answers, at several times of the build, and after it
        pytest.param(
            60, (0.5, 6.0, 0.0, 1.0, 2.0, 4.0, 15.0, 3.0, 8.0, 20.0), 5, marks=pytest.mark.full
        ),
    ],
)
def test_a_run_survives_the_death_of_its_server_at_any_moment(
    delay: int, moments: tuple[float, ...], least: int, home: Path, tmp_path: Path
) -> None:
    machine = Machine(home, f"sqlite:///{tmp_path / 'autopack.db'}", None)
    build = [call(7), {"delay": delay}, {"files": {"a": "1"}}]
    project = make_project(tmp_path / "project", {"one": [build], "two": [[call(5)]]})
    process = machine.start("run", *project.run_args, "--run-id", "r", "--json")
    killed: set[int] = set()

    def living() -> int:
        return next(iter({noted_pid(home)} - killed - {0}), 0)

    for seconds in moments:
        until(lambda: living() or process.poll() is not None, 120)
        pid = living()
        if pid == 0:
            break
        time.sleep(seconds)
        if process.poll() is None:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    stdout, stderr = process.communicate(timeout=300)

    assert process.returncode == 0, stdout + stderr
    run = json.loads(stdout)
    assert [phase["attempts"] for phase in run["phases"]] == [1, 1]
    assert run["tokens"]["total"] == 12
    assert len(killed) >= least


def noted_pid(home: Path) -> int:
    server = home_server.running_server(home)
    return 0 if server is None else server.pid


def test_up_obeys_ctrl_c_while_it_starts(home: Path, tmp_path: Path) -> None:
    machine = Machine(home, f"sqlite:///{tmp_path / 'autopack.db'}", None)
    process = machine.start("up", "--port", str(free_port()))
    assert process.stderr is not None
    assert process.stderr.readline() == "starting PostgreSQL\n"
    assert process.stderr.readline() == "starting the Prefect server\n"
    parts = until(psutil.Process(process.pid).children)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 130
    assert time.monotonic() - asked < 10
    assert psutil.wait_procs(parts, timeout=5)[1] == []
    assert not is_running(place_of(home / "stack").folder / "data")
    assert home_server.lock_stack(home) is not None, "and another one can be started"
