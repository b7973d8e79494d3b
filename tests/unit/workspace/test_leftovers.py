"""Finding what a dead run left, and ending it whole."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from autopack.process.leftovers import orphans_in
from autopack.workspace import end, find

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")


def start(mark: str, script: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "AUTOPACK_RUN": mark}
    return subprocess.Popen(["sh", "-c", script], env=env, start_new_session=True)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_processes_without_a_parent_are_found_and_ended():
    shell = start("left-1", "setsid sleep 60 & setsid sh -c 'trap \"\" TERM; sleep 61' & wait")
    programs = ["sh", "sh", "sleep", "sleep"]  # each forked shell becomes its program in a moment
    wait_for(lambda: sorted(one.name() for one in find(AUTOPACK_RUN="left-1")) == programs)
    shell.kill()
    shell.wait()
    left = find(AUTOPACK_RUN="left-1")
    assert sorted(process.name() for process in left) == ["sh", "sleep", "sleep"]
    end(left, grace=0.2)
    assert find(AUTOPACK_RUN="left-1") == []


def test_descendants_without_the_mark_end_with_their_parent(tmp_path):
    shell = start("left-2", f"env -i sleep 62 & echo $! > '{tmp_path}/pid'; wait")
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    end(find(AUTOPACK_RUN="left-2"), grace=1.0)
    shell.wait()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_other_runs_are_left_alone():
    other = start("left-3", "sleep 60")
    wait_for(lambda: find(AUTOPACK_RUN="left-3"))
    assert find(AUTOPACK_RUN="left-3x") == []
    assert find(AUTOPACK_RUN="left-3", AUTOPACK_ATTEMPT="p/1") == []
    end(find(AUTOPACK_RUN="nobody"))
    assert other.poll() is None
    end([psutil.Process(other.pid)])
    other.wait()


def test_a_process_never_finds_or_ends_itself_or_its_ancestors():
    script = (
        "import os, psutil; from autopack.workspace import find, end;"
        "assert find(AUTOPACK_RUN='left-4') == [];"
        "end([psutil.Process(), psutil.Process(os.getppid())], grace=0.1); print('alive')"
    )
    env = {**os.environ, "AUTOPACK_RUN": "left-4"}
    shell = ["sh", "-c", f'"{sys.executable}" -c "{script}"; echo "$?"']
    done = subprocess.run(shell, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["alive", "0"], done.stderr


def test_ending_what_is_gone_is_no_error():
    gone = start("left-5", "exit 0")
    process = psutil.Process(gone.pid)
    gone.wait()
    end([process])


def test_one_that_may_not_be_signalled_does_not_save_the_others(monkeypatch):
    first, second = start("left-6", "sleep 60"), start("left-6", "sleep 60")

    def refuse(process: psutil.Process) -> None:
        if process.pid == first.pid:
            raise psutil.AccessDenied(process.pid)
        os.kill(process.pid, 9)

    monkeypatch.setattr(psutil.Process, "kill", refuse)
    end([psutil.Process(first.pid), psutil.Process(second.pid)], grace=0.0)
    assert second.wait(5) == -9
    first.kill()
    first.wait()


def test_an_orphan_without_marks_is_known_by_the_folder_it_works_in(tmp_path):
    (tmp_path / "run" / "work").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    script = "(exec env -i setsid sleep 63) & echo $!"
    pids = {}
    for folder in ("run/work", "other"):
        done = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path / folder, capture_output=False,
            stdout=(tmp_path / "pid").open("wb"), stdin=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        assert done.returncode == 0
        pids[folder] = int((tmp_path / "pid").read_text())
    found = [process.pid for process in orphans_in(tmp_path / "run")]
    for pid in pids.values():
        os.kill(pid, 9)
    assert found == [pids["run/work"]]
