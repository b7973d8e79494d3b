"""Whatever an agent does to the folders that it may write, nothing else changes and nothing hangs.

Agents of random operations, one after the other in a few runs: each is built, judged, and in part
resumed after a crash. Unconfined ones reach into Autopack's own folder of the run, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import vandal
from support.projects import make_repository, write_yaml
from support.runs import conclude

from autopack.clock import SystemClock
from autopack.ledger.events.usage_events import token_totals
from autopack.model.errors import AutopackError
from autopack.model.states import AttemptState, RunState
from autopack.process import sandbox
from autopack.repair.decide import Decision
from autopack.runs import attempt as attempts
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.finish.finish import finish
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.settings import SANDBOX_READABLE, Settings
from autopack.store import tables
from autopack.store.database.engine import Database
from autopack.store.runs import get_run

OBSTACLE = sandbox.obstacle(os.environ)
LONGEST = 60
"""Seconds that nothing may take longer than."""

A_RUN = 25
"""Agents a run: what an attempt costs grows with those before it."""

MADE = ("fifo", "socket", "sparse", "folder", "deep", "delete")
ITS_OWN = ("worktree", "sub", "git", "hooks", "scratch")
NAMES = {
    "worktree": ("a", "b", "-c", "README.md", "sub", "new\nline", ".git", ".gitmodules",
                 ".gitignore", ".gitattributes", ".GIT"),
    "sub": ("a", ".git", "README.md"),
    "git": ("config", "HEAD", "index", "objects", "info", "refs", "index.lock", "packed-refs",
            "commondir", "gitdir", "modules"),
    "hooks": ("post-checkout", "pre-commit"),
    "scratch": ("prompt.md", "validation-0.xml", "a"),
    "spool": ("validation.log", "build.json", "base.log", "prompt.md", "scratch", "home"),
    "run": ("ledger.jsonl", "setup.log", "environment.json", "environment", "before-mitigation",
            "aside", "caches", "work"),
    "work": ("000001", "other"),
}  # fmt: skip


VANDALISED = re.compile(r"home/(runs/r\d+|repositories/.*)")
"""Folders of the runs, and git's of all runs, whose refs are theirs."""

SHARED = {"plans", "base_failures", "circuits", "usage_by_day"}
"""Tables that are no run's."""


class World:
    """A user with a home, a repository and runs, and what of it nobody may change."""

    def __init__(self, root: Path, *, confined: bool) -> None:
        self.root, self.confined = root, confined
        self.user, self.home = root / "user", root / "home"
        self.operations = root / "operations" / "list.json"
        for folder in (self.user / "docs", self.home, self.operations.parent):
            folder.mkdir(parents=True)
        (self.user / "precious").write_text("precious")
        (self.user / "docs" / "thesis").write_text("thesis")
        shutil.copy(vandal.__file__, self.operations.parent / "vandal.py")
        self.repository = make_repository(root / "repository", {"README.md": "hello\n"})
        database = f"sqlite:///{root / 'autopack.db'}"
        self.settings = Settings(self.home, database, lease_seconds=1000)
        self.database = Database.open(self.settings.database_url, clock=SystemClock())
        plan = {
            "goal": "Vandalise",
            "setup": [],
            "budget": {"tokens": 10**9, "minutes": 1000},
            "phases": [
                {
                    "id": "p",
                    "instructions": "do",
                    "validate": [["sh", "-c", "cat README.md; exit 1"]],
                    "budget": {"attempts": 10_000},
                }
            ],
        }
        program = self.operations.parent / "vandal.py"
        words = f"{sys.executable} -ISB {program} {self.operations} {{spool}}"
        self.request = RunRequest(
            plan=str(write_yaml(root / "plan.yaml", plan)),
            repo=str(self.repository),
            builder="command",
            builder_options={"template": words, "usage": "codex", "model": "m"},
        )
        self.digests: dict[tuple[int, int, int], str] = {}
        self.runs, self.builds = 0, 0
        self.prepare("other")
        close_session(self.opened("other"))
        self.begin_run()
        self.before = self.outside()

    def prepare(self, run_id: str) -> None:
        request = replace(self.request, run_id=run_id)
        prepare_run(request, db=self.database, settings=self.settings, clock=SystemClock())

    def begin_run(self) -> None:
        self.runs, self.builds = self.runs + 1, 0
        self.run_id = f"r{self.runs}"
        self.prepare(self.run_id)
        self.session = self.opened(self.run_id)

    def end_run(self) -> None:
        finish(self.session, RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW, "vandalised")
        close_session(self.session)
        assert get_run(self.database, self.run_id).state.is_final

    def opened(self, run_id: str) -> RunSession:
        session = open_session(
            run_id, db=self.database, settings=self.settings, clock=SystemClock()
        )
        session.environment = asyncio.run(prepare_environment(session))
        return session

    def outside(self) -> dict[str, object]:
        """All that is not the run's: files by content and mode, links by where they lead, rows."""
        found: dict[str, object] = {}
        for top in (self.user, self.repository, self.home):
            self._note(top, found)
        with self.database.read() as conn:
            for table in tables.metadata.tables.values():
                if table.name not in SHARED:
                    chosen = sa.select(table)
                    if "run_id" in table.c:
                        chosen = chosen.where(table.c.run_id == "other")
                    rows = sorted(map(repr, conn.execute(chosen)))
                    found[f"rows of {table.name}"] = rows
        return found

    def _note(self, folder: Path, found: dict[str, object]) -> None:
        for entry in os.scandir(folder):
            status = entry.stat(follow_symlinks=False)
            name = os.path.relpath(entry.path, self.root)
            if stat.S_ISREG(status.st_mode):
                found[name] = (stat.S_IMODE(status.st_mode), self._digest(entry.path, status))
            elif stat.S_ISDIR(status.st_mode):
                if not VANDALISED.fullmatch(name):
                    found[name] = status.st_mode
                    self._note(Path(entry.path), found)
            else:
                found[name] = entry.is_symlink() and str(Path(entry.path).readlink())

    def _digest(self, path: str, status: os.stat_result) -> str:
        # Nobody can set this time, and a change sets it.
        key = (status.st_ino, status.st_ctime_ns, status.st_size)
        if key not in self.digests:
            self.digests[key] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return self.digests[key]

    def attempt(self, *, dies: bool) -> None:
        """One attempt of the run; what ends it early leaves a run that is resumed."""
        try:
            self._attempt(dies=dies)
        except (AutopackError, OSError):
            close_session(self.session)
            self.session = self.opened(self.run_id)

    def _attempt(self, *, dies: bool) -> None:
        started = attempts.begin(self.session, "p")
        assert not isinstance(started, Decision), started
        if started.state is AttemptState.STARTED:
            self.builds += 1
            asyncio.run(attempts.build(self.session, started.key))
        if dies:
            close_session(self.session)
            self.session = self.opened(self.run_id)
            started = attempts.begin(self.session, "p")
            assert not isinstance(started, Decision), started
            if started.state is AttemptState.STARTED:
                self.builds += 1
                asyncio.run(attempts.build(self.session, started.key))
        failure = asyncio.run(attempts.validate(self.session, started.key))
        conclude(self.session, "p", started.attempt, failure)


def targets(world: World) -> tuple[str, ...]:
    user, repository = world.user, world.repository
    return (
        str(user / "precious"), str(user / "docs"), str(user / "new"), str(repository / ".git"),
        str(repository / "README.md"), str(world.root / "autopack.db"), "/dev/zero", "..", "a",
        str(world.home / "runs" / "other" / "database"), "../../../..",
    )  # fmt: skip


def operations(world: World) -> st.SearchStrategy[list[list[str]]]:
    places = ITS_OWN if world.confined else tuple(NAMES)
    forged = json.dumps({"event": {
        "run_id": "other", "phase_id": "p", "attempt": 1, "provider": "p", "model": "m",
        "total_tokens": 10**6, "event_key": "forged"}})  # fmt: skip

    config = (
        f'[core]\n\tfsmonitor = "touch {world.user / "new"}"\n\thooksPath = /\n'
        f'[filter "x"]\n\tclean = "touch {world.user / "new"}"\n'
    )

    def of(place: str) -> st.SearchStrategy[list[str]]:
        where = st.just(place)
        name = st.sampled_from(NAMES[place])
        lead = st.sampled_from(targets(world))
        text = st.sampled_from(
            (
                "",
                "x",
                "{}",
                forged,
                "\x00\xff",
                config,
                "* filter=x\n",
                f"gitdir: {world.repository / '.git'}\n",
                '[submodule "x"]\n\tpath = sub\n',
            ),
        )
        return st.one_of(
            st.tuples(st.sampled_from(("link", "hard link")), where, name, lead),
            st.tuples(st.just("file"), where, name, text),
            st.tuples(st.just("rename"), where, name, name),
            st.tuples(st.just("move"), where, name, st.sampled_from(places)),
            st.tuples(st.just("chmod"), where, name, st.sampled_from(("none", "read"))),
            st.tuples(st.sampled_from(MADE), where, name, st.just("x")),
        ).map(list)

    return st.lists(st.sampled_from(places).flatmap(of), min_size=1, max_size=6)


@pytest.fixture
def root(confined: bool) -> Iterator[Path]:
    """A folder in memory where there is one: nothing here is about a crash of the machine."""
    memory = Path("/dev/shm")  # of which confined programs see nothing
    parent = str(memory) if os.access(memory, os.W_OK) and not confined else None
    with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


@pytest.mark.slow
# The jitter of retries draws from the shared generator in a thread, while examples are drawn.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.parametrize(
    "confined",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                OBSTACLE is not None, reason=f"nothing was proved about confinement: {OBSTACLE}"
            ),
        ),
    ],
    ids=["unconfined", "confined"],
)
def test_nothing_outside_changes_and_nothing_hangs(
    root: Path,
    confined: bool,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    if confined:
        monkeypatch.setenv(sandbox.VARIABLE, "bwrap")
        monkeypatch.setenv(SANDBOX_READABLE.name, str(root / "operations"))
    monkeypatch.setenv("HOME", str(root / "user"))
    world = World(root, confined=confined)
    full = pytestconfig.getoption("--full")
    most = (2_000 if confined else 8_000) if full else (12 if confined else 80)

    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        # Each example goes on where the last one ended: a smaller one would not fail by itself.
        phases=[Phase.generate],
        derandomize=not full,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    @given(operations(world), st.integers(0, 9).map(lambda number: number == 0))
    def one(listed: list[list[str]], dies: bool) -> None:
        world.operations.write_text(json.dumps(listed), encoding="utf-8")
        signal.alarm(LONGEST)
        try:
            world.attempt(dies=dies)
        finally:
            signal.alarm(0)
        assert world.outside() == world.before, listed
        assert get_run(world.database, world.run_id).state is RunState.PHASE_EXECUTION
        spent = token_totals(world.database, world.run_id).total
        assert spent == vandal.SPENDS * world.builds, listed
        if world.builds >= A_RUN:
            world.end_run()
            world.begin_run()

    try:
        one()
    finally:
        world.end_run()
    assert world.outside() == world.before
