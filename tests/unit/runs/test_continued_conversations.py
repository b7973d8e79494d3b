"""A retry that continues the agent's conversation: recorded, shown, forgotten with the phase."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.projects import Project, make_project
from support.runs import carry_out, conclude

from autopack.clock import SystemClock
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.opening import close_session, open_session
from autopack.runs.session.session import RunSession
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.fingerprints import get_fingerprints
from autopack.store.rows import AttemptRow
from autopack.views.run_view import run_view

KEY = "sk-canary-0123456789-abcdefghijklmnopqrstuvwxyz"
SESSION = "681aa4b2-da7d-44b6-a2fa-fec84dc06090"
PROGRAM = """\
#!/usr/bin/env python3
import json, os, sys
from pathlib import Path

if "--version" in sys.argv:
    sys.exit(print("2.1.197"))
folder = Path(os.environ["CLAUDE_CONFIG_DIR"], "projects", "here")
folder.mkdir(parents=True, exist_ok=True)
session = folder / "SESSION.jsonl"
with session.open("a") as file:
    file.write(json.dumps({"prompt": sys.stdin.read(), "saw": os.environ["ANTHROPIC_API_KEY"]}))
    file.write("\\n")
prompts = len(session.read_text().splitlines())
Path(f"made-{prompts}").touch()
usage = {"input_tokens": 100 * prompts, "output_tokens": 1}
models = {"m": {"inputTokens": 100 * prompts, "outputTokens": 1}}  # from the beginning
print(json.dumps({"type": "system", "subtype": "init", "session_id": "SESSION"}))
print(json.dumps({"type": "result", "subtype": "success", "is_error": False, "result": "Done.",
                  "session_id": "SESSION", "usage": usage, "modelUsage": models}))
""".replace("SESSION", SESSION)
"""Makes a file for every prompt of a conversation so far."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    plan = {"budget": {"tokens": 100_000}}
    return make_project(
        tmp_path / "p", {"one": [[]]}, plan=plan, phase={"validate": ["test -e made-3"]}
    )


@pytest.fixture
def session_with(
    project: Project,
    tmp_path: Path,
    settings: Settings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., RunSession]]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    program = tmp_path / "claude"
    program.write_text(PROGRAM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    opened: list[RunSession] = []

    def opening(run_id: str = "r", **options: str) -> RunSession:
        request = RunRequest(
            plan=str(project.plan),
            repo=str(project.repository),
            builder="claude-code",
            builder_options={
                "executable": str(program),
                "base_url": "http://localhost:1",
                "model": "m",
                **options,
            },
            run_id=run_id,
        )
        prepare_run(request, db=database, settings=settings, clock=SystemClock())
        opened.append(open_session(run_id, db=database, settings=settings, clock=SystemClock()))
        return opened[-1]

    yield opening
    for session in opened:
        close_session(session)


def _sessions(session: RunSession) -> list[Path]:
    return sorted((session.folder / "spool").rglob("*.jsonl"))


async def test_what_is_kept_between_attempts_is_redacted_and_goes_when_the_phase_ends(
    session_with: Callable[..., RunSession], database: Database
) -> None:
    session = session_with(**{"continue": "true"})
    session.environment = await prepare_environment(session)
    first = steps.begin(session, "one")
    assert isinstance(first, AttemptRow)
    await steps.build(session, first.key)

    [kept] = _sessions(session)
    assert "prompt" in kept.read_text()
    assert KEY not in kept.read_text()

    conclude(session, "one", 1, await steps.validate(session, first.key))
    assert _sessions(session) == [kept]

    await carry_out(session)
    assert _sessions(session) == []
    run = run_view(database, "r")
    [phase] = run["phases"]
    assert [one["conversation"] for one in phase["builds"]] == [
        {"session_id": SESSION, "continues": before, "fresh_because": None}
        for before in (None, 1, 2)
    ]
    # The program tells 101, 201 and 301 tokens: what a sum has beyond the last.
    assert run["tokens"]["total"] == 101 + 100 + 100


async def test_continuing_is_another_way_to_build_and_nothing_is_said_without(
    session_with: Callable[..., RunSession], database: Database
) -> None:
    without = session_with("without")
    without.environment = await prepare_environment(without)
    first = steps.begin(without, "one")
    assert isinstance(first, AttemptRow)
    await steps.build(without, first.key)

    assert _sessions(without) == []
    [phase] = run_view(database, "without")["phases"]
    assert [one["conversation"] for one in phase["builds"]] == [None]
    session_with("with", **{"continue": "true"})
    prints = get_fingerprints(database, ["without", "with"])
    assert prints["without"] != prints["with"]
