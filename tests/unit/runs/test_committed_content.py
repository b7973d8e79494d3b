"""For any tree, ignore file, attributes and edits: what passed here passes in a fresh checkout."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.projects import git, make_project
from support.runs import conclude

from autopack.repair.decide import Decision
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.session import RunSession
from autopack.store.runs import get_attempts

NAMES = ["a.txt", "b.py", "lib", "build", "src", "node_modules", "__pycache__", "c.pyc", "[x]"]
IGNORES = ["lib/", "build", "*.pyc", "/src", "!b.py", "*.txt", "a.*", ""]
ATTRIBUTES = [
    "* text=auto",
    "*.txt text eol=lf",
    "*.txt text eol=crlf",
    "*.py -text",
    "* ident",
    "",
]
TEXTS = ["one\n", "one\r\ntwo\r\n", "$Id: wrong $\n", "", "\x00\x01"]

paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
files = st.dictionaries(paths, st.sampled_from(TEXTS), max_size=4)
edits = st.lists(
    st.tuples(
        st.sampled_from(["write", "delete", "folder", "link", "private", "pipe", "executable"]),
        paths,
        st.sampled_from(TEXTS),
    ),
    min_size=1,
    max_size=6,
)
listed = st.lists(st.sampled_from(IGNORES), max_size=3).map("\n".join)
attributes = st.lists(st.sampled_from(ATTRIBUTES), max_size=2).map("\n".join)

# Everything that a check can see of a tree: kinds, modes, contents.
PICTURE = (
    "find . -mindepth 1 -path ./.git -prune -o -printf '%y %m %l %p\\n' "
    "-type f -exec md5sum {} + | sort"
)


def _consistent(tree: dict[str, str]) -> dict[str, str]:
    """The tree without files that lie where another has a folder."""
    return {
        path: text
        for path, text in tree.items()
        if not any(other.startswith(f"{path}/") for other in tree)
    }


def _carry_out(root: Path, edit: tuple[str, str, str]) -> None:
    """One edit as far as it is possible; what is not is passed over."""
    kind, name, text = edit
    place = root / name
    try:
        if kind == "delete":
            place.unlink()
            return
        if kind == "folder":
            place.mkdir(parents=True)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            place.symlink_to("a.txt")
        elif kind == "pipe":
            os.mkfifo(place)
        elif place.is_symlink() or not place.exists() or place.is_file():
            place.unlink(missing_ok=True)
            place.write_bytes(text.encode())
            place.chmod({"private": 0o600, "executable": 0o755}.get(kind, 0o644))
    except OSError:
        return


async def _judged(session: RunSession, edit: Callable[[Path], None]) -> bool:
    session.environment = await prepare_environment(session)
    started = steps.begin(session, "one")
    assert not isinstance(started, Decision)
    edit(session.workspace.path)
    await steps.build(session, started.key)
    failure = await steps.validate(session, started.key)
    conclude(session, "one", started.attempt, failure)
    return failure is None


@pytest.fixture
def opened(tmp_path: Path, store: Callable[..., str], open_run: Callable[[str], RunSession]):
    """Opens runs of projects with the given files, each of another name."""

    def opening(number: int, tree: dict[str, str], picture: Path) -> tuple[RunSession, str]:
        check = ["sh", "-c", f"{PICTURE} > {picture}"]
        project = make_project(
            tmp_path / f"p{number}", {"one": [[]]}, files=tree, phase={"validate": [check]}
        )
        run_id = store(project, f"r{number}")
        return open_run(run_id), run_id

    return opening


def test_a_passed_commit_looks_the_same_in_a_fresh_checkout(
    opened: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    numbers = iter(range(10**6))

    @settings(
        max_examples=300 if request.config.getoption("--full") else 6,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    @given(files, listed, attributes, listed, edits)
    def check(
        tree: dict[str, str], ignored: str, attributes: str, late: str, done: list[Any]
    ) -> None:
        number = next(numbers)
        picture = tmp_path / f"picture{number}"
        base = _consistent(tree) | {".gitignore": ignored, ".gitattributes": attributes}
        session, run_id = opened(number, base | {"README": "x"}, picture)

        def edit(root: Path) -> None:
            for one in done:
                _carry_out(root, one)
            if late:
                (root / ".gitignore").write_text(late)

        passed = asyncio.run(_judged(session, edit))
        (attempt,) = get_attempts(session.db, run_id)
        if not passed:
            # Nothing but content that git refuses fails such a check.
            assert attempt.failure_cause in ("out_of_scope", "unusable_content"), attempt
            return
        fresh = tmp_path / f"fresh{number}"
        git(tmp_path, "init", "-q", str(fresh))
        git(fresh, "fetch", "-q", str(session.mirror.git_dir), attempt.commit or "")
        git(fresh, "checkout", "-q", "FETCH_HEAD")
        seen = subprocess.run(
            ["sh", "-c", PICTURE], cwd=fresh, check=True, capture_output=True, text=True
        ).stdout
        assert picture.read_text() == seen

    check()
