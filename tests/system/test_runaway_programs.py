"""`autopack run --builder command` with programs that will not end, and leave others behind."""

from __future__ import annotations

import json
import secrets
import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.processes import Answer, Machine, marked_processes
from support.projects import make_project

from autopack.store.database.engine import Database
from autopack.store.runs import get_attempts

pytestmark = pytest.mark.slow

# It tells of a call, ignores TERM, and leaves two that do too: one in a session of its own whose
# parents are gone, one that carries no mark in its environment.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(sys.argv[1], flush=True)
child = [sys.executable, "-c",
         "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
         "time.sleep(float(sys.argv[1]))", sys.argv[2]]
pid = os.fork()
if pid == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(child[0], child)
    os._exit(0)
os.waitpid(pid, 0)
subprocess.Popen(child, env={}, start_new_session=True)
time.sleep(float(sys.argv[2]))
"""
CALL = {
    "type": "message_end",
    "message": {
        "role": "assistant",
        "provider": "openai",
        "model": "gpt-5",
        "responseId": "r1",
        "usage": {"input": 100, "output": 20, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 120},
    },
}


def run_program(
    machine: Machine, folder: Path, program: str, *arguments: str, minutes: float, **options: str
) -> Answer:
    project = make_project(
        folder, {"one": []}, phase={"budget": {"attempts": 1, "minutes": minutes}}
    )
    script = folder / "program.py"
    script.write_text(program, encoding="utf-8")
    template = shlex.join([sys.executable, str(script), *arguments]).replace("{", "{{")
    options = {"template": template.replace("}", "}}"), "usage": "pi", **options}
    settings = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    return machine.run(
        "run",
        str(project.plan),
        "--repo",
        str(project.repository),
        "--builder",
        "command",
        *settings,
        "--run-id",
        f"r-{secrets.token_hex(4)}",
        "--json",
    )


def build_of(machine: Machine, run_id: str) -> Any:
    db = Database.open(machine.database_url)
    (attempt,) = get_attempts(db, run_id)
    db.close()
    return attempt


def processes_with(word: str) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if word in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_program_that_ignores_term_and_leaves_grandchildren_is_ended_in_time(
    machine: Machine, tmp_path: Path
) -> None:
    limit = 4.0
    mark = f"{3000 + secrets.randbelow(10**6)}.{secrets.randbelow(10**6):06d}"
    answer = run_program(machine, tmp_path, STUBBORN, json.dumps(CALL), mark, minutes=limit / 60)

    assert answer.code == 1, answer.stderr
    (phase,) = answer.json["phases"]
    assert phase["failure"]["cause"] == "timeout"
    assert phase["failure"]["message"].startswith("the build ran out of time after ")
    attempt = build_of(machine, answer.json["run_id"])
    assert attempt.built_at - attempt.started_at < timedelta(seconds=limit + 15)
    assert answer.json["tokens"]["total"] == 120, "what it had spent until then is recorded"
    assert processes_with(mark) == []
    assert marked_processes(answer.json["run_id"]) == []
