"""A canary in every field that takes a key is found nowhere afterwards: not in spools, output,
either database, logs, artifacts, commits or error messages, however it was spelled."""

from __future__ import annotations

import base64
import re
import secrets
import shlex
import sqlite3
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import Answer, Machine
from support.projects import Project, call, make_project, write_yaml

from autopack.testing.model_server import ScriptedModelServer

pytestmark = pytest.mark.slow

CANARY = "sk-canary-4815162342-abcdefghijklmnop"
DOCTORS_CANARY = "sk-canary-of-the-doctor-1234567890"

AGENTS_CANARY = "sk-canary+/4815162342-zyxwvutsrqponm=="

# What a careless agent does: it prints its whole environment and its key in every way, and writes
# that into its work, before it fails.
CARELESS = """
import base64, json, os, urllib.parse
key = os.environ["MY_AGENTS"]
spelled = [
    key, json.dumps(json.dumps({"key": key})), base64.b64encode(key.encode()).decode(),
    "Basic " + base64.b64encode(f"x:{key}".encode()).decode(), urllib.parse.quote(key, safe=""),
    key[:10] + "\\n" + key[10:], key[:14] + "...", key.upper(), key[:8] + "\\x1b[0m" + key[8:],
    key.encode().hex(), base64.urlsafe_b64encode(f"ab{key}".encode()).decode(),
]
print(dict(os.environ), *spelled, sep="\\n")
open("said", "w").write("\\n".join(spelled))
open("work", "w").write("done")
raise SystemExit("failed with " + key)
"""


def traces(canary: str) -> set[bytes]:
    """What is left of a canary where it was written in one way or another, in small letters."""
    found = {canary[:14], urllib.parse.quote(canary, safe="")[:18], canary.encode().hex()[4:40]}
    for before in range(3):
        code = base64.b64encode(b"x" * before + canary.encode()).decode()[4:40]
        found |= {code, code.replace("+", "-").replace("/", "_")}
    return {trace.lower().encode() for trace in found}


def held(content: bytes) -> bool:
    """Whether one of the canaries is in it, in whatever spelling."""
    seen = re.sub(rb"\x1b\[[0-9;]*m|\\\\n|\\\\u001b\[[0-9;]*m|\s", b"", content).lower()
    return any(trace in seen for trace in TRACES)


TRACES = [
    trace for canary in (CANARY, DOCTORS_CANARY, AGENTS_CANARY) for trace in sorted(traces(canary))
]


@pytest.fixture
def nowhere(machine: Machine, prefect_folder: Path, tmp_path: Path) -> Iterator[list[Answer]]:
    """Looks through everything that is left, and through the answers given, for a canary."""
    answers: list[Answer] = []
    yield answers
    places = {"answers": "".join(one.stdout + one.stderr for one in answers).encode()}
    for folder in (machine.home, prefect_folder):
        places |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with sqlite3.connect(tmp_path / "autopack.db") as database:
        places["database"] = "\n".join(database.iterdump()).encode()
    repositories = [*(machine.home / "repositories").glob("*"), tmp_path / "repository"]
    for repository in filter(Path.is_dir, repositories):
        listing = ["git", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch"]
        done = subprocess.run(listing, capture_output=True, check=True)
        places[f"objects of {repository}"] = done.stdout
    assert [place for place, content in places.items() if held(content)] == []


def failing_project(folder: Path, *, attempts: int = 1, **plan: Any) -> Project:
    """One phase whose check fails and prints what the agent left."""
    check = "sh -c 'cat said* 2>/dev/null; exit 1'"
    phase = {"validate": [check], "budget": {"attempts": attempts}}
    return make_project(folder, {"one": []}, plan=plan, phase=phase)


def run(machine: Machine, project: Project, builder: str, *more: str, **environ: str) -> Answer:
    return machine.run(
        "run",
        str(project.plan),
        "--repo",
        str(project.repository),
        "--builder",
        builder,
        *(word for option in more for word in ("--set", option)),
        "--run-id",
        f"r-{secrets.token_hex(4)}",
        "--json",
        **environ,  # pyright: ignore[reportArgumentType]
    )


def spooled(machine: Machine) -> str:
    paths = (machine.home / "runs").glob("*/spool/**/*")
    return "".join(path.read_text(errors="replace") for path in paths if path.is_file())


def test_a_program_that_prints_its_key(
    machine: Machine, nowhere: list[Answer], tmp_path: Path
) -> None:
    """The variable's name does not tell that it holds a secret; that it is named does."""
    (tmp_path / "careless.py").write_text(CARELESS, encoding="utf-8")
    template = shlex.join([sys.executable, str(tmp_path / "careless.py")])
    nowhere.append(
        run(
            machine,
            failing_project(tmp_path),
            "command",
            f"template={template}",
            "key_env=MY_AGENTS",
            MY_AGENTS=AGENTS_CANARY,
        )
    )
    assert nowhere[0].code == 1, nowhere[0].stderr
    assert spooled(machine).count("[secret]") >= 11
    assert "said: holds a key" in nowhere[0].json["phases"][0]["failure"]["message"]
    nowhere.append(machine.run("show", nowhere[0].json["run_id"]))


def saying(key: str) -> dict[str, Any]:
    """A model that writes a key that it has seen into its answer and into a file."""
    write = {"name": "write_file", "arguments": {"path": "said", "content": f"key {key}\n"}}
    return {"turns": [{"tools": [write]}, {"text": f"I was called with {key}."}]}


def test_a_key_of_the_environment_and_the_doctors(
    machine: Machine, nowhere: list[Answer], tmp_path: Path
) -> None:
    project = failing_project(
        tmp_path,
        attempts=3,
        policy={"doctor": "api"},
        models={"doctor_cheap": "openai-chat:doctor"},
    )
    with ScriptedModelServer(saying(f"{CANARY} and {DOCTORS_CANARY}")) as server:
        nowhere.append(
            run(
                machine,
                project,
                "api",
                "model=fake-model",
                f"base_url={server.openai_url}",
                AUTOPACK_BUILDER_KEY=CANARY,
                OPENAI_API_KEY=DOCTORS_CANARY,
                OPENAI_BASE_URL=server.openai_url,
            )
        )
    assert nowhere[0].code == 1, nowhere[0].stderr
    assert "[secret]" in spooled(machine)
    nowhere.append(machine.run("tokens", nowhere[0].json["run_id"], "--json"))
    assert nowhere[1].json["spent"]["by_role"]["doctor"] > 0


BLOCK = """
import asyncio, sys
from blocks import ApiBlock
asyncio.run(ApiBlock(api_key=sys.argv[1], base_url=sys.argv[2], model="fake-model")
            .asave("canary", overwrite=True))
"""


def test_a_key_in_a_block(machine: Machine, nowhere: list[Answer], tmp_path: Path) -> None:
    with ScriptedModelServer(saying(CANARY)) as server:
        subprocess.run(
            [sys.executable, "-c", BLOCK, CANARY, server.openai_url],
            env=machine.environment(),
            check=True,
            capture_output=True,
        )
        nowhere.append(run(machine, failing_project(tmp_path), "api/canary"))
    assert nowhere[0].code == 1, nowhere[0].stderr
    assert "[secret]" in spooled(machine)


@pytest.mark.parametrize(
    ("option", "field"),
    [
        (f"api_key={CANARY}", "set"),
        (f"key_env={CANARY}", "key_env"),
        (f"key_env={CANARY.replace('-', '_')}", "key_env"),
        (f"base_url=https://user:{CANARY}@localhost/v1", "base_url"),
        (f"base_url=https://localhost/v1?api_key={CANARY}", "base_url"),
        (f"executable=/opt/{CANARY}", "set"),
        (f"model={CANARY}", "model"),
    ],
)
def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(
    option: str, field: str, machine: Machine, nowhere: list[Answer], tmp_path: Path
) -> None:
    project = make_project(tmp_path, {"one": [[call(1)]]})
    nowhere.append(run(machine, project, "api", "model=m", option))

    assert nowhere[0].code == 2
    assert nowhere[0].json["error"]["field"] == field
    assert CANARY.replace("-", "_") not in nowhere[0].stdout + nowhere[0].stderr


def test_a_trial_build(machine: Machine, nowhere: list[Answer], tmp_path: Path) -> None:
    (tmp_path / "autopack.db").touch()
    script = write_yaml(tmp_path / "script.yaml", saying(CANARY))
    with ScriptedModelServer(script) as server:
        nowhere.append(
            machine.run(
                "builders",
                "check",
                "api",
                "--model",
                "fake-model",
                "--set",
                f"base_url={server.openai_url}",
                "--set",
                "key_env=MY_AGENTS",
                "--json",
                MY_AGENTS=CANARY,
            )
        )
    assert "[secret]" in nowhere[0].json["summary"]


def test_a_key_in_a_plan_is_refused_and_not_repeated(
    machine: Machine, nowhere: list[Answer], tmp_path: Path
) -> None:
    project = make_project(tmp_path, {"one": [[call(1)]]})
    (tmp_path / "autopack.db").touch()
    with project.plan.open("a", encoding="utf-8") as plan:
        plan.write(f"\nenv: {{MY_KEY: {CANARY}}}\n")
    nowhere.append(run(machine, project, "script"))
    assert nowhere[0].code == 2
