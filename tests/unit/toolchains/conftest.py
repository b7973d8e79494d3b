"""Repositories made from a table of files."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Files = Mapping[str, str]
Lay = Callable[[Files], Path]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Writes files into a new repository folder and returns it."""

    def write(files: Files) -> Path:
        root = tmp_path / "repository"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        return root

    return write
