"""At every durable step of a run its process dies, or freezes and is overtaken; nothing is lost.

The run has an attempt that fails, about which a doctor is asked, and one that passes by a
mitigation, is reviewed, and is pushed as it goes. Afterwards the user's branch, the database, the
refs of the mirror and of the remote, the ledger and what the provider counted agree.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.crash import FAILED, FINISHED, LOST, End, Holders
from support.projects import call, git, make_project, make_remote, refs_in, write_yaml

from autopack.failpoints import Step
from autopack.ledger.check import check
from autopack.ledger.events.usage_events import token_totals
from autopack.model.states import AttemptState, RunState
from autopack.runs.reconcile.reconcile import clean
from autopack.settings import Settings
from autopack.store import Database
from autopack.store.runs import get_attempts, get_run
from autopack.store.tables import leases

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills, stops and forks")

TIMES = {
    Step.ATTEMPT_STARTED: 2,
    Step.BUILD_PAID: 2,
    Step.BUILD_NOTED: 2,
    Step.ATTEMPT_COMMITTED: 2,
    Step.ATTEMPT_BUILT: 2,
    Step.ATTEMPT_CONCLUDED: 2,
    Step.PUSHED: 3,
}
"""How often the run takes a step, where that is not once."""

PAID_AGAIN = {("after", Step.BUILD_PAID), ("before", Step.BUILD_NOTED)}
"""Where a build in the holder's own process ended and nothing says so yet: it is paid for again,
and both are counted. The end of a program is noted without its holder, see below."""

CLOSED = {
    ("after", Step.RUN_CLOSED),
    *(
        (moment, step)
        for step in (Step.CHECKOUT_REMOVED, Step.LEASE_RELEASED)
        for moment in ("before", "after")
    ),
}
"""Where the frozen process had ended the run itself."""

ASKED = {
    Step.DOCTOR_ASKED,
    Step.DOCTOR_PAID,
    Step.DOCTOR_COUNTED,
    Step.REVIEW_ASKED,
    Step.REVIEW_PAID,
}
"""Where only the process knew of a doctor's or reviewer's answer: the ledger says that a call is
missing."""

NOT_TAKEN = {
    (moment, step) for step in (Step.RUN_STORED, Step.LEASE_TAKEN) for moment in ("before", "after")
}
"""Where the frozen process finds the run ended before it has done anything."""


@dataclass(frozen=True)
class Cell:
    """A moment of the run, by the step that it is before or after."""

    moment: str
    step: Step
    number: int

    def __str__(self) -> str:
        return f"{self.moment} {self.step.value} {self.number}"

    def is_in(self, cells: set[tuple[str, Step]]) -> bool:
        return (self.moment, self.step) in cells


RESEARCH = {step for step in Step if step.value.startswith("research-")}
"""Steps of a research phase, of which this run has none: tests/flows/test_research.py."""

CELLS = [
    Cell(moment, step, number)
    for step in Step
    if step not in RESEARCH
    for number in range(1, TIMES.get(step, 1) + 1)
    for moment in ("before", "after")
]


KILLED, FROZEN = range(2)


def matrix(fault: int) -> list[object]:
    """After every step one of both faults, on an engine each in turn; with --full both on both.

    Nothing durable happens between the end of a step and the next one's beginning: of the moments
    before a step a quarter shows that, --full all.
    """
    found: list[object] = []
    for index, cell in enumerate(CELLS):
        number, before = index // 2, cell.moment == "before"
        quick = "postgresql" if number % 3 == 0 else "sqlite"
        chosen = (number + number // 4) % 2 == fault and (not before or number % 4 == 0)
        for engine in ("sqlite", "postgresql"):
            marks = [] if engine == quick and chosen else [pytest.mark.full]
            found.append(pytest.param(engine, cell, id=f"{engine}-{cell}", marks=marks))
    return found


@pytest.fixture(scope="module")
def holders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holders]:
    started = Holders(tmp_path_factory.mktemp("holders") / "log")
    yield started
    started.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project whose run is broken off, with its remote and its recordings."""
    folder = tmp_path_factory.mktemp("crash")
    builds = [
        [call(100, response_id="a"), {"output": FAILED}],
        [call(50, response_id="b"), {"files": {"src/one.txt": "2\n", "stray.txt": "?\n"}}],
    ]
    plan = {"features": ["failure_hardening"], "policy": {"doctor": "script", "review": "script"}}
    phase = {"scope": {"paths": ["src/"]}}
    project = make_project(folder, {"one": builds}, plan=plan, phase=phase)
    answer = {
        "action": "retry_with_fix",
        "confidence": 0.9,
        "rationale": "it is not there",
        "hint": "make it",
        "call": call(10)["call"],
    }
    write_yaml(project.recording / "one.doctor.yaml", {"answers": [answer] * 3})
    approval = {"verdict": "approve"} | call(10)
    write_yaml(project.recording / "one.review.yaml", {"answers": [approval] * 3})
    bare = make_remote(project.repository)
    git(project.repository, "remote", "set-url", "central", f"../{bare.name}")
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "project"
    shutil.copytree(template, copy, symlinks=True)
    return copy


def assert_all_agrees(db: Database, folder: Path, cell: Cell) -> None:
    """What must hold once the run has ended, whatever happened to its first holder."""
    run, attempts = get_run(db, "r"), get_attempts(db, "r")
    assert (run.state, run.failure_reason, run.push_error) == (RunState.DONE_SUCCESS, None, None)
    head = run.head_commit
    branch = "refs/heads/autopack/r"
    assert refs_in(folder / "repository", "refs/heads/autopack") == {branch: head}
    there = refs_in(folder / "repository.git", "refs/autopack", "refs/heads/autopack")
    assert there.pop(branch) == head
    committed = {f"refs/autopack/r/one/{one.attempt}": one.commit for one in attempts if one.commit}
    assert there == committed
    [mirror] = (folder / "home" / "repositories").glob("*.git")
    ours = refs_in(mirror, "refs/autopack")
    assert {ref.split("/", 3)[3]: commit for ref, commit in ours.items()} == {
        ref.split("/", 3)[3]: commit for ref, commit in committed.items()
    }
    assert git(folder / "repository", "show", "autopack/r:src/one.txt") == "2\n"

    states = [one.state for one in attempts]
    assert states[-1] is AttemptState.PASSED
    assert states.count(AttemptState.PASSED) == 1
    assert states.count(AttemptState.FAILED) == 1

    paid = (folder / "provider.log").read_text(encoding="utf-8").splitlines()
    spent = sum(int(line.split()[1]) for line in paid)
    builds = [line for line in paid if line.startswith("build")]
    totals = token_totals(db, "r")
    most = totals.total + 10 * totals.unreconciled_calls
    assert totals.total <= spent <= most, "each call is counted once, or known to be missing"
    assert totals.unreconciled_calls <= (cell.step in ASKED)
    assert len(builds) == 2 + cell.is_in(PAID_AGAIN)


def overtake(db: Database) -> None:
    """Let the lease of a frozen holder run out."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    with_one = sa.update(leases).where(leases.c.expires_at.is_not(None))
    db.transact(lambda conn: conn.execute(with_one.values(expires_at=long_ago)))


def assert_nothing_is_left(db: Database, folder: Path, url: str) -> None:
    """What holders leave lasts until their leases run out and somebody cleans up."""
    overtake(db)
    assert check(db) == []
    clean(db, Settings(folder / "home", url))
    assert not list((folder / "home" / "runs").glob("*/work"))


@pytest.mark.parametrize(("engine_name", "cell"), matrix(KILLED), indirect=["engine_name"])
def test_a_run_whose_process_is_killed_is_carried_on(
    cell: Cell, holders: Holders, folder: Path, database: Database, database_url: str
) -> None:
    killed = holders.start(folder, database_url, f"kill {cell}")
    assert holders.wait(killed) == End(-signal.SIGKILL)
    assert holders.wait(holders.start(folder, database_url)) == End(FINISHED)
    assert_all_agrees(database, folder, cell)
    assert_nothing_is_left(database, folder, database_url)


@pytest.mark.parametrize(("engine_name", "cell"), matrix(FROZEN), indirect=["engine_name"])
def test_a_holder_that_freezes_and_is_overtaken_changes_nothing(
    cell: Cell, holders: Holders, folder: Path, database: Database, database_url: str
) -> None:
    frozen = holders.start(folder, database_url, f"stop {cell}")
    assert holders.wait(frozen).is_stopped
    overtake(database)
    assert holders.wait(holders.start(folder, database_url)) == End(FINISHED)
    assert_all_agrees(database, folder, cell)
    os.kill(frozen, signal.SIGCONT)
    ended_itself = cell.is_in(CLOSED) or cell.is_in(NOT_TAKEN)
    assert holders.wait(frozen) == End(FINISHED if ended_itself else LOST)
    assert_all_agrees(database, folder, cell)
    assert_nothing_is_left(database, folder, database_url)


AGENT = """
import json, os, pathlib, signal
home = pathlib.Path(__file__).parent
usage = {"input_tokens": 100, "output_tokens": 0}
said = {"id": "a", "role": "assistant", "model": "claude-haiku-4-5", "usage": usage}
print(json.dumps({"type": "assistant", "message": said}), flush=True)
with (home / "provider.log").open("a") as log:
    log.write("build 100\\n")
if (home / "kills").exists():
    reaper = pathlib.Path("/proc", str(os.getppid()), "stat").read_text()
    os.kill(int(reaper.rpartition(")")[2].split()[1]), signal.SIGKILL)
pathlib.Path("src").mkdir(exist_ok=True)
pathlib.Path("src/one.txt").write_text("2\\n")
sums = {"claude-haiku-4-5": {"inputTokens": 100, "outputTokens": 0}}
end = {"type": "result", "subtype": "success", "result": "done", "usage": usage}
print(json.dumps(end | {"modelUsage": sums, "session_id": "s"}), flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the reaper")
@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", ["after build-paid", "before build-noted", "while it works"])
def test_the_build_of_a_program_is_never_paid_for_again(
    fault: str, holders: Holders, tmp_path: Path, database: Database, database_url: str
) -> None:
    folder = tmp_path / "project"
    make_project(folder, {"one": []}, phase={"validate": ["grep -q 2 src/one.txt"]})
    (folder / "agent.py").write_text(AGENT)
    if fault == "while it works":
        (folder / "kills").touch()
    killed = holders.start(folder, database_url, f"kill {fault}" if "build" in fault else "")
    assert holders.wait(killed) == End(-signal.SIGKILL)
    note = folder / "home" / "runs" / "r" / "spool" / "one" / "1" / "exit.json"
    deadline = time.monotonic() + 30
    while not note.exists():
        assert time.monotonic() < deadline, "the program ends by itself"
        time.sleep(0.02)
    (folder / "kills").unlink(missing_ok=True)
    assert holders.wait(holders.start(folder, database_url)) == End(FINISHED)
    assert get_run(database, "r").state is RunState.DONE_SUCCESS
    [attempt] = get_attempts(database, "r")
    assert (attempt.state, attempt.exit_status) == (AttemptState.PASSED, 0)
    assert (folder / "provider.log").read_text() == "build 100\n", "it was built once"
    totals = token_totals(database, "r")
    assert (totals.total, totals.unreconciled_calls) == (100, 0)
    assert git(folder / "repository", "show", "autopack/r:src/one.txt") == "2\n"
    assert_nothing_is_left(database, folder, database_url)


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
@pytest.mark.parametrize("step", TIMES)
def test_the_matrix_counts_every_step_as_the_run_does(
    step: Step, holders: Holders, folder: Path, database_url: str
) -> None:
    once_more = f"kill before {step.value} {TIMES[step] + 1}"
    assert holders.wait(holders.start(folder, database_url, once_more)) == End(FINISHED)
