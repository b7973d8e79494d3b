"""Supervised programs: output on disk, limits kept, nothing left running."""

import asyncio
import ctypes
import os
import shlex
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from autopack.model.ids import AttemptKey, process_mark
from autopack.process.limits import FileLimit, Limit
from autopack.process.run_options import RunOptions
from autopack.workspace import Supervisor, find, head_and_tail, marker_env, tail

PYTHON = sys.executable
# A grandchild in its own session that ignores TERM and is nobody's child soon.
STUBBORN = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(60)
    os._exit(0)
while not os.path.exists(sys.argv[1]) or not open(sys.argv[1]).read():
    time.sleep(0.01)
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")


@pytest.fixture
def supervisor():
    return Supervisor(grace=0.3)


@pytest.fixture
def run(supervisor, tmp_path):
    def start(*argv: str, timeout: float | None = 20.0, env=None, **options):
        return supervisor.run(
            argv,
            cwd=options.pop("cwd", tmp_path),
            env={"PATH": os.environ["PATH"], **(env or {})},
            timeout=timeout,
            spool=options.pop("spool", tmp_path / "spools" / "out.log"),
            options=RunOptions(**options),
        )

    return start


def is_alive(pid_file: Path) -> bool:
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="utf-8")))
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.01)


async def until_written(file: Path) -> None:
    await until(lambda: file.exists() and file.read_text(encoding="utf-8"))


async def test_output_of_both_streams_goes_to_the_spool(run, tmp_path):
    ended = await run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (ended.status, ended.timed_out, ended.truncated) == (3, False, False)
    assert ended.tail == "out\nerr\n"
    spool = tmp_path / "spools/out.log"
    assert spool.read_text(encoding="utf-8") == "out\nerr\n"
    assert stat.S_IMODE(spool.stat().st_mode) == 0o600


async def test_a_spool_is_appended_to_and_the_tail_is_of_this_program(run, tmp_path):
    await run("echo", "one")
    ended = await run("echo", "two")
    assert ended.tail == "two\n"
    assert tail(tmp_path / "spools/out.log", 100) == "one\ntwo\n"


async def test_a_signal_is_a_negative_status(run):
    assert (await run("sh", "-c", "kill -9 $$")).status == -9


async def test_stdin_is_empty_or_what_was_given(run):
    assert (await run("cat")).tail == ""
    assert (await run("cat", input="grüß")).tail == "grüß"
    assert (await run("true", input=b"x" * 1_000_000)).status == 0  # never read


async def test_the_program_sees_its_environment_and_folder(run, tmp_path):
    ended = await run("sh", "-c", 'echo "$COLOUR $HOME"; pwd', env={"COLOUR": "red"})
    assert ended.tail == f"red \n{tmp_path}\n"


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (["no-such-program"], 127, "no-such-program: command not found"),
        (["/nowhere/x"], 127, "command not found"),
        (["./plain"], 126, "Permission denied"),
        (["./unrunnable"], 126, "cannot be started"),  # no #! line, no binary
        (["echo", "x" * 10_000_000], 126, "too long"),
        (["echo", "a\0b"], 126, "null byte"),
        ([], 126, "no program is named"),
    ],
)
async def test_what_cannot_be_started_is_an_exit_too(run, tmp_path, argv, status, said):
    (tmp_path / "plain").write_text("x", encoding="utf-8")
    (tmp_path / "unrunnable").write_bytes(b"\0\1\2")
    (tmp_path / "unrunnable").chmod(0o755)
    ended = await run(*argv)
    assert ended.status == status
    assert said in ended.tail
    assert said in tail(tmp_path / "spools/out.log", 1000)


async def test_a_missing_folder_is_not_a_missing_program(run, tmp_path):
    ended = await run("true", cwd=tmp_path / "nowhere")
    assert ended.status == 126
    assert "folder to run it in does not exist" in ended.tail


async def test_a_timeout_ends_the_program(run):
    ended = await run("sh", "-c", "echo begun; sleep 60", timeout=0.3)
    assert (ended.status, ended.timed_out, ended.tail) == (None, True, "begun\n")
    assert 0.3 <= ended.seconds < 2


async def test_a_program_that_ignores_term_is_killed(run, tmp_path):
    script = f"trap '' TERM; echo $$ > '{tmp_path}/pid'; while :; do sleep 0.1; done"
    assert (await run("sh", "-c", script, timeout=0.3)).timed_out
    assert not is_alive(tmp_path / "pid")


@pytest.mark.parametrize("ending", ["", "\ntime.sleep(60)"], ids=["exit", "timeout"])
async def test_grandchildren_in_their_own_session_end_too(run, tmp_path, ending):
    await run(PYTHON, "-c", STUBBORN + ending, str(tmp_path / "pid"), timeout=1.0)
    assert not is_alive(tmp_path / "pid")


async def test_children_that_hide_their_environment_end_with_the_tree(run, tmp_path):
    script = f"env -i setsid sh -c 'echo $$ > {tmp_path}/pid; sleep 60' & sleep 60"
    task = asyncio.create_task(run("sh", "-c", script))
    await until_written(tmp_path / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(tmp_path / "pid")


async def test_cancelling_ends_everything_first(run, tmp_path):
    task = asyncio.create_task(
        run(PYTHON, "-c", STUBBORN + "\ntime.sleep(60)", str(tmp_path / "pid"))
    )
    await until_written(tmp_path / "pid")
    task.cancel()
    await asyncio.sleep(0.05)
    task.cancel()  # impatience must not leave anything behind
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(tmp_path / "pid")


async def test_too_much_output_ends_the_program_and_is_cut(run, tmp_path):
    ended = await run("yes", max_output=100_000)
    assert (ended.status, ended.truncated) == (None, True)
    assert (tmp_path / "spools/out.log").stat().st_size == 100_000


async def test_a_quick_flood_is_cut_as_well(run, tmp_path):
    ended = await run("sh", "-c", "yes | head -c 200000", max_output=1000)
    assert ended.truncated
    assert (tmp_path / "spools/out.log").stat().st_size == 1000


async def test_one_program_ending_leaves_the_others_alone(run, tmp_path):
    marks = marker_env(AttemptKey("run-1", "p", 1))
    slow = asyncio.create_task(run("sleep", "0.6", env=marks, spool=tmp_path / "slow"))
    await run("true", env=marks)
    await run("sleep", "60", env=marks, timeout=0.1)
    assert (await slow).status == 0


async def test_end_all_from_a_thread_ends_every_program(run, supervisor, tmp_path):
    tasks = [
        asyncio.create_task(
            run(PYTHON, "-c", STUBBORN + "\ntime.sleep(60)", str(tmp_path / f"pid{i}"),
                spool=tmp_path / f"out{i}")
        )
        for i in range(3)
    ]  # fmt: skip
    for i in range(3):
        await until_written(tmp_path / f"pid{i}")
    thread = threading.Thread(target=supervisor.end_all)
    thread.start()
    ended = await asyncio.gather(*tasks)
    thread.join()
    assert all(one.status is not None and one.status < 0 for one in ended)
    assert not any(is_alive(tmp_path / f"pid{i}") for i in range(3))
    supervisor.end_all()  # nothing is running
    assert (await run("true")).status == 0


async def test_supervising_costs_little(run):
    await run("true")
    started = time.perf_counter()
    for _ in range(10):
        assert (await run("true")).status == 0
    # A bare start of `true` is 2 ms of it; the bound leaves room for a busy machine.
    assert (time.perf_counter() - started) / 10 < 0.1


async def test_the_marks_of_an_attempt_are_found(run):
    marks = marker_env(AttemptKey("run-x", "p", 3))
    assert marks["AUTOPACK_ATTEMPT"] == "p/3"
    assert marks["AUTOPACK_HOLDER"] == process_mark()
    task = asyncio.create_task(run("sleep", "60", env=marks))
    await until(lambda: find(AUTOPACK_RUN="run-x", AUTOPACK_ATTEMPT="p/3"))
    assert find(AUTOPACK_RUN="run-x", AUTOPACK_ATTEMPT="p/4") == []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert find(AUTOPACK_RUN="run-x") == []


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        (4, 10, "0123"),  # all of it
        (10, 10, "0123456789"),
        (20, 8, "01\n[... 12 bytes left out ...]\n456789"),
    ],
)
def test_the_head_and_tail_of_a_file(tmp_path, size, limit, expected):
    file = tmp_path / "f"
    file.write_text(("0123456789" * 3)[:size], encoding="utf-8")
    assert head_and_tail(file, limit) == expected


def test_a_tail_begins_with_a_whole_character(tmp_path):
    (tmp_path / "f").write_text("ääää", encoding="utf-8")
    assert tail(tmp_path / "f", 5) == "ää"
    assert head_and_tail(tmp_path / "f", 4, head=1).endswith("\nä")
    assert tail(tmp_path / "nowhere", 5) == ""


# Like daemon(3), and further: no environment, session, folder or open file of its parents.
HIDING = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.chdir("/")
        void = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(void, descriptor)
        code = (
            "import os, sys, time;"
            "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
        )
        os.execve(sys.executable, [sys.executable, "-c", code, sys.argv[1]], {})
    os._exit(0)
while not os.path.exists(sys.argv[1]) or not open(sys.argv[1]).read():
    time.sleep(0.01)
"""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a subreaper")


@linux
@pytest.mark.parametrize("ending", ["", "\ntime.sleep(60)"], ids=["exit", "timeout"])
@pytest.mark.parametrize("spends", [True, False])
async def test_what_hides_in_every_way_ends_too(run, tmp_path, ending, spends):
    await run(PYTHON, "-c", HIDING + ending, str(tmp_path / "pid"), timeout=2.0, spends=spends)
    assert not is_alive(tmp_path / "pid")


# Asks its model again as soon as its tool has ended, and when it is told to end.
ASKING = """
import pathlib, signal, subprocess, sys, time
asked = pathlib.Path(sys.argv[1])
def ask(*_):
    with asked.open("a") as file: file.write("call\\n")
signal.signal(signal.SIGTERM, ask)
ask()
while True:
    subprocess.run(["sleep", "60"])
    ask()
"""


@pytest.mark.parametrize("how", ["timeout", "cancelled"])
async def test_an_agent_that_is_ended_asks_its_model_no_more(run, tmp_path, how):
    work = asyncio.create_task(
        run(PYTHON, "-c", ASKING, str(tmp_path / "asked"), spends=True,
            timeout=1.5 if how == "timeout" else 60)
    )  # fmt: skip
    await until_written(tmp_path / "asked")
    if how == "cancelled":
        work.cancel()
    await asyncio.wait({work})
    assert (tmp_path / "asked").read_text() == "call\n"


@linux
@pytest.mark.parametrize("argv", ["sh -c 'kill 0; sleep 60'", "sh -c 'kill -TERM $$'"])
async def test_what_signals_its_own_group_ends_itself_alone(run, argv):
    assert (await run(*shlex.split(argv))).status == -15


@linux
async def test_a_file_may_grow_only_so_far(run, tmp_path):
    files = FileLimit((tmp_path,), most_bytes=1_000_000)
    ended = await run("sh", "-c", "truncate -s 1T sparse; head -c 2000000 /dev/zero > big; true",
                      files=files)  # fmt: skip
    assert ended.status == 0
    assert [(tmp_path / name).stat().st_size for name in ("sparse", "big")] == [0, 1_000_000]


async def test_files_together_may_grow_only_so_far(run, tmp_path):
    script = "for n in 1 2 3; do head -c 400000 /dev/zero > $n; done"
    ended = await run("sh", "-c", script, files=FileLimit((tmp_path,), most_bytes=1_000_000))
    assert (ended.limit, ended.reason) == (
        Limit.BYTES, "left files of more than 1,000,000 bytes")  # fmt: skip


LOOKING = """
import os, sys
pid = os.getppid()
while pid > 1:
    try: print(b"canary" in open(f"/proc/{pid}/environ", "rb").read())
    except PermissionError: print("refused")
    pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
"""


def landlock_version() -> int:
    if not sys.platform.startswith("linux"):
        return 0
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or landlock_version() < 6,
    reason="nothing was proved about the ancestors of a check: needs root and Landlock 6",
)
async def test_a_check_of_roots_cannot_read_its_ancestors_environment(run):
    ended = await run(PYTHON, "-c", LOOKING, apart=True)
    said = ended.tail.split()
    if "True" in said or "False" in said:
        said = said[1:]  # the reaper, which has the environment of the program itself
    assert said
    assert set(said) == {"refused"}


@linux
def test_a_process_that_holds_a_run_can_be_read_by_nobody_else():
    code = (
        "import ctypes; from autopack.secrecy.memory import hide_memory; hide_memory();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
