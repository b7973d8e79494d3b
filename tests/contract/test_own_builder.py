"""A builder of one file, which an installed package brings: what is declared once is everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.own_packages import environment, install
from support.projects import make_repository

SECRET = "a-key-of-mine"
ENTRY_POINTS = """\
[autopack.agents]
mine = own_agent:MineBuilder
no-class = own_agent:Options
not-there = own_agent:Nothing
"""
SOURCE = '''
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from autopack.agents.agent import Agent
from autopack.agents.options import AgentOptions, AtLeastOne
from autopack.agents.protocol import BuildResult, BuildStatus
from autopack.agents.spooled import open_spool, write_record
from autopack.agents.usage_reading import Split, Usage, add_up, model_call
from autopack.model.calls import Exactness


class Options(AgentOptions):
    words: Path = Field(description="a file with what is to be written", examples=["FILE"])
    style: Literal["plain", "loud"] = Field("plain", description="how it is written")
    times: AtLeastOne = Field(1, description="how often it is written")
    token: SecretStr | None = Field(None, description="the key of the service")


class MineParser:
    told_at_the_end = False
    markers = (b'"tokens"',)

    def __init__(self, provider, model):
        self.calls = []

    def read(self, event):
        self.calls.append(model_call("mine", "mine-1", Split(output=event["tokens"])))

    def miss(self):
        pass

    def usage(self):
        return Usage(self.calls, add_up(self.calls, Exactness.EXACT), Exactness.EXACT)


class MineBuilder(Agent[Options]):
    """Builds phases by copying words. It asks nobody."""

    name = "mine"
    options_class = Options
    usage_parser = MineParser

    async def build(self, request, supervisor):
        words = self.options.words.read_text() * self.options.times
        for path in request.deliverables:
            loud = self.options.style == "loud"
            (request.worktree / path).write_text(words.upper() if loud else words)
        with open_spool(request.spool) as spool:
            call = {"provider": "mine", "model": "mine-1", "input": 5, "output": 7}
            write_record(spool, {"call": call})
        return BuildResult(BuildStatus.ENDED, 0, "copied", self.calls(request.spool))
'''
PLAN = """\
goal: Words are there
phases:
  - id: one
    instructions: Write them.
    deliverables: [words.txt]
    validate: [grep -q HELLO.HELLO words.txt]
"""

# Every command in one process that knows the package, and what derives from its declaration.
_LOOK = """
import contextlib, io, json, sys
from deployments.cli import run_command
import blocks
from autopack.agents.registry import builder_class
from support.reference.builders import section

def answer(argv):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command([*argv, "--json"])
    return [code, json.loads(out.getvalue())]

block = blocks.MineBlock
saved = block(words="w", token="a-key-of-mine")
print(json.dumps({
    "answers": [answer(argv) for argv in json.load(sys.stdin)],
    "block": {"slug": block.get_block_type_slug(), "about": block.get_description(),
              "schema": block.model_json_schema()},
    "saved": [saved.options(), saved.secrets()],
    "all": blocks.__all__,
    "section": section(builder_class("mine")),
}))
"""

CHECK = ["builders", "check", "mine"]
REFUSED = [
    # command, field at fault, what the message says, what the hint says
    (CHECK, "words", "needs the option words", "--set words=FILE: a file with what is"),
    ([*CHECK, "--set", "words=w", "--set", "times=0"], "times", "times is '0'", "of at least 1"),
    ([*CHECK, "--set", "words=w", "--set", "style=odd"], "style", "'odd'", "one of plain, loud"),
    ([*CHECK, "--set", "word=w"], "set", "no option 'word'", "it takes words, style, times"),
    ([*CHECK, "--set", f"token={SECRET}"], "set", "token is a secret", "put it into a block"),
    (["builders", "check", "mime"], "builder", "no builder called 'mime'", "did you mean mine?"),
    (["builders", "check", "no-class"], "builder", "is not a builder", "fix or uninstall"),
    (["builders", "check", "not-there"], "builder", "does not load", "fix or uninstall"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds an installed package: one module, and its entry points."""
    folder = install(tmp_path_factory.mktemp("site"), "own_agent", SOURCE, ENTRY_POINTS)
    (folder / "printed").write_text('{"tokens": 12}\n{"other": 1}\n{"tokens": 30}\n')
    return folder


@pytest.fixture(scope="module")
def looked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    asked = [
        ["builders"],
        ["usage", "parse", "mine", str(package / "printed")],
        *(argv for argv, *_ in REFUSED),
    ]
    done = subprocess.run(
        [sys.executable, "-c", _LOOK],
        env=environment(tmp_path_factory.mktemp("home"), package),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_is_listed_and_a_broken_one_says_what_is_wrong(looked: Any) -> None:
    code, answer = looked["answers"][0]
    rows = {row["name"]: row for row in answer["builders"]}
    assert code == 0
    assert (rows["mine"]["installed"], rows["mine"]["hint"][:17]) == (True, "add --set words=F")
    assert rows["no-class"]["installed"] is rows["not-there"]["installed"] is False
    assert "is not a builder: it lacks" in rows["no-class"]["hint"]


def test_its_usage_format_goes_by_its_name(looked: Any) -> None:
    code, answer = looked["answers"][1]
    assert (code, answer["total"]["output"], answer["exactness"]) == (0, 42, "exact")


@pytest.mark.parametrize(
    ("number", "field", "message", "hint"),
    [(number, *refused[1:]) for number, refused in enumerate(REFUSED, start=2)],
)
def test_a_wrong_option_is_one_line_that_names_it(
    number: int, field: str, message: str, hint: str, looked: Any
) -> None:
    code, answer = looked["answers"][number]
    error = answer["error"]
    assert (code, error["field"]) == (2, field)
    assert message in error["message"]
    assert hint in error["hint"]
    assert "\n" not in error["message"] + error["hint"]
    assert SECRET not in str(error)


def test_its_block_has_a_field_for_each_option(looked: Any) -> None:
    block, schema = looked["block"], looked["block"]["schema"]
    assert block["slug"] == "autopack-builder-mine"
    assert block["about"] == "Builds phases by copying words."
    assert list(schema["properties"]) == ["words", "style", "times", "token"]
    assert (schema["required"], schema["secret_fields"]) == (["words"], ["token"])
    assert schema["properties"]["times"]["description"] == "How often it is written; 1 when empty."
    assert looked["saved"] == [{"words": "w"}, {"token": SECRET}]
    assert "MineBlock" in looked["all"]


def test_its_reference_has_a_row_for_each_option(looked: Any) -> None:
    assert looked["section"].splitlines()[4:] == [
        "| option | what it is | when unset |",
        "|---|---|---|",
        "| `words` (path) | a file with what is to be written | required |",
        "| `style` | how it is written | `plain` |",
        "| `times` | how often it is written | `1` |",
        "| `token` (secret) | the key of the service |  |",
    ]


@pytest.mark.slow
def test_it_builds_a_run(package: Path, tmp_path: Path, prefect_api: str) -> None:
    repository = make_repository(tmp_path / "repository", {"a": "a"})
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "said").write_text("hello ")
    program = Path(sys.executable).with_name("autopack")
    options = ["--set", "words=said", "--set", "style=loud", "--set", "times=2"]
    done = subprocess.run(
        [
            program,
            "run",
            "plan.yaml",
            "--repo",
            repository,
            "--builder",
            "mine",
            *options,
            "--json",
        ],
        cwd=tmp_path,
        env=environment(tmp_path / "home", package) | {"PREFECT_API_URL": prefect_api},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["state"], run["builder"]) == ("DONE_SUCCESS", "mine")
    assert (run["tokens"]["total"], run["tokens"]["output"]) == (12, 7)
