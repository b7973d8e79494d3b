"""From a request to a stored run; nothing is stored when anything is wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.projects import Project, call, git, make_project, make_remote, make_repository

from autopack.clock import ManualClock
from autopack.model.errors import (
    AutopackError,
    BadInput,
    NotFound,
    PlanError,
    RepositoryError,
)
from autopack.runs.prepare.dry_run import dry_run
from autopack.runs.prepare.prepare import (
    RunRequest,
    check_remote,
    prepare_run,
    read_plan,
)
from autopack.runs.prepare.repository_defaults import with_defaults
from autopack.runs.session.session import RunSession
from autopack.settings import Settings
from autopack.store import Database
from autopack.store.runs import get_phases, get_run, list_runs
from autopack.workspace.remote import Remote
from autopack.workspace.source import SourceRepository

KEY = "Zq8vTr2LmX9pKd4WnB7cYh5sGj3fRt6u"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", {"one": [[call(1)]], "two": [[call(1)]]})


@pytest.fixture
def prepare(project: Project, database: Database, settings: Settings):
    def preparing(**more: Any) -> Any:
        asked: dict[str, Any] = {
            "plan": str(project.plan),
            "repo": str(project.repository),
            "builder_options": {"recording": str(project.recording)},
            "run_id": "r",
        }
        return prepare_run(
            RunRequest(**asked | more), db=database, settings=settings, clock=ManualClock()
        )

    return preparing


def add_to_plan(project: Project, text: str) -> None:
    project.plan.write_text(project.plan.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_run_starts_from_head(prepare: Any, project: Project, database: Database) -> None:
    run = prepare()
    assert run.base_commit == git(project.repository, "rev-parse", "HEAD").strip()
    assert (run.branch, run.builder, run.token_cap) == ("autopack/r", "script", 5_000_000)
    assert [phase.phase_id for phase in get_phases(database, "r")] == ["one", "two"]


def test_or_from_the_commit_that_is_asked_for(prepare: Any, project: Project) -> None:
    first = git(project.repository, "rev-parse", "HEAD").strip()
    git(project.repository, "commit", "-q", "--allow-empty", "-m", "second")
    assert prepare(commit="HEAD~1").base_commit == first


def test_without_an_id_it_gets_one(prepare: Any) -> None:
    assert prepare(run_id=None).run_id.startswith("run-20260101-000000-")


def test_asking_twice_stores_one_run(prepare: Any, database: Database) -> None:
    assert prepare() == prepare()
    assert len(list_runs(database).rows) == 1


def test_neither_a_prompt_nor_the_text_of_a_plan_may_hold_a_key(
    prepare: Any, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(BadInput, match="prompt holds a key"):
        prepare(prompt=f"log in with {KEY}")

    project = {
        "pyproject.toml": '[project]\nname = "x"\nversion = "0"\n[tool.pytest.ini_options]\n',
        "tests/test_a.py": "def test_a(): pass\n",
    }
    text: dict[str, Any] = {
        "repo": str(make_repository(tmp_path / "python", project)),
        "builder": "command",
        "builder_options": {"template": "true"},
        "enable": ("plan_normalization",),
    }
    slug = "# Slugs\n\n- Add `slug.py` with a function slugify\n"
    with pytest.raises(BadInput, match="plan holds a key"):
        prepare(plan=f"{slug}\n<!-- {KEY} -->\n", **text)
    assert list_runs(database).rows == ()
    prepare(plan=slug, **text)


def test_a_look_alone_is_refused_the_id_of_another_run(
    prepare: Any, project: Project, database: Database, settings: Settings
) -> None:
    prepare()
    asked = RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options={"recording": str(project.recording)},
        run_id="r",
    )
    dry_run(asked, db=database, settings=settings, clock=ManualClock())
    add_to_plan(project, "budget: {tokens: 100}\n")
    with pytest.raises(BadInput, match="another plan") as refused:
        dry_run(asked, db=database, settings=settings, clock=ManualClock())
    assert refused.value.field == "run_id"


def test_asking_again_after_head_has_moved_finds_the_run(prepare: Any, project: Project) -> None:
    run = prepare()
    git(project.repository, "commit", "-q", "--allow-empty", "-m", "later")
    assert prepare() == run


def test_only_runs_that_are_new_need_a_remote_that_answers(
    prepare: Any, project: Project, database: Database, settings: Settings
) -> None:
    def checked(*run_ids: str) -> Any:
        return check_remote(
            "central",
            repo=str(project.repository),
            commit=None,
            run_ids=run_ids,
            db=database,
            settings=settings,
        )

    bare = make_remote(project.repository)
    remote = checked("r", "s")
    assert remote == Remote("central", str(bare))
    bare.rename(bare.with_name("away.git"))
    assert prepare(push=remote).push == "central", "it was looked at already"
    assert checked("r") is None
    with pytest.raises(BadInput) as refused:
        checked("r", "s")
    assert refused.value.field == "push"


def test_what_is_asked_for_beats_the_plan(prepare: Any, project: Project) -> None:
    add_to_plan(project, "models: {builder: from-the-plan}\nbudget: {tokens: 100}\n")
    assert (prepare().model, prepare().token_cap) == ("from-the-plan", 100)
    asked = prepare(run_id="s", model="asked-for", token_cap=7)
    assert (asked.model, asked.token_cap) == ("asked-for", 7)


def test_features_are_the_plans_and_those_asked_for(
    prepare: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_to_plan(project, "features: [phase6_metrics, failure_hardening]\n")
    run = prepare(enable=("intention_context",), disable=("phase6_metrics",))
    assert run.features == ("failure_hardening", "intention_context")
    monkeypatch.setenv("AUTOPACK_ENABLE_FAILURE_HARDENING", "false")
    assert prepare(run_id="s").features == ("phase6_metrics",)


def test_a_relative_recording_is_found_again_from_anywhere(
    prepare: Any,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    open_run: Callable[[str], RunSession],
) -> None:
    monkeypatch.chdir(project.recording.parent)
    run = prepare(builder_options={"recording": "recording"}, repo="repository")
    monkeypatch.chdir("/")
    assert run.builder_options == {"recording": str(project.recording)}
    assert run.repo == str(project.repository)
    open_run("r")


# what is wrong, the field that is named
@pytest.mark.parametrize(
    ("wrong", "error", "field"),
    [
        ({"run_id": "../x"}, BadInput, "run_id"),
        ({"token_cap": 0}, BadInput, "token_cap"),
        ({"token_cap": -1}, BadInput, "token_cap"),
        ({"at_cap": "guess"}, BadInput, "at_cap"),
        ({"plan": "/nowhere/plan.yaml"}, NotFound, "plan"),
        ({"enable": ("nonsense",)}, BadInput, "--enable"),
        ({"builder": "nonsense"}, BadInput, "builder"),
        ({"builder_options": {}}, BadInput, "recording"),
        ({"builder_options": {"recording": "/nowhere"}}, BadInput, "recording"),
        ({"repo": "/nowhere"}, RepositoryError, "repo"),
        ({"commit": "nowhere"}, RepositoryError, "commit"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(
    wrong: dict[str, Any],
    error: type[AutopackError],
    field: str,
    prepare: Any,
    database: Database,
) -> None:
    with pytest.raises(error) as refused:
        prepare(**wrong)
    assert refused.value.field == field
    assert list_runs(database).rows == ()


# where in the plan it is, the field that is named
@pytest.mark.parametrize(
    ("path", "field"),
    [
        (("goal",), "goal"),
        (("setup",), "setup[0][0]"),
        (("phases", 0, "instructions"), "phases[0].instructions"),
        (("phases", 1, "validate"), "phases[1].validate[0][0]"),
        (("phases", 1, "scope", "read_only"), "phases[1].scope.read_only[0]"),
    ],
)
def test_a_key_in_a_plan_is_refused_and_nothing_is_stored(
    path: tuple[Any, ...],
    field: str,
    prepare: Any,
    project: Project,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    plan = yaml.safe_load(project.plan.read_text(encoding="utf-8"))
    place = plan
    for step in path[:-1]:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    value: Any = f"echo-{KEY}"
    if path[-1] not in ("goal", "instructions"):
        value = [value]
    place[path[-1]] = value
    project.plan.write_text(yaml.safe_dump(plan), encoding="utf-8")

    with pytest.raises(BadInput) as refused:
        prepare()

    assert refused.value.field == field
    assert KEY not in f"{refused.value.message} {refused.value.hint}"
    assert list_runs(database).rows == ()
    monkeypatch.setenv("OPENAI_API_KEY", KEY[::-1][:4])
    prepare()


def test_a_phase_without_checks_needs_a_toolchain(
    tmp_path: Path, database: Database, settings: Settings
) -> None:
    project = make_project(tmp_path / "p", {"one": [[call(1)]]})
    text = project.plan.read_text(encoding="utf-8").replace("  validate:\n  - 'true'\n", "")
    project.plan.write_text(text, encoding="utf-8")
    request = RunRequest(
        str(project.plan),
        str(project.repository),
        builder_options={"recording": str(project.recording)},
        run_id="r",
    )
    with pytest.raises(PlanError, match=r"phases\[0\].validate: phase one names no checks"):
        prepare_run(request, db=database, settings=settings, clock=ManualClock())

    (project.repository / "test_x.py").write_text("def test(): pass\n")
    git(project.repository, "add", "-A")
    git(project.repository, "commit", "-qm", "tests")
    prepare_run(request, db=database, settings=settings, clock=ManualClock())
    assert get_run(database, "r").run_id == "r"


@pytest.fixture
def website(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server for a folder."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def test_a_plan_is_a_path_an_address_or_its_own_text(
    project: Project, website: tuple[str, Path]
) -> None:
    address, folder = website
    text = project.plan.read_text(encoding="utf-8")
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    one_line = json.dumps(yaml.safe_load(text))
    sources = (str(project.plan), f"{address}/plan.yaml", text, one_line)
    assert len({read_plan(source).plan_hash for source in sources}) == 1


def test_an_address_without_a_plan_is_refused(website: tuple[str, Path]) -> None:
    address, _ = website
    with pytest.raises(PlanError, match=r"cannot be read: .*404"):
        read_plan(f"{address}/plan.yaml")


def test_a_plan_is_found_in_the_users_home(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project.plan.parent))
    assert read_plan("~/plan.yaml").goal == "A goal"


def test_what_is_asked_for_together_starts_where_head_was(
    project: Project, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options={"recording": str(project.recording)},
    )
    common = with_defaults(asked, db=database, settings=settings)
    head = git(project.repository, "rev-parse", "HEAD").strip()
    git(project.repository, "commit", "--allow-empty", "-q", "-m", "moved on")
    # It is opened once: looking again would take two git programs for each run.
    monkeypatch.setattr(SourceRepository, "open", None)
    for run_id in ("a", "b"):
        run = prepare_run(
            replace(common, run_id=run_id), db=database, settings=settings, clock=ManualClock()
        )
        assert run.base_commit == head
