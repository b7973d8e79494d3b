"""Worktrees for pattern tests, written from a mapping of path to text."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Worktree = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def worktree(tmp_path: Path) -> Worktree:
    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write
