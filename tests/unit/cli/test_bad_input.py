"""Every kind of bad input: one clear line, exit code 2, nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.experiments import agent, make_trial
from support.projects import Project, call, fingerprint, git, make_project

from autopack.clock import SystemClock
from autopack.model.states import RunState
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.leases import Holder, acquire, release
from autopack.store.runs import move_run
from deployments.cli import run_command

Spoil = Callable[["Case"], list[str] | None]


@dataclass
class Case:
    """What a row of the table may spoil before the command runs."""

    project: Project
    folder: Path
    environ: pytest.MonkeyPatch

    @property
    def settings(self) -> Settings:
        return Settings.from_environment()

    def edit_plan(self, **changes: object) -> None:
        plan = yaml.safe_load(self.project.plan.read_text())
        self.project.plan.write_text(yaml.safe_dump(plan | changes))

    def edit_phase(self, **changes: object) -> None:
        plan = yaml.safe_load(self.project.plan.read_text())
        plan["phases"][0] |= changes
        self.project.plan.write_text(yaml.safe_dump(plan))

    def replace_plan(self, content: bytes) -> None:
        self.project.plan.write_bytes(content)

    def with_repo(self, repo: Path) -> list[str]:
        args = self.project.run_args
        args[args.index("--repo") + 1] = str(repo)
        return ["run", *args]


def _duplicate_phase(case: Case) -> None:
    plan = yaml.safe_load(case.project.plan.read_text())
    case.edit_plan(phases=plan["phases"] * 2)


def _not_a_repository(case: Case) -> list[str]:
    (case.folder / "plain").mkdir()
    return case.with_repo(case.folder / "plain")


def _unborn_head(case: Case) -> list[str]:
    (case.folder / "unborn").mkdir()
    git(case.folder / "unborn", "init", "-q")
    return case.with_repo(case.folder / "unborn")


def _deleted_folder(case: Case) -> list[str]:
    args = ["run", *case.project.run_args]
    (case.folder / "deleted").mkdir()
    case.environ.chdir(case.folder / "deleted")
    (case.folder / "deleted").rmdir()
    return [*args, "--dry-run"]


def _home_below_a_file(case: Case) -> None:
    (case.folder / "file").write_text("")
    case.environ.setenv("AUTOPACK_HOME", str(case.folder / "file" / "home"))


def _newer_database(case: Case) -> None:
    db = Database.open(case.settings.database_url)
    for table, column in (
        ("alembic_version", "version_num"),
        ("schema_compatibility", "oldest_code"),
    ):
        db.transact(lambda conn: conn.exec_driver_sql(f"UPDATE {table} SET {column} = '9999'"))  # noqa: B023
    db.close()


def _store_run(case: Case, run_id: str) -> Database:
    db = Database.open(case.settings.database_url)
    prepare_run(
        RunRequest(
            plan=str(case.project.plan),
            repo=str(case.project.repository),
            builder_options={"recording": str(case.project.recording)},
            run_id=run_id,
        ),
        db=db,
        settings=case.settings,
        clock=SystemClock(),
    )
    return db


def _run_id_of_another_plan(case: Case) -> list[str]:
    _store_run(case, "taken")
    case.edit_plan(goal="Another goal")
    return ["run", *case.project.run_args, "--run-id", "taken"]


def _finished_run(case: Case) -> list[str]:
    db = _store_run(case, "finished")
    lease = acquire(db, "finished", Holder.of_this_process(), 45).lease
    db.transact(lambda conn: move_run(conn, lease, RunState.PHASE_EXECUTION))
    db.transact(lambda conn: move_run(conn, lease, RunState.DONE_SUCCESS))
    release(db, lease)
    return ["resume", "finished"]


def _remote_of_a_fleet(case: Case) -> list[str]:
    return ["fleet", *case.project.run_args, "--push", "nowhere"]


def _remote_of_replays(case: Case) -> list[str]:
    _finished_run(case)
    return ["replay", "--run-id", "finished", "--no-baseline", "--push", "nowhere"]


def _remote_of_an_experiment(case: Case) -> list[str]:
    agents: dict[str, Any] = {"control": agent(1), "treatment": agent(1)}
    trial = make_trial(case.folder / "trial", plans=1, **agents)
    return ["ab", "run", str(trial.spec), "--push", "nowhere"]


def _research(*words: str) -> Spoil:
    return lambda case: ["research", "run", *words, "--repo", str(case.project.repository)]


# what is spoiled, how, and words that the answer must contain
CASES: list[tuple[str, Spoil, tuple[str, ...]]] = [
    ("missing plan", lambda c: c.project.plan.unlink(), ("plan.yaml",)),
    ("YAML error", lambda c: c.replace_plan(b"goal: x\nphases: [\n"), ("plan.yaml:",)),
    ("unknown key", lambda c: c.edit_phase(instructoins="x"), ("instructoins", "instructions")),
    ("cycle", lambda c: c.edit_phase(depends_on=["one"]), ("depends_on",)),
    ("absolute path", lambda c: c.edit_phase(deliverables=["/etc/passwd"]), ("deliverables",)),
    ("parent path", lambda c: c.edit_phase(scope={"paths": ["../x"]}), ("scope.paths",)),
    ("duplicate id", _duplicate_phase, ("one", "phases[1]")),
    (
        "unknown builder",
        lambda c: ["run", *c.project.run_args, "--builder", "scrypt"],
        ("scrypt", "script"),
    ),
    ("not a repository", _not_a_repository, ("git",)),
    ("unborn HEAD", _unborn_head, ("commit",)),
    (
        "unknown commit",
        lambda c: ["run", *c.project.run_args, "--commit", "nowhere"],
        ("nowhere",),
    ),
    ("a deleted working folder", _deleted_folder, ("started in is gone", "change to a folder")),
    ("home below a file", _home_below_a_file, ("AUTOPACK_HOME",)),
    ("branch autopack", lambda c: git(c.project.repository, "branch", "autopack"), ("autopack",)),  # pyright: ignore[reportAssignmentType]
    (
        "database unreachable",
        lambda c: c.environ.setenv("DATABASE_URL", "postgresql://user:hidden@127.0.0.1:1/none"),
        ("127.0.0.1",),
    ),
    ("database newer than the code", _newer_database, ("newer",)),
    ("run id of another plan", _run_id_of_another_plan, ("taken", "another plan")),
    ("negative budget", lambda c: c.edit_plan(budget={"tokens": -1}), ("budget.tokens",)),
    ("empty phases", lambda c: c.edit_plan(phases=[]), ("phases",)),
    ("binary plan", lambda c: c.replace_plan(b"goal: \x00\x01\xff"), ("plan.yaml",)),
    ("5 MB plan", lambda c: c.replace_plan(b"goal: x\n" + b"#" * 5_000_000), ("1 MiB",)),
    ("resume of a finished run", _finished_run, ("finished", "DONE_SUCCESS")),
    (
        "run id that escapes",
        lambda c: ["run", *c.project.run_args, "--run-id", "../x"],
        ("run_id",),
    ),
    ("a fleet to no remote", _remote_of_a_fleet, ("nowhere", "remote")),
    ("replays to no remote", _remote_of_replays, ("nowhere", "remote")),
    ("an experiment to no remote", _remote_of_an_experiment, ("nowhere", "remote")),
    ("research without a question", _research(), ("question",)),
    ("an empty question", _research(" "), ("empty",)),
    ("an unknown source", _research("Why?", "--source", "repo"), ("'repo'", "repository")),
    ("a source without its folder", _research("Why?", "--source", "folder:no"), ("no folder",)),
    ("no calls", _research("Why?", "--max-calls", "0"), ("max_calls",)),
    ("research by no model", _research("Why?", "--builder", "api"), ("model",)),
    ("an unknown option of it", _research("Why?", "--set", "recordin=x"), ("recordin",)),
    ("a recording of nothing", _research("Why?", "--set", "recording=."), ("research.yaml",)),
    ("a report to nowhere", _research("Why?", "--out", "no/where.md"), ("no/where.md",)),
    ("no such report", lambda c: ["research", "show", "nope"], ("nope",)),
    ("no recording", lambda c: ["run", *c.project.run_args[:3]], ("--set recording=DIR",)),
]


@pytest.mark.parametrize(("spoil", "words"), [row[1:] for row in CASES], ids=[r[0] for r in CASES])
def test_bad_input_is_refused_in_one_line(
    spoil: Spoil,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'autopack.db'}")
    project = make_project(tmp_path / "project", {"one": [[call(5)]]})
    spoiled = spoil(Case(project, tmp_path, monkeypatch))
    args = spoiled if isinstance(spoiled, list) else ["run", *project.run_args]
    before = fingerprint(project.repository)

    code = run_command(args)
    said = capsys.readouterr()
    code_of_json = run_command([*args, "--json"])
    as_json = capsys.readouterr()

    assert (code, code_of_json) == (2, 2)
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "hidden" not in said.err
    assert len([line for line in said.err.splitlines() if line.startswith("error: ")]) == 1
    for word in words:
        assert word in said.err
    assert set(json.loads(as_json.out)["error"]) == {"kind", "message", "field", "hint"}
    assert fingerprint(project.repository) == before
