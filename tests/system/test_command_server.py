"""Commands by fork: each is what it would have been in the process that was asked for it."""

from __future__ import annotations

import ctypes
import json
import os
import pty
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from autopack import home_server
from deployments.warm import handing_over
from deployments.warm.handing_over import ANSWER_SECONDS, why_not
from deployments.warm.interpreter import obeyed_by_commands
from deployments.warm.keeping import CommandServerKeeper

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are handed over on Linux alone"),
]

SECRET = "secret-of-a-builder"
PATIENCE = 30.0
"""Of those who ask: here it is tested what a fork does, and not how soon a busy machine answers."""

CLIENT = """
import os, sys
from deployments.warm import handing_over
handing_over.ANSWER_SECONDS = float(sys.argv.pop())
handing_over.hand_over(sys.argv, os.environ)
from support.command_probe import here
here()
"""


@dataclass
class Home:
    folder: Path
    environ: dict[str, str]
    keeper: CommandServerKeeper
    number: int = 0

    def start(
        self, how: str, *, patience: float = PATIENCE, **options: Any
    ) -> tuple[subprocess.Popen[str], Path]:
        self.number += 1
        said = self.folder / f"said-{self.number}"
        usual: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        usual |= {"env": self.environ, "stdin": subprocess.DEVNULL, "cwd": self.folder}
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, "run", str(said), how, str(patience)],
            text=True,
            **(usual | options),
        )
        return process, said

    def run(self, how: str, **options: Any) -> tuple[int, str, str, Any]:
        process, said = self.start(how, **options)
        stdout, stderr = process.communicate(timeout=60)
        found = json.loads(said.read_text())
        return process.returncode, stdout, stderr, found | {"here": found["pid"] == process.pid}

    def up(self) -> None:
        """Return once commands are handed over."""
        until(self._is_up)

    def _is_up(self) -> bool:
        self.keeper.look()
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return why_not(self.environ) is None
        finally:
            os.chdir(before)


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def said_by(path: Path) -> Any:
    until(path.exists)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("commands")
    home_server.folder(folder / "home")
    left_out = ("PREFECT_", "AUTOPACK_", "PYTHONUNBUFFERED")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    environ = kept | {
        "AUTOPACK_HOME": str(folder / "home"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "A_BUILDER_KEY": SECRET,
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", environ["PYTHONPATH"])
        patched.delenv("PYTHONUNBUFFERED", raising=False)
        keeper = CommandServerKeeper(
            folder / "home",
            obeyed_by_commands(environ),
            answers=lambda: True,
            module="support.command_probe",
        )
    made = Home(folder, environ, keeper)
    made.up()
    yield made
    keeper.end()


def test_a_command_is_carried_out_as_if_it_were_carried_out_here(
    home: Home, tmp_path: Path
) -> None:
    (tmp_path / "typed").write_text("a plan\n")
    given = {"TZ": "Pacific/Apia", "NO_COLOR": "1", "COLUMNS": "77", "ODD": "\udcff"}

    def run(warm: str) -> tuple[int, str, str, Any]:
        with (tmp_path / "typed").open() as typed:
            return home.run(
                "7",
                env=home.environ | given | {"AUTOPACK_WARM_COMMANDS": warm},
                cwd=tmp_path,
                umask=0o027,
                stdin=typed,
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
            )

    plain, forked = run("false"), run("true")
    assert (plain[3]["here"], forked[3]["here"]) == (True, False)
    assert plain[:3] == forked[:3] == (7, "to stdout\n", "to stderr\n")
    assert forked[3]["hidden"] == 0, "not dumpable: the system gives it to root"
    assert SECRET not in forked[3]["initial"]
    assert forked[3]["name"] == "autopack"
    assert [number for number, _ in forked[3]["descriptors"]] == [0, 1, 2, 3, 4]
    assert [number for number, inherited in forked[3]["descriptors"] if inherited] == [0, 1, 2]
    own = {"pid", "here", "initial", "name", "argv", "hidden", "chance", "descriptors", "environ"}
    assert {name: plain[3][name] for name in plain[3].keys() - own} == {
        name: forked[3][name] for name in forked[3].keys() - own
    }
    assert plain[3]["argv"][1::2] == forked[3]["argv"][1::2]
    assert plain[3]["chance"] != forked[3]["chance"]
    switched = {"AUTOPACK_WARM_COMMANDS": "true"}
    assert plain[3]["environ"] | switched == forked[3]["environ"] | switched


def test_it_reads_what_is_piped_to_it(home: Home) -> None:
    process, said = home.start("0", stdin=subprocess.PIPE)
    process.communicate("a plan\n" * 20_000, timeout=60)
    assert said_by(said)["stdin"] == "a plan\n" * 20_000
    assert said_by(said)["pid"] != process.pid


@pytest.mark.parametrize(
    ("how", "code"),
    [
        *(("0", 0), ("1", 1), ("130", 130), ("raise", 1), ("thread", 0)),
        *((name, -getattr(signal, name)) for name in ("SIGTERM", "SIGKILL", "SIGABRT", "SIGINT")),
    ],
)
def test_its_end_is_that_of_the_command(how: str, code: int, home: Home) -> None:
    returned, stdout, stderr, said = home.run(how)
    assert not said["here"]
    # An interrupt that nobody catches ends a Python by the same signal, after its traceback.
    assert returned == code
    assert ("a fault" in stderr) is (how == "raise")
    assert ("late" in stdout) is (how == "thread")
    assert not psutil.pid_exists(said["pid"])


def test_signals_reach_it(home: Home) -> None:
    process, path = home.start("signals")
    assert said_by(path)["pid"] != process.pid
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
        process.send_signal(getattr(signal, name))
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 5
    assert len(json.loads(stdout.splitlines()[-1])) == 6


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_it_stops_and_continues_with_the_process_that_was_asked(
    number: signal.Signals, home: Home
) -> None:
    # In a group of its own: SIGTSTP stops none that nobody in its session looks after.
    process, path = home.start("wait", process_group=0)
    forked, asked = psutil.Process(said_by(path)["pid"]), psutil.Process(process.pid)
    process.send_signal(number)
    until(lambda: forked.status() == asked.status() == psutil.STATUS_STOPPED)
    process.send_signal(signal.SIGCONT)
    until(lambda: psutil.STATUS_STOPPED not in (forked.status(), asked.status()))
    process.kill()
    process.communicate()
    until(lambda: not forked.is_running(), 5)


@pytest.mark.parametrize("stopped", [False, True])
def test_it_is_killed_with_the_process_that_was_asked(stopped: bool, home: Home) -> None:
    process, path = home.start("wait")
    forked = psutil.Process(said_by(path)["pid"])
    parent = forked.parent()
    if stopped:  # nobody's help is needed for it
        assert parent is not None
        parent.suspend()
        forked.suspend()
    began = time.monotonic()
    process.kill()
    until(lambda: forked.status() == psutil.STATUS_ZOMBIE if stopped else not forked.is_running())
    assert time.monotonic() - began < 2
    process.communicate()
    if parent is not None:
        parent.resume()
    until(lambda: not forked.is_running())


def test_a_process_that_does_not_answer_is_not_waited_for(home: Home) -> None:
    assert home.keeper.pid is not None
    os.kill(home.keeper.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        code, _, _, said = home.run("3", patience=ANSWER_SECONDS)
        assert (code, said["here"]) == (3, True)
        assert time.monotonic() - began < 5
    finally:
        os.kill(home.keeper.pid, signal.SIGCONT)
    home.up()


@pytest.mark.parametrize(
    ("started_in", "waits"), [(0.0, 0.25), (-1.0, 0.25), (0.04, 0.25), (0.2, 1.0), (9.0, 2.0)]
)
def test_on_a_busy_machine_it_is_waited_for_longer(
    started_in: float, waits: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_over, "_seconds_to_start", lambda: started_in)
    assert handing_over._patience() == waits


def test_a_terminal_is_one(home: Home) -> None:
    ours, theirs = pty.openpty()
    process, path = home.start("terminal", stdin=theirs, stdout=theirs, stderr=theirs)
    said = said_by(path)
    assert process.wait(60) == 0
    assert said["pid"] != process.pid
    assert said["terminals"] == [True, True, True]
    assert said["line_buffering"] == [True, True]
    assert said["consoles"][::2] == [True, True]
    assert b"to stdout" in os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)


def give_up_privileges() -> None:
    """Do what every sandbox does first: programs started from here gain no rights any more."""
    assert ctypes.CDLL(None).prctl(38, 1, 0, 0, 0) == 0


OTHERS: dict[str, dict[str, Any]] = {
    "switched off": {"env": {"AUTOPACK_WARM_COMMANDS": "off"}},
    "another server": {"env": {"PREFECT_API_URL": "http://127.0.0.1:9/api"}},
    "another home": {"env": {"AUTOPACK_HOME": "/nowhere"}},
    "settings that are read once": {"env": {"PREFECT_LOGGING_LEVEL": "DEBUG"}},
    "another locale": {"env": {"LC_ALL": "C"}},
    "a failpoint": {"env": {"AUTOPACK_FAILPOINT": "x"}},
    "fewer files": {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))},
    "less memory": {
        "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    },
    "fewer rights": {"preexec_fn": give_up_privileges},
    "another niceness": {"preexec_fn": lambda: os.nice(3)},
    "fewer processors": {
        "preexec_fn": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    },
    "no input": {"preexec_fn": lambda: os.close(0)},
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_only_the_asking_process_can_do_is_done_there(other: str, home: Home) -> None:
    options = dict(OTHERS[other])
    options["env"] = home.environ | options.get("env", {})
    if other == "no input":
        options["stdin"] = None
    process, path = home.start("4", **options)
    process.communicate(timeout=60)
    assert process.returncode == (1 if other == "no input" else 4)
    assert other == "no input" or said_by(path)["pid"] == process.pid


def test_a_folder_that_configures_prefect_is_obeyed(home: Home, tmp_path: Path) -> None:
    (tmp_path / "prefect.toml").write_text("[logging]\nlevel = 'DEBUG'\n")
    assert home.run("0", cwd=tmp_path)[3]["here"]


def test_what_answers_in_its_place_is_not_believed(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home_server.folder(tmp_path / "home")
    answers = (b"", b"ready", b"ready x", b"ready 999999999", b"ready 1", b"\xff" * 100)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        monkeypatch.chdir(folder)  # an address holds a hundred characters
        listening.bind("commands")
        listening.listen()
        for answer in answers:
            process, path = home.start(
                "2",
                patience=ANSWER_SECONDS,
                env=home.environ | {"AUTOPACK_HOME": str(tmp_path / "home")},
            )
            connection, _ = listening.accept()
            with connection:
                if answer:
                    connection.send(answer)
                if answer != b"ready 1":  # a process, and nobody who takes the command
                    assert said_by(path)["pid"] == process.pid
                    assert process.wait(60) == 2
            process.kill()
            process.communicate()


def test_the_death_of_what_it_was_forked_from_ends_no_command(home: Home) -> None:
    process, path = home.start("soon")
    forked = said_by(path)["pid"]
    assert home.keeper.pid is not None
    os.kill(home.keeper.pid, signal.SIGKILL)
    stdout, _ = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (6, "to stdout\n")
    until(lambda: not psutil.pid_exists(forked))
    home.up()
    assert not home.run("0")[3]["here"], "the next one has such a process again"
