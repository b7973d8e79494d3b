"""`autopack run` with the real programs against the scripted server: a real project is mended,
and the ledger says what the server counted."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import pytest
from support.packages import download_source, unpack
from support.processes import Answer, Machine, marked_processes
from support.projects import git, write_yaml

from autopack.process import sandbox
from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from autopack.testing.model_server import ScriptedModelServer

pytestmark = pytest.mark.slow

FAULT = Path(__file__).parent.parent.parent / "data" / "repos" / "inflection.mutation.patch"
KEY = "sk-canary-9876543210-zyxwvutsrqponmlkjihgfedcba"
PROGRAMS = {"claude-code": "claude", "codex": "codex", "opencode": "opencode", "pi": "pi"}
NAMES = ["claude-code", "codex", "opencode", "api"]
OBSTACLE = sandbox.obstacle(os.environ)


def mending(
    repository: Path, name: str, *, failing: dict[str, str] | None = None
) -> dict[str, object]:
    """What the model says: it looks, undoes the fault and is done; or is ``failing`` instead."""
    git(repository, "apply", "-R", str(FAULT))
    mended = (repository / "inflection" / "__init__.py").read_text(encoding="utf-8")
    git(repository, "checkout", "-q", ".")
    broken = (repository / "inflection" / "__init__.py").read_text(encoding="utf-8")
    old, new = difference(broken, mended)
    path = "inflection/__init__.py"
    edit: dict[str, Any] = {"path": path, "old": old, "new": new}
    # It prints its environment, where its key is.
    look: dict[str, Any] = {"actions": [{"read": path}, {"run": "env"}]}
    mend: dict[str, Any] = {"actions": [{"edit": edit}]}
    if name == "api":
        look = {"tools": [{"name": "read_file", "arguments": {"path": path}}]}
        mend = {"tools": [{"name": "edit_file", "arguments": edit}]}
    return {
        "turns": [
            {
                "text": "I look first.",
                **look,
                "usage": {"input": 1011, "cache_read": 500, "output": 17, "reasoning": 5},
            },
            {
                "text": "I mend it.",
                **mend,
                "fail": failing,
                "usage": {"input": 2011, "cache_read": 500, "cache_write": 200, "output": 27},
            },
            {"text": "Mended.", "usage": {"input": 4011, "cache_read": 500, "output": 47}},
        ]
    }


def difference(before: str, after: str) -> tuple[str, str]:
    """The lines that differ between two texts, with three lines around that make them unique."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    start = next(i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    start, end = start - 3, end - 3
    return "".join(old[start : len(old) - end]), "".join(new[start : len(new) - end])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The project inflection with a fault in it, committed."""
    archive = download_source("inflection", "0.5.1")
    folder = unpack(archive, tmp_path / "project")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "apply", str(FAULT))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "inflection, with a fault")
    return folder


QUICK_CHECK = "python3 -c 'from inflection import ordinal; assert ordinal(111) == \"th\"'"


def plan_file(folder: Path, *, minutes: float = 120, inferred: bool = False) -> Path:
    """A plan to mend it; setup and checks are ``inferred`` where what an agent changes in an
    environment of its own is to be seen, which takes some seconds more.
    """
    one: dict[str, Any] = {
        "id": "mend",
        "instructions": 'Make the ordinal of 111 "111th".',
        "deliverables": ["inflection/__init__.py"],
        "scope": {"paths": ["inflection/"], "read_only": ["tests/"]},
        "budget": {"attempts": 1},
    }
    plan: dict[str, Any] = {
        "goal": "Ordinals of 111 to 113 are wrong",
        "budget": {"minutes": minutes},
        "phases": [one],
    }
    if not inferred:
        plan["setup"], one["validate"] = [], [QUICK_CHECK]
    return write_yaml(folder / "plan.yaml", plan)


def run_with(
    name: str,
    machine: Machine,
    server: ScriptedModelServer,
    programs: Path,
    *more: str,
    **environ: str,
) -> Answer:
    url = server.url if name == "claude-code" else server.openai_url
    return machine.run(
        "run",
        *more,
        "--builder",
        name,
        "--model",
        "fake-model",
        *(["--set", f"executable={programs / PROGRAMS[name]}"] if name in PROGRAMS else []),
        "--set",
        f"base_url={url}",
        "--run-id",
        f"r-{secrets.token_hex(4)}",
        "--json",
        timeout=300,
        ANTHROPIC_API_KEY=KEY,
        OPENAI_API_KEY=KEY,
        AUTOPACK_BUILDER_KEY=KEY,
        **environ,
    )


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.full) if n == "opencode" else n for n in NAMES]
)
def test_a_real_project_is_mended_and_every_token_counted(
    name: str,
    machine: Machine,
    repository: Path,
    programs: Path,
    tmp_path: Path,
    prefect_folder: Path,
) -> None:
    plan = plan_file(tmp_path, inferred=name == "claude-code")
    with ScriptedModelServer(mending(repository, name)) as server:
        answer = run_with(name, machine, server, programs, str(plan), "--repo", str(repository))
        counted = server.totals()

    assert answer.code == 0, answer.stderr + answer.stdout
    run = answer.json
    assert run["state"] == "DONE_SUCCESS"
    spent = run["tokens"]
    assert [spent[key] for key in ("total", "input", "cache_read", "cache_write", "output")] == [
        counted.total,
        counted.input,
        counted.cache_read,
        counted.cache_write,
        counted.output,
    ]
    assert spent["unsplit"] == 0
    assert run["budget"]["reserved"]["tokens"] == 0
    assert_nowhere(answer, machine.home.parent, prefect_folder)


@pytest.mark.skipif(
    OBSTACLE is not None, reason=f"nothing was proved about confinement: {OBSTACLE}"
)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "codex" else pytest.mark.full) for name in NAMES],
)
def test_confined_agents_work_too(
    name: str, machine: Machine, repository: Path, programs: Path, tmp_path: Path
) -> None:
    plan = plan_file(tmp_path)
    with ScriptedModelServer(mending(repository, name)) as server:
        answer = run_with(
            name,
            machine,
            server,
            programs,
            str(plan),
            "--repo",
            str(repository),
            AUTOPACK_SANDBOX="bwrap",
        )
        counted = server.totals()

    assert answer.code == 0, answer.stderr + answer.stdout
    assert answer.json["tokens"]["total"] == counted.total > 0
    assert marked_processes(answer.json["run_id"]) == []


CALL = 5_000
"""Tokens of a call of the next test."""


@pytest.mark.full
@pytest.mark.parametrize("name", [*NAMES, "pi"])
def test_a_cap_holds_to_within_a_call_though_answers_come_at_once(
    name: str, machine: Machine, repository: Path, programs: Path, tmp_path: Path
) -> None:
    look: dict[str, Any] = {"actions": [{"run": "ls"}]}
    if name == "api":
        look = {"tools": [{"name": "list_files", "arguments": {"folder": "."}}]}
    spent = {"input": CALL - 50, "output": 50}
    turns = [{"text": f"Look {n}.", **look, "usage": spent} for n in range(60)]
    plan = plan_file(tmp_path, minutes=3)
    with ScriptedModelServer({"turns": turns}) as server:
        answer = run_with(
            name,
            machine,
            server,
            programs,
            *(str(plan), "--repo", str(repository), "--token-cap", "30000"),
        )
        counted = server.totals()

    assert answer.code == 1, answer.stderr + answer.stdout
    run = answer.json
    assert run["state"] == "DONE_FAILED_BUDGET_EXHAUSTED", run["failure_reason"]
    # pi asks again after some 50 ms: the next call may be answered before it is ended.
    most = 2 if name == "pi" else 1
    # The last one may have been answered, and its program ended before it could tell.
    assert 30_000 <= run["tokens"]["total"] <= counted.total, counted.calls
    assert counted.total <= 30_000 + most * CALL
    untold = counted.total - run["tokens"]["total"]
    assert untold == 0 or (untold == CALL and run["tokens"]["unknown_builds"] == 1)
    assert marked_processes(run["run_id"]) == []


FAILURES = {"500": "500", "429": "429", "hang": "out of time"}
"""How a provider fails, and the words that name it."""

# Its own retries take most of a minute; one of them shows that they end.
RETRIES = {"claude-code": ("--set", "retries=1")}


# A minute each, for agents try again themselves; that a run ends in time is shown without them.
@pytest.mark.full
@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name in NAMES for mode in FAILURES])
def test_a_provider_that_fails_for_ever_ends_the_run_in_time(
    name: str,
    mode: str,
    machine: Machine,
    repository: Path,
    programs: Path,
    tmp_path: Path,
    prefect_folder: Path,
) -> None:
    """After one good answer, whose tokens count; no attempt is used up by waiting for it."""
    limit = {"hang": 25.0 if name == "opencode" else 12.0}.get(
        mode, 25.0 if name in RETRIES else 60.0
    )
    plan = plan_file(tmp_path, minutes=limit / 60)
    script = mending(repository, name, failing={"mode": mode})
    with ScriptedModelServer(script) as server:
        answer = run_with(
            name,
            machine,
            server,
            programs,
            str(plan),
            "--repo",
            str(repository),
            *RETRIES.get(name, ()),
        )
        counted = server.totals()

    assert answer.code == 1, answer.stderr
    (phase,) = answer.json["phases"]
    assert FAILURES[mode] in phase["last_failure"]["message"]
    assert phase["last_failure"]["cause"] in ("provider_error", "rate_limit", "timeout")
    assert phase["attempts"] == 0 or mode == "hang"
    assert seconds_of_run(machine, answer.json["run_id"]) < limit + 60
    # One good answer in each build; the builds are the tries of one attempt.
    assert counted.calls >= 1
    assert answer.json["tokens"]["total"] == counted.total > 0
    assert marked_processes(answer.json["run_id"]) == []
    assert_nowhere(answer, machine.home.parent, prefect_folder)


def seconds_of_run(machine: Machine, run_id: str) -> float:
    db = Database.open(machine.database_url)
    run = get_run(db, run_id)
    db.close()
    assert run.started_at is not None
    assert run.finished_at is not None
    return (run.finished_at - run.started_at).total_seconds()


def assert_nowhere(answer: Answer, *folders: Path) -> None:
    """The key was not printed, and is in no file: databases, spools, logs."""
    assert KEY not in answer.stdout + answer.stderr
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
