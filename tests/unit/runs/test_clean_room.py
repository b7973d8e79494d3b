"""What is judged is what is committed, and what setup makes: nothing else carries a verdict."""

from __future__ import annotations

import os
import py_compile
import sys
from typing import Any

import pytest
from support.attempts import begun
from support.clean_rooms import IMPORTS, SETUP, Act, judged, writes

from autopack.model.causes import FailureCause
from autopack.repair.decide import Decision
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.session import RunSession
from autopack.store.runs import get_attempts


def _stale_bytecode(session: RunSession) -> None:
    """A compiled module that wins over its source, and says what the source does not."""
    source = session.folder / "other.py"
    source.write_text("def add(a, b): return a + b\n")
    name = f"calc.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(
        str(source),
        cfile=str(session.workspace.path / "__pycache__" / name),
        dfile="calc.py",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def _pipe(session: RunSession) -> None:
    os.mkfifo(session.workspace.path / "pipe")


def _converted_line_ends(session: RunSession) -> None:
    writes(**{".gitattributes": "*.txt text eol=lf\n", "a.txt": "one\r\n"})(session)


def _private_file(session: RunSession) -> None:
    writes(secret="1")(session)
    (session.workspace.path / "secret").chmod(0o600)


def _excluded_by_its_own_git(session: RunSession) -> None:
    writes(hidden="1")(session)
    (session.workspace.path / ".git" / "description").write_text("mine")


# what the agent does besides its change, a check that only that satisfies, and what is named
TRICKS: list[tuple[Act, str, str | None]] = [
    (writes(**{"lib/util.py": "x"}), "test -f lib/util.py", "lib/util.py"),
    (writes(**{".env": "KEY=1"}), "test -f .env", ".env"),
    (writes(**{"node_modules/left-pad/a.js": ""}), "test -d node_modules/left-pad",
     "node_modules/left-pad/"),
    (writes(**{".gitignore": "new\n", "new": "1"}), "test -f new", "new"),
    (writes(**{".venv/bin/x": ""}), "test -f .venv/bin/x", ".venv/"),
    (_stale_bytecode, IMPORTS, None),
    (_pipe, "test -p pipe", "pipe"),
    (lambda s: (s.workspace.path / "void").mkdir(), "test -d void", "void/"),
    # what the commit has, but not as it lies there
    (_converted_line_ends, "grep -q \"$(printf '\\\\r')\" a.txt", None),
    (_private_file, "ls -l secret | grep -q ^-rw-------", None),
    (_excluded_by_its_own_git, "grep -q mine .git/description", None),
]  # fmt: skip


@pytest.mark.parametrize(("act", "check", "named"), TRICKS)
async def test_what_the_commit_lacks_carries_no_verdict(
    opened: Any, act: Act, check: str, named: str | None
) -> None:
    session = await opened(check=check)
    failure = await judged(session, act)
    assert failure is not None
    (attempt,) = get_attempts(session.db, "r")
    assert attempt.left_out is not None
    left = {one["path"] for one in attempt.left_out if one["kind"] != "cache"}
    if named is None:
        assert left == set()
        return
    assert named in left
    assert named in failure.message
    again = steps.begin(session, "one")
    assert not isinstance(again, Decision)
    assert named in (again.hint or "")
    # It is there again: the agent can move it to where git takes it (an empty folder goes).
    assert named == "void/" or named.rstrip("/") in {
        path.relative_to(session.workspace.path).as_posix()
        for path in session.workspace.path.rglob("*")
    }


async def test_what_an_earlier_phase_left_carries_no_later_verdict(opened: Any) -> None:
    session = await opened(check="test ! -f two-0 || test -f lib/x", phases=("one", "two"))
    assert await judged(session, writes(**{"lib/x": "1"})) is None
    assert (session.workspace.path / "lib/x").exists()
    failure = await judged(session, writes(), "two")
    assert failure is not None
    assert "lib/x" in failure.message


async def test_what_a_check_leaves_carries_no_later_verdict(opened: Any) -> None:
    session = await opened(
        check="test -f lib/made; was=$?; mkdir -p lib; touch lib/made; exit $was"
    )
    assert await judged(session, writes()) is not None
    assert await judged(session, writes()) is not None
    assert not (session.workspace.path / "lib").exists()


async def test_a_new_fixture_below_a_tracked_folder_is_part_of_the_change(opened: Any) -> None:
    new = "test/fixtures/node_modules/b/node_modules/c/index.js"
    session = await opened(check=f"test -f {new}")
    assert await judged(session, writes(**{new: "1"})) is None
    (attempt,) = get_attempts(session.db, "r")
    assert new in (attempt.changed_paths or ())


async def test_what_setup_made_stays(opened: Any) -> None:
    session = await opened(check="grep -q hello node_modules/dep/index.js", plan={"setup": SETUP})
    assert await judged(session, writes()) is None
    (attempt,) = get_attempts(session.db, "r")
    assert attempt.left_out == []


def _overwritten(session: RunSession) -> None:
    place = session.workspace.path / "node_modules/dep/index.js"
    before = place.stat()
    place.write_text("HELLO\n")
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced_by_a_link(session: RunSession) -> None:
    place = session.workspace.path / "node_modules/dep/index.js"
    place.unlink()
    place.symlink_to("/dev/null")


@pytest.mark.parametrize(
    "tamper",
    [
        _overwritten,
        _replaced_by_a_link,
        lambda s: (s.workspace.path / "node_modules/dep/index.js").unlink(),
    ],
)
async def test_what_setup_made_and_an_agent_changed_is_made_again(opened: Any, tamper: Act) -> None:
    session = await opened(check="grep -q hello node_modules/dep/index.js", plan={"setup": SETUP})
    assert await judged(session, tamper) is None


async def test_setup_runs_again_where_a_file_that_it_names_changed(opened: Any) -> None:
    session = await opened(check="grep -q new node_modules/dep/index.js", plan={"setup": SETUP})
    assert await judged(session, writes(**{"README.md": "new"})) is None


async def test_a_commit_that_breaks_setup_fails_and_the_next_attempt_has_its_tools(
    opened: Any,
) -> None:
    setup = [
        ["sh", "-c", "grep -q hello README.md && mkdir -p node_modules && touch node_modules/x"]
    ]
    session = await opened(check="test -f node_modules/x", plan={"setup": setup})
    failure = await judged(session, writes(**{"README.md": "broken"}))
    assert failure is not None
    assert failure.cause is FailureCause.VALIDATION_FAILED
    assert failure.message.startswith("setup fails on this commit: ")
    assert (session.workspace.path / "node_modules/x").exists()
    assert await judged(session, writes(**{"README.md": "hello"})) is None


async def test_a_process_that_died_while_it_judged_loses_nothing(opened: Any) -> None:
    from autopack.runs.environment.run_environment import aside_of

    session = await opened(check="true")
    started = begun(session, "one")
    writes(**{"lib/x": "1"})(session)
    await steps.build(session, started.key)
    aside_of(session).take(session.workspace.path, ["lib"])

    session.environment = await prepare_environment(session)

    assert (session.workspace.path / "lib/x").exists()
    assert not aside_of(session).folder.exists()


def _unreadable(session: RunSession) -> None:
    writes(**{"src/.GIT/config": "x"})(session)


async def test_content_that_git_refuses_is_the_attempts_failure(opened: Any) -> None:
    session = await opened(check="true")
    failure = await judged(session, _unreadable)
    assert failure is not None
    assert failure.cause in (FailureCause.UNUSABLE_CONTENT, FailureCause.OUT_OF_SCOPE)
    assert ".GIT" in failure.message
    assert await judged(session, writes()) is None


async def test_whatever_judging_raises_is_the_attempts_failure(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await opened(check="true")

    def broken(*_: Any, **__: Any) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr("autopack.runs.attempt.judge.check_scope", broken)
    failure = await judged(session, writes())
    assert failure is not None
    assert failure.message == "judging what it made failed: RecursionError: too deep"
    (attempt,) = get_attempts(session.db, "r")
    assert attempt.failure_cause == "unusable_content"


async def test_a_full_disk_is_not_the_attempts_failure(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await opened(check="true")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autopack.runs.attempt.judge.check_scope", full)
    with pytest.raises(OSError, match="No space"):
        await judged(session, writes())


async def test_a_worktree_that_cannot_be_cleaned_is_replaced(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await opened(check="true")
    assert await judged(session, writes()) is None
    from autopack.workspace.workspace import Workspace

    restore, tries = Workspace._restore, []

    def stubborn(workspace: Workspace, commit: str) -> None:
        tries.append(commit)
        if len(tries) <= 2:
            raise PermissionError("held by somebody")
        restore(workspace, commit)

    monkeypatch.setattr(Workspace, "_restore", stubborn)
    session.workspace.reset(session.head())
    assert len(tries) == 3
    assert (session.workspace.path / "one-0").exists()
