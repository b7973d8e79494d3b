"""The note that `autopack up` leaves of its stack."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from autopack.stack import Stack, running_stack, stack_file, write_stack

ME = Stack(
    "http://127.0.0.1:4200/api",
    "http://127.0.0.1:4200",
    psutil.Process().pid,
    psutil.Process().create_time(),
)


def test_a_running_stack_is_found(tmp_path: Path) -> None:
    write_stack(tmp_path, ME)
    assert running_stack(tmp_path) == ME
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


def test_a_home_without_a_stack_has_none(tmp_path: Path) -> None:
    assert running_stack(tmp_path) is None


def test_a_new_note_replaces_the_old_one(tmp_path: Path) -> None:
    write_stack(tmp_path, replace(ME, api_url="http://127.0.0.1:1/api"))
    write_stack(tmp_path, ME)
    assert running_stack(tmp_path) == ME


def test_the_stack_of_a_process_that_ended_is_not_running(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    write_stack(tmp_path, replace(ME, pid=process.pid))
    assert running_stack(tmp_path) is None


# start of the noted process, whether it can be this one
@pytest.mark.parametrize(
    ("seconds", "same"), [(0.0, True), (1.9, True), (2.1, False), (-99, False)]
)
def test_a_pid_that_another_process_has_now_is_told_apart(seconds: float, same: bool) -> None:
    assert replace(ME, started=ME.started + seconds).is_running() is same


# what a crash, an older version or a person may leave
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        "{}",
        json.dumps({"api_url": "http://x/api"}),
        json.dumps({**ME.__dict__, "extra": 1}),
        json.dumps({**ME.__dict__, "pid": "12"}),
        json.dumps({**ME.__dict__, "pid": -1}),
        json.dumps({**ME.__dict__, "started": None}),
    ],
)
def test_a_note_that_cannot_be_read_is_no_stack(text: str, tmp_path: Path) -> None:
    stack_file(tmp_path).write_text(text, encoding="utf-8")
    assert running_stack(tmp_path) is None


def test_a_note_that_is_not_text_is_no_stack(tmp_path: Path) -> None:
    stack_file(tmp_path).write_bytes(b"\xff\xfe\x00")
    assert running_stack(tmp_path) is None
