"""Flow runs by fork: each is a process of its own, as if a new Python had been started for it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployments.warm.forked import ForkedProcess, ForkServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked"),
]

FLOW_RUN = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AUTOPACK_"))}
    return kept | {
        "AUTOPACK_HOME": str(tmp_path_factory.mktemp("forking") / "home"),
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "PREFECT_API_AUTH_STRING": "autopack:secret-of-the-server",
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "DO_NOT_TRACK": "1",
    }


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def server(environ: dict[str, str], loop: asyncio.Runner) -> Iterator[ForkServer]:
    async def make() -> ForkServer:
        made = ForkServer(environ, module="support.forked_probe")
        await made.start()
        return made

    made = loop.run(make())
    yield made
    made.close()


def fork(
    server: ForkServer, loop: asyncio.Runner, environ: dict[str, str], folder: Path, **more: str
) -> ForkedProcess:
    env = environ | {"PROBE": str(folder / "probe"), "HOW": "0"} | more
    return loop.run(server.fork(env, folder, shows=True))


def said(folder: Path) -> Any:
    deadline = time.monotonic() + 30
    while not (folder / "probe").exists() or not (folder / "probe").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return json.loads((folder / "probe").read_text())


def test_a_forked_process_is_as_if_it_were_started_anew(
    server: ForkServer,
    loop: asyncio.Runner,
    environ: dict[str, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    own = {
        "PREFECT_API_URL": "http://127.0.0.1:10/api",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT__FLOW_RUN_ID": FLOW_RUN,
        "OWN": "x",
    }
    (tmp_path / "second").mkdir()
    first = fork(server, loop, environ, tmp_path, **own)
    second = fork(server, loop, environ, tmp_path / "second")
    assert [loop.run(one.wait()) for one in (first, second)] == [0, 0]

    found, other = said(tmp_path), said(tmp_path / "second")
    assert (found["pid"], other["pid"]) == (first.pid, second.pid)
    assert found["cwd"] == str(tmp_path)
    assert found["argv"][0].endswith("forked_probe.py")
    assert found["descriptors"] == [0, 1, 2]
    assert (found["threads"], found["interrupt"], found["child"]) == (1, True, True)
    assert found["group"] == os.getpgid(0), "what is sent to the worker's group reaches it"
    assert (found["api_url"], found["log_level"]) == ("http://127.0.0.1:10/api", "DEBUG")
    assert (other["api_url"], other["log_level"]) == (environ["PREFECT_API_URL"], "INFO")
    assert "OWN" not in other["environ"]
    assert found["holder"] != other["holder"], "each is the holder of what it starts"
    assert all(a != b for a, b in zip(found["chance"], other["chance"], strict=True))
    assert found["heavy"] == []


@pytest.mark.parametrize(
    ("how", "status"),
    [("0", 0), ("7", 7), ("raise", 1), ("thread", 0), ("wait", -15), ("hang", 3), ("reused", 0)],
)
def test_its_end_is_told_as_it_was(
    how: str,
    status: int,
    server: ForkServer,
    loop: asyncio.Runner,
    environ: dict[str, str],
    tmp_path: Path,
) -> None:
    process = fork(server, loop, environ, tmp_path, HOW=how)
    if how == "wait":
        said(tmp_path)
        process.terminate()
    assert loop.run(process.wait()) == status
    assert not psutil.pid_exists(process.pid)
    if how == "thread":
        assert (tmp_path / "probe").read_text() == "late", "the interpreter ended in order"


def test_no_secret_stands_where_others_read_and_operators_see_which_flow_run_it_is(
    server: ForkServer, loop: asyncio.Runner, environ: dict[str, str], tmp_path: Path
) -> None:
    process = fork(server, loop, environ, tmp_path, HOW="wait", PREFECT__FLOW_RUN_ID=FLOW_RUN)
    said(tmp_path)
    parent = psutil.Process(process.pid).ppid()
    for pid in (parent, process.pid):
        there = Path(f"/proc/{pid}/environ")
        assert b"secret-of-the-server" not in there.read_bytes()
        assert there.stat().st_uid == 0, "not dumpable: the system gives it to root"
    assert psutil.Process(process.pid).environ()["PREFECT__FLOW_RUN_ID"] == FLOW_RUN
    process.kill()
    assert loop.run(process.wait()) == -signal.SIGKILL


def test_the_death_of_the_fork_server_ends_no_flow_run(
    environ: dict[str, str], loop: asyncio.Runner, tmp_path: Path
) -> None:
    async def make() -> ForkServer:
        return ForkServer(environ, module="support.forked_probe")

    server = loop.run(make())
    process = fork(server, loop, environ, tmp_path, HOW="wait")
    said(tmp_path)
    psutil.Process(psutil.Process(process.pid).ppid()).kill()
    assert psutil.pid_exists(process.pid)
    (tmp_path / "next").mkdir()
    again = fork(server, loop, environ, tmp_path / "next")
    assert loop.run(again.wait()) == 0, "the next one has a fork server again"
    process.kill()
    assert loop.run(process.wait()) == -signal.SIGKILL
    server.close()


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("PREFECT__CONTROL_TOKEN", True),
        ("PREFECT_API_AUTH_STRING", True),
        ("PREFECT_LOGGING_LEVEL", True),
        ("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", True),
        ("AUTOPACK_SANDBOX", True),
        ("ANTHROPIC_API_KEY", True),
        ("PREFECT_TASKS_DEFAULT_RETRIES", False),
        ("PREFECT_HOME", False),
        ("PYTHONPATH", False),
        ("PYTHONHASHSEED", False),
        ("LD_LIBRARY_PATH", False),
        ("LC_ALL", False),
        ("AUTOPACK_FAILPOINT", False),
    ],
)
def test_what_only_a_new_python_obeys_gets_one(name: str, can: bool, server: ForkServer) -> None:
    environ = server.environ
    assert server.can_start(environ)
    assert server.can_start(environ | {name: "another"}) is can
    assert server.can_start({k: v for k, v in environ.items() if k != name}) is (
        can or name not in environ
    )
