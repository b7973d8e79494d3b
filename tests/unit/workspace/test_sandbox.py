"""Confinement by bubblewrap: what a program can write, what it sees, and when it is refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from autopack.model.errors import BadInput
from autopack.process import sandbox
from autopack.process.run_options import RunOptions
from autopack.process.sandbox import VARIABLE, Sandbox
from autopack.process.supervisor import Exit, Supervisor
from autopack.settings import SANDBOX_READABLE

ASKED = {"PATH": os.environ["PATH"], VARIABLE: "bwrap"}
OBSTACLE = sandbox.obstacle(os.environ)

needs_bwrap = pytest.mark.skipif(
    OBSTACLE is not None, reason=f"nothing was proved about confinement: {OBSTACLE}"
)

Run = Callable[..., Coroutine[Any, Any, Exit]]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home with a secret, Autopack's home with a run in it, and a repository."""
    for name in ("user", "autopack/runs/r/work", "autopack/repositories/x.git", "project"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "user" / "secret").write_text("mine")
    (tmp_path / "autopack" / "autopack.db").write_text("database")
    (tmp_path / "autopack" / "repositories" / "x.git" / "object").write_text("object")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    return tmp_path


@pytest.fixture
def run(places: Path) -> Run:
    """Runs Python code confined, in the run's work folder."""
    home = places / "autopack"

    def start(code: str, *, timeout: float = 20.0, **more: str) -> Coroutine[Any, Any, Exit]:
        confined = Sandbox.of(
            ASKED | more,
            home=home,
            readable=[home / "repositories" / "x.git"],
        )
        return Supervisor(grace=0.3, sandbox=confined).run(
            [sys.executable, "-c", code],
            cwd=home / "runs" / "r" / "work",
            env={"PATH": os.environ["PATH"], "HOME": str(places / "user"), "AT": str(places)},
            timeout=timeout,
            spool=places / "out.log",
            options=RunOptions(
                writable=[home / "runs" / "r" / "work"],
            ),
        )

    return start


@pytest.fixture
def outside() -> Iterator[subprocess.Popen[bytes]]:
    """A program that is not confined."""
    process = subprocess.Popen(["sleep", "65432"])
    yield process
    process.kill()
    process.wait()


LOOK = """
import os, pathlib
at = pathlib.Path(os.environ["AT"])
"""


@needs_bwrap
async def test_it_writes_where_it_works_and_nowhere_else(run: Run, places: Path) -> None:
    code = LOOK + (
        "pathlib.Path('made').write_text('x')\n"
        "for place in ('/etc/made', '/usr/made', '/made', '/proc/sys/kernel/hostname'):\n"
        "    flags = os.O_WRONLY | (0 if place.startswith('/proc') else os.O_CREAT)\n"
        "    try: os.close(os.open(place, flags))\n"
        "    except OSError as error: print(error.strerror)\n"
        "    else: print('could write', place)\n"
    )
    ended = await run(code)
    # To an ordinary user the last one says so for another reason.
    assert ended.tail.splitlines()[:3] == ["Read-only file system"] * 3
    assert "could write" not in ended.tail
    assert (places / "autopack/runs/r/work/made").read_text() == "x"


@needs_bwrap
async def test_homes_are_hidden_but_for_what_the_run_needs(run: Run, places: Path) -> None:
    code = LOOK + (
        "print((at / 'user' / 'secret').exists(), (at / 'autopack' / 'autopack.db').exists())\n"
        "print((at / 'autopack/repositories/x.git/object').read_text())\n"
        "(at / 'user' / 'new').write_text('x')\n"  # a home of its own, gone with it
    )
    ended = await run(code)
    assert ended.tail.splitlines()[:2] == ["False False", "object"]
    assert ended.status == 0
    assert not (places / "user" / "new").exists()


@needs_bwrap
async def test_what_the_user_names_can_be_read_and_not_written(run: Run, places: Path) -> None:
    (places / "user" / "tools").mkdir()
    (places / "user" / "tools" / "one").write_text("tool")
    code = LOOK + (
        "tool = at / 'user' / 'tools' / 'one'\n"
        "print(tool.read_text(), flush=True)\n"
        "tool.write_text('changed')\n"
    )
    ended = await run(code, **{SANDBOX_READABLE.name: "~/tools"})
    assert ended.status == 1
    assert ended.tail.startswith("tool\n")
    assert "Read-only file system" in ended.tail
    assert (places / "user" / "tools" / "one").read_text() == "tool"


@needs_bwrap
async def test_autopacks_home_stays_hidden_below_what_the_user_names(
    run: Run, places: Path
) -> None:
    code = LOOK + "print((at / 'project').exists(), (at / 'autopack' / 'autopack.db').exists())"
    ended = await run(code, **{SANDBOX_READABLE.name: str(places)})
    assert ended.tail == "True False\n"


@needs_bwrap
async def test_the_network_stays(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ended = await run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)")
    assert ended.status == 0, ended.tail


@needs_bwrap
async def test_programs_outside_are_not_seen(run: Run, outside: subprocess.Popen[bytes]) -> None:
    code = (
        "import pathlib\n"
        "for one in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        "    print(one.read_bytes())\n"
    )
    ended = await run(code)
    assert "glob" in ended.tail
    assert outside.poll() is None
    assert "65432" not in ended.tail


@needs_bwrap
async def test_an_exit_status_comes_through_and_a_limit_leaves_nothing(run: Run) -> None:
    assert (await run("raise SystemExit(7)")).status == 7
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0: os.setsid()\n"
        "time.sleep(6543)"
    )
    ended = await run(code, timeout=1.5)
    assert ended.timed_out
    assert [one for one in psutil.process_iter(["cmdline"]) if _sleeps(one)] == []


@needs_bwrap
@pytest.mark.parametrize(
    ("argv", "status"), [(["no-such-program"], 127), (["./plain"], 126), (["sh", "-c", "true"], 0)]
)
async def test_a_program_that_cannot_be_started_is_told_as_without(
    places: Path, argv: list[str], status: int
) -> None:
    work = places / "autopack" / "runs" / "r" / "work"
    (work / "plain").touch()
    confined = Sandbox.of(ASKED, home=places / "autopack")
    ended = await Supervisor(sandbox=confined).run(
        argv,
        cwd=work,
        env={"PATH": os.environ["PATH"]},
        timeout=10,
        spool=places / "out.log",
        options=RunOptions(
            writable=[work],
        ),
    )
    assert ended.status == status


@needs_bwrap
async def test_a_program_installed_in_the_hidden_home_can_be_run(places: Path) -> None:
    modules = places / "user" / "lib" / "node_modules"
    (modules / "agent").mkdir(parents=True)
    (modules / "other").mkdir()
    (modules / "other" / "words").write_text("said by another package\n")
    agent = modules / "agent" / "cli"
    agent.write_text('#!/bin/sh\ncat "$(dirname "$(readlink -f "$0")")/../other/words"\n')
    agent.chmod(0o755)
    (places / "user" / "bin").mkdir()
    (places / "user" / "bin" / "agent").symlink_to(agent)
    work = places / "autopack" / "runs" / "r" / "work"
    confined = Sandbox.of(ASKED, home=places / "autopack")
    ended = await Supervisor(sandbox=confined).run(
        [str(places / "user" / "bin" / "agent")],
        cwd=work,
        env={"PATH": os.environ["PATH"]},
        timeout=10,
        spool=places / "out.log",
    )
    assert ended.tail == "said by another package\n"


def exists(path: str) -> bool:
    return Path(path).exists()


@needs_bwrap
async def test_temporary_files_stay_inside(run: Run) -> None:
    ended = await run("import tempfile; print(tempfile.mkstemp()[1])")
    made = ended.tail.strip()
    assert Path(made).is_absolute()
    assert not exists(made)


@needs_bwrap
async def test_what_is_run_unconfined_is(places: Path) -> None:
    confined = Sandbox.of(ASKED, home=places / "autopack")
    ended = await Supervisor(sandbox=confined).run(
        ["cat", str(places / "user" / "secret")],
        cwd=places,
        env={"PATH": os.environ["PATH"]},
        timeout=10,
        spool=places / "out.log",
        options=RunOptions(
            confined=False,
        ),
    )
    assert ended.tail == "mine"


@pytest.mark.parametrize("value", [{}, {VARIABLE: ""}, {VARIABLE: "off"}])
def test_it_is_off_unless_asked_for(value: dict[str, str], tmp_path: Path) -> None:
    assert Sandbox.of(value, home=tmp_path) is None
    assert sandbox.said(value) is None


def test_another_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="AUTOPACK_SANDBOX is 'docker'") as refused:
        Sandbox.of({VARIABLE: "docker"}, home=tmp_path)
    assert refused.value.field == VARIABLE


def test_where_it_is_not_installed_that_is_said(tmp_path: Path) -> None:
    asked = {VARIABLE: "bwrap", "PATH": str(tmp_path)}
    assert sandbox.said(asked) == "unavailable: bwrap is not installed"
    with pytest.raises(BadInput, match="bwrap is not installed"):
        Sandbox.of(asked, home=tmp_path)


def test_where_it_does_not_work_its_own_words_are_said(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    asked = {VARIABLE: "bwrap", "PATH": str(tmp_path)}
    assert sandbox.said(asked) == (
        "unavailable: bwrap does not work here: bwrap: No permissions to create new namespace"
    )


def _sleeps(process: psutil.Process) -> bool:
    return "6543" in " ".join(process.info["cmdline"] or ())
