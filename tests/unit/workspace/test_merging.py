"""Merging into a checkout: what git does not track there is never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.projects import git, make_repository

from autopack.model.errors import Refused
from autopack.workspace.source import SourceRepository
from autopack.workspace.user.merging import merge_into


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout of main, whose branch `work` adds files and makes others anew."""
    made = make_repository(
        tmp_path / "repo",
        {".gitignore": "*.txt\ndata\nlocal/\n", "was-file": "1", "was-folder/one": "1"},
    )
    git(made, "checkout", "-qb", "work")
    git(made, "rm", "-qr", ".gitignore", "was-file", "was-folder")
    for name in ("notes.txt", "data", "local/file", "was-file/now", "was-folder", "a/b/c"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text("of the run")
    git(made, "add", "-Af")
    git(made, "commit", "-qm", "work")
    git(made, "checkout", "-q", "main")
    return made


def _write(name: str) -> Callable[[Path], None]:
    def write(repository: Path) -> None:
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")

    return write


def _link(repository: Path) -> None:
    (repository / "a").symlink_to(repository.parent)


@pytest.mark.parametrize(("squash", "moved_on"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (_write("notes.txt"), "notes.txt"),
        (_write("data/one"), "data"),
        (_write("data/deep/two"), "data"),
        (_write("local"), "local"),
        (_write("was-folder/mine.txt"), "was-folder"),
        (_write("a"), "a"),
        (_link, "a"),
    ],
)
def test_what_is_not_tracked_stays(
    repository: Path, spoil: Callable[[Path], None], where: str, *, squash: bool, moved_on: bool
) -> None:
    if moved_on:
        git(repository, "commit", "-q", "--allow-empty", "-m", "moved on")
    spoil(repository)
    before = _state(repository)
    with pytest.raises(Refused, match=f"^{where} is in the way"):
        _merge(repository, squash=squash)
    assert _state(repository) == before


@pytest.mark.parametrize("squash", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"merge.ff": "false"},
        {"merge.ff": "only"},
        {"branch.main.mergeoptions": "--no-ff"},
        {"diff.relative": "true", "diff.renames": "copies", "diff.noprefix": "true"},
    ],
)
def test_what_is_tracked_is_merged_whatever_is_set(
    repository: Path, settings: dict[str, str], *, squash: bool
) -> None:
    for name, value in settings.items():
        git(repository, "config", name, value)
    _write("other.txt")(repository)
    _merge(repository, squash=squash)
    assert (repository / "was-file" / "now").read_text() == "of the run"
    assert (repository / "was-folder").read_text() == "of the run"
    assert (repository / "other.txt").read_text() == "precious"


def _merge(repository: Path, *, squash: bool) -> None:
    source = SourceRepository.open(str(repository))
    commit = git(repository, "rev-parse", "work").strip()
    merge_into(source, None, commit, squash=squash, label="the run")


def _state(repository: Path) -> tuple[str, str, dict[str, bytes]]:
    files = {
        str(one.relative_to(repository)): one.read_bytes()
        for one in repository.rglob("*")
        if one.is_file() and ".git" not in one.parts
    }
    return git(repository, "rev-parse", "HEAD"), git(repository, "diff", "--cached"), files
