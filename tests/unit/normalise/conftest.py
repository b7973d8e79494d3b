"""A small repository with a toolchain, and the normaliser on it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autopack.plan.normalise import Normalised
from autopack.plan.normalise import normalise as normalise_text
from autopack.toolchains.detect import detect

FILES = {
    "pyproject.toml": "[project]\nname = 'inflection'\nversion = '1'\n",
    "inflection/__init__.py": "",
    "inflection/rules.py": "",
    "docs/index.md": "",
    "web/rules.js": "",
    "api/models.py": "",
    "blog/models.py": "",
    "test_inflection.py": "def test_x():\n    pass\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def normalise(repository: Path) -> Callable[[str], Normalised]:
    return lambda text: normalise_text(text, root=repository, detected=detect(repository))
