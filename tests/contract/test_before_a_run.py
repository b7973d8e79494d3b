"""Before a run: a first plan, what a run would do, a plan on standard input, defaults."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.projects import Project, call, fingerprint, git, make_project, make_repository

from autopack.plan.load import load_plan
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import list_runs

PYTEST = {
    "pyproject.toml": '[project]\nname = "x"\nversion = "0"\n[tool.pytest.ini_options]\n',
    "tests/test_a.py": "def test_a(): pass\n",
}
ISSUE = """title:\tAdd a slug function
state:\tOPEN
labels:\t
number:\t3
--
- Add `slug.py` with a function slugify
"""


@pytest.fixture
def one(tmp_path: Path) -> Project:
    """A project whose plan has one phase, which has been carried out by nobody so far."""
    return make_project(tmp_path, {"one": [[{"files": {"a.txt": "a\n"}}, call(50)]]})


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def files_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


# --dry-run


def test_a_dry_run_starts_and_writes_nothing(
    autopack: Any, one: Project, settings: Settings, tmp_path: Path
) -> None:
    before, repository = files_in(tmp_path), fingerprint(one.repository)
    answer = autopack("run", *one.run_args, "--dry-run", "--json")
    assert answer.code == 0, answer.err
    assert files_in(tmp_path) - {settings.home} == before - {settings.home}
    assert fingerprint(one.repository) == repository
    told = answer.json
    assert [phase["phase_id"] for phase in told["phases"]] == ["one"]
    assert told["phases"][0]["checks"] == ["true"]
    assert told["caps"]["tokens"] == 5_000_000
    assert told["base_commit"] == git(one.repository, "rev-parse", "HEAD").strip()
    assert (told["expected"]["tokens"], told["expected"]["n"]) == (None, 0)


def test_a_dry_run_expects_what_finished_phases_spent(
    autopack: Any, failed_run: str, settings: Settings
) -> None:
    shown = autopack("show", failed_run, "--json").json
    plan = Path(settings.home.parent / "again.yaml")
    phase = {"instructions": "do", "validate": ["true"]}
    phases = [{"id": name, **phase} for name in ("one", "two")]
    plan.write_text(yaml.safe_dump({"goal": "Again", "setup": [], "phases": phases}))
    recording = plan.parent / "again"
    recording.mkdir()
    for name in ("one", "two"):
        (recording / f"{name}.yaml").write_text("builds: [{steps: [{output: x}]}]\n")
    words = (str(plan), "--repo", shown["repo"], "--set", f"recording={recording}", "--dry-run")
    told = autopack("run", *words, "--json").json["expected"]
    assert told["n"] == 2
    assert told["tokens"] == shown["tokens"]["total"]
    assert told["basis"] == "builder, model and repository"
    assert f"{told['tokens']:,} tokens" in autopack("run", *words).out


def test_a_dry_run_names_checks_that_the_repository_suggests(autopack: Any, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository", PYTEST)
    recording = tmp_path / "recording"
    recording.mkdir()
    (recording / "one.yaml").write_text("builds: [{steps: [{output: x}]}]\n")
    plan = tmp_path / "plan.yaml"
    plan.write_text("goal: G\nphases: [{id: one, instructions: do}]\n")
    words = (str(plan), "--repo", str(repository), "--set", f"recording={recording}", "--dry-run")
    told = autopack("run", *words, "--json").json
    assert told["phases"][0]["checks"] == ["python -m pytest -q"]
    assert told["phases"][0]["checks_inferred"]
    assert told["environment"]["toolchains"] == ["python/pip"]
    assert "1 phases" not in autopack("run", *words).out


def test_a_dry_run_expects_builds_of_phases_that_build_alone(
    autopack: Any, failed_run: str, settings: Settings
) -> None:
    shown = autopack("show", failed_run, "--json").json
    plan = Path(settings.home.parent / "asks.yaml")
    research = {"questions": ["What is it for?"], "tokens": 7_000}
    build = {"instructions": "do", "validate": ["true"]}
    phases = [{"id": "ask", "research": research}, {"id": "one", **build}, {"id": "two", **build}]
    plan.write_text(yaml.safe_dump({"goal": "Again", "setup": [], "phases": phases}))
    recording = plan.parent / "asks"
    recording.mkdir()
    for name in ("one", "two"):
        (recording / f"{name}.yaml").write_text("builds: [{steps: [{output: x}]}]\n")
    words = (str(plan), "--repo", shown["repo"], "--set", f"recording={recording}", "--dry-run")
    told = autopack("run", *words, "--json").json
    assert told["expected"]["tokens"] == shown["tokens"]["total"]
    asks = told["phases"][0]
    assert (asks["checks"], asks["checks_inferred"]) == ([], False)
    assert asks["research"]["questions"] == ["What is it for?"]
    said = autopack("run", *words).out
    assert "research: 1 question" in said
    assert "for 2 phases" in said
    assert "research at most 7,000 tokens" in said


# a plan on standard input


def test_a_plan_is_read_from_standard_input(
    autopack: Any, one: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, one.plan.read_bytes())
    answer = autopack("run", "-", *one.run_args[1:], "--dry-run", "--json")
    assert answer.json["goal"] == "A goal"


def test_an_issue_is_read_from_standard_input(
    autopack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = make_repository(tmp_path / "repository", PYTEST)
    recording = tmp_path / "recording"
    recording.mkdir()
    (recording / "add-slug-py-with-function-slugify.yaml").write_text(
        "builds: [{steps: [{output: x}]}]\n"
    )
    pipe(monkeypatch, ISSUE.encode())
    words = ("--repo", str(repository), "--set", f"recording={recording}", "--dry-run")
    told = autopack("run", "-", *words, "--enable", "plan_normalization", "--json").json
    assert told["goal"] == "Add a slug function"
    assert len(told["phases"]) == 1
    assert "OPEN" not in str(told["phases"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "standard input is empty"),
        (b" \n\n", "standard input is empty"),
        (b"goal: \xff\n", "standard input:1: is not UTF-8"),
        (b"goal: a\nx: \0\n", "standard input:2: is not UTF-8"),
        (b"Add a thing", "plain text"),
        (b"goal: G\nphases: []\n", "phases: must not be empty"),
        (b"#" * (1024 * 1024 + 1), "at most 1 MiB"),
    ],
)
def test_what_is_no_plan_on_standard_input_is_refused(
    content: bytes,
    says: str,
    autopack: Any,
    one: Project,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe(monkeypatch, content)
    answer = autopack("run", "-", *one.run_args[1:], "--json")
    assert answer.code == 2
    assert says in answer.json["error"]["message"]


def test_an_unknown_option_is_no_plan(autopack: Any, one: Project) -> None:
    answer = autopack("run", "--nonsense", *one.run_args[1:])
    assert answer.code == 2
    assert "Unknown option: --nonsense" in answer.err


# defaults of a repository


def told(autopack: Any, project: Project, *words: str) -> dict[str, Any]:
    answer = autopack("run", *project.run_args, "--dry-run", *words, "--json")
    assert answer.code == 0, answer.out
    return answer.json


def put(project: Project, name: str, text: str) -> None:
    if name == "pyproject.toml":
        lines = [f"[tool.autopack.{x[1:]}" if x[:1] == "[" else x for x in text.splitlines()]
        text = "[tool.autopack]\n" + "\n".join(lines)
    (project.repository / name).write_text(text)


EVERYTHING = """builder = "script"
model = "ours"
features = ["failure_hardening"]
[budget]
tokens = 7_000
minutes = 3
[policy]
tests = "protect"
"""


@pytest.mark.parametrize("name", ["autopack.toml", "pyproject.toml"])
def test_a_repository_has_defaults(name: str, autopack: Any, one: Project) -> None:
    put(one, name, EVERYTHING)
    said = told(autopack, one)
    assert said["builder"]["name"] == "script"
    assert said["builder"]["model"] == "ours"
    assert said["features"] == ["failure_hardening"]
    assert (said["caps"]["tokens"], said["caps"]["minutes"]) == (7_000, 3)
    assert said["policy"]["tests"] == "protect"


def test_the_plan_beats_the_repository_and_the_command_line_beats_the_plan(
    autopack: Any, one: Project
) -> None:
    put(one, "autopack.toml", EVERYTHING)
    plan = yaml.safe_load(one.plan.read_text())
    plan |= {
        "budget": {"tokens": 8_000},
        "policy": {"tests": "report"},
        "features": [],
        "models": {"builder": "theirs"},
    }
    one.plan.write_text(yaml.safe_dump(plan))
    said = told(autopack, one)
    assert (said["caps"]["tokens"], said["caps"]["minutes"]) == (8_000, 3)
    assert said["policy"]["tests"] == "report"
    assert said["features"] == []
    assert said["builder"]["model"] == "theirs"
    said = told(
        autopack, one, "--token-cap", "9000", "--model", "mine", "--enable", "phase6_metrics"
    )
    assert said["caps"]["tokens"] == 9_000
    assert said["builder"]["model"] == "mine"
    assert said["features"] == ["phase6_metrics"]


def test_the_model_of_a_repository_is_for_its_builder_alone(autopack: Any, one: Project) -> None:
    put(one, "autopack.toml", 'builder = "claude-code"\nmodel = "sonnet"\n')
    assert told(autopack, one, "--builder", "script")["builder"]["model"] is None


def test_a_kill_switch_beats_the_repository(
    autopack: Any, one: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(one, "autopack.toml", EVERYTHING)
    monkeypatch.setenv("AUTOPACK_ENABLE_FAILURE_HARDENING", "false")
    assert told(autopack, one)["features"] == []


@pytest.mark.parametrize("name", ["autopack.toml", "pyproject.toml"])
def test_a_wrong_default_names_file_and_key(name: str, autopack: Any, one: Project) -> None:
    put(one, name, "[policy]\ndoctr = 'off'\n")
    answer = autopack("run", *one.run_args, "--json")
    assert answer.code == 2
    key = "tool.autopack.policy.doctr" if name == "pyproject.toml" else "policy.doctr"
    assert answer.json["error"]["message"].startswith(f"{name}: {key}: is not a known key")


def test_only_one_file_gives_defaults(autopack: Any, one: Project) -> None:
    put(one, "autopack.toml", "")
    put(one, "pyproject.toml", "")
    answer = autopack("run", *one.run_args, "--json")
    assert answer.code == 2
    assert "pyproject.toml both give defaults" in answer.json["error"]["message"]


def test_nothing_is_stored_of_a_run_with_a_wrong_default(
    autopack: Any, one: Project, settings: Settings
) -> None:
    put(one, "autopack.toml", "speed = 1\n")
    assert autopack("run", *one.run_args).code == 2
    assert list_runs(Database.open(settings.database_url)).rows == ()


# plan init


@pytest.mark.parametrize("text", ["- Add `a.py`\n- Add `b.py`", "hello", ISSUE])
def test_a_text_becomes_a_plan_that_can_be_checked(
    text: str, autopack: Any, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository", PYTEST)
    file = tmp_path / "made.yaml"
    answer = autopack("plan", "init", str(file), "--from", text, "--repo", str(repository))
    assert answer.code == 0, answer.err
    plan = load_plan(file)
    assert all(phase.checks == (("python", "-m", "pytest", "-q"),) for phase in plan.phases)
    assert "# approval: true" in file.read_text()
    assert autopack("plan", "check", str(file)).code == 0


def test_an_existing_file_is_not_overwritten(autopack: Any, tmp_path: Path) -> None:
    kept, link = tmp_path / "plan.yaml", tmp_path / "link.yaml"
    kept.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    for file in (kept, link, tmp_path):
        answer = autopack("plan", "init", str(file), "--from", "Add a.py", "--json")
        assert answer.code == 2
        assert "exists" in answer.json["error"]["message"]
    assert kept.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_repository_without_tests_gets_a_place_for_checks(autopack: Any, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository", {"README.md": "x\n"})
    file = tmp_path / "made.yaml"
    answer = autopack("plan", "init", str(file), "--from", "Add a.py", "--repo", str(repository))
    assert answer.code == 0
    assert "name the checks" in answer.err
    assert "# validate: [pytest -q]" in file.read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "nobody to ask"),
        (("--from", ""), "empty"),
        (("--from", "x", "--repo", "nowhere"), "not a folder"),
        (("nowhere/deep/plan.yaml", "--from", "x"), "cannot be written"),
    ],
)
def test_a_plan_that_cannot_be_begun_says_why(
    words: tuple[str, ...],
    says: str,
    autopack: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    pipe(monkeypatch, b"")
    answer = autopack("plan", "init", *words, "--json")
    assert answer.code == 2
    assert says in answer.json["error"]["message"]
    assert not (tmp_path / "plan.yaml").exists()


class Typing(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


def test_it_asks_for_the_goal_and_the_phases(
    autopack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Typing("Slugs for titles\nAdd a slug\nAdd a slug\n\n"))
    file = tmp_path / "made.yaml"
    assert autopack("plan", "init", str(file), "--repo", str(tmp_path)).code == 0
    plan = load_plan(file)
    assert plan.goal == "Slugs for titles"
    assert [phase.id for phase in plan.phases] == ["add-a-slug", "add-a-slug-2"]


@pytest.mark.parametrize("source", ["what", "folder:", "mcp:", "url:ftp://x", "repository:x"])
def test_a_source_that_does_not_exist_is_found_by_the_check(
    source: str, autopack: Any, tmp_path: Path
) -> None:
    phase = {"id": "know", "research": {"questions": ["Why?"], "sources": ["history", source]}}
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump({"goal": "Know", "phases": [phase]}))
    answer = autopack("plan", "check", str(file), "--json")
    assert answer.code == 2
    assert answer.json["error"]["field"] == "phases[0].research.sources[1]"


@pytest.mark.parametrize("source", ["what", "folder:/nowhere", "mcp:nobody", "mcp:nobody/tool"])
def test_research_of_a_source_that_does_not_exist_is_refused(
    source: str, autopack: Any, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository", PYTEST)
    answer = autopack(
        *("research", "run", "Why?", "--repo", str(repository), "--source", source, "--json")
    )
    assert answer.code == 2
    assert answer.json["error"]["field"].startswith("source")


def test_a_model_that_is_typed_for_the_builder_beats_the_one_of_the_repository(
    autopack: Any, one: Project
) -> None:
    put(one, "autopack.toml", 'builder = "command"\nmodel = "ours"\n')
    words = ["run", str(one.plan), "--repo", str(one.repository), "--dry-run", "--json"]
    words += ["--set", "template=sh -c true {model}"]
    for more, model in ([], "ours"), (["--set", "model=typed"], "typed"):
        answer = autopack(*words, *more)
        assert answer.code == 0, answer.out
        assert json.loads(answer.out)["builder"]["model"] == model
