"""The documentation as a site, and what developers type: both work as they are committed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.documents import ROOT

_BIN = Path(sys.executable).parent


def _pages_of(navigation: list[Any]) -> Iterator[str]:
    for entry in navigation:
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from _pages_of(target)


def test_every_page_is_in_the_navigation_once() -> None:
    configuration = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    pages = sorted(page.relative_to(ROOT / "docs").as_posix() for page in _pages())
    assert sorted(_pages_of(configuration["project"]["nav"])) == pages


def _pages() -> list[Path]:
    return list((ROOT / "docs").rglob("*.md"))


def _build(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_BIN / "zensical", "build", "--strict"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / ".ci"), "PATH": str(_BIN)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the site is made of, where building leaves nothing in the project."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    return tmp_path


def test_the_site_builds_without_a_warning(copy: Path) -> None:
    built = _build(copy)
    assert built.returncode == 0, built.stdout + built.stderr
    for page in _pages():
        name = page.relative_to(ROOT / "docs").with_suffix("")
        folder = name.parent if name.name == "index" else name
        html = (copy / "site" / folder / "index.html").read_text(encoding="utf-8")
        assert "```" not in html, f"{name}: a fence that is not read as one"


def test_a_link_that_leads_nowhere_fails_the_build(copy: Path) -> None:
    (copy / "docs" / "index.md").write_text("# X\n\n[x](plans.md#nowhere)\n", encoding="utf-8")
    assert _build(copy).returncode != 0


def test_the_script_of_ci_runs_recipes_that_exist() -> None:
    listed = subprocess.run(
        [_BIN / "just", "--summary"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"install", "lint", "types", "test", "bench", "full"} <= set(listed)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for line in script.splitlines():
        before, found, recipes = line.partition(" just ")
        if found and before.startswith("uv run"):
            assert {word for word in recipes.split() if word.isalpha()} <= set(listed), line


def test_hooks_are_the_tools_of_the_project() -> None:
    file = ROOT / ".pre-commit-config.yaml"
    subprocess.run([_BIN / "pre-commit", "validate-config", file], check=True)
    configuration = yaml.safe_load(file.read_text(encoding="utf-8"))
    hooks = [hook for repository in configuration["repos"] for hook in repository["hooks"]]
    assert {repository["repo"] for repository in configuration["repos"]} == {"local"}
    for hook in hooks:
        words = hook["entry"].split()
        assert words[:3] == ["uv", "run", "--no-sync"]
        assert (_BIN / words[3]).exists(), hook["id"]
        assert all((ROOT / word).exists() for word in words if word.startswith("tests/")), words
