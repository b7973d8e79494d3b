"""What is fetched is what was tested: packages by hash, actions by commit, with few rights."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILES = ("requirements.txt", "requirements-build.txt")


def blocks(file: str) -> list[str]:
    """The requirements of a file, each with its hashes on one line."""
    text = (ROOT / "deployments" / file).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def requirement(block: str) -> Requirement:
    return Requirement(block.partition(" --hash")[0])


def pins() -> dict[str, set[str]]:
    """Every version that pyproject.toml pins, by package."""
    found: dict[str, set[str]] = {}
    for line in PROJECT["tool"]["uv"]["constraint-dependencies"]:
        pin = Requirement(line)
        found.setdefault(canonicalize_name(pin.name), set()).add(str(pin.specifier))
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_package_of_the_image_has_hashes_and_the_version_that_was_tested(file: str) -> None:
    assert blocks(file)
    for block in blocks(file):
        hashes = re.findall(r"--hash=(\S+)", block)
        assert hashes, block
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), block
        one = requirement(block)
        assert one.url is None
        assert str(one.specifier) in pins()[canonicalize_name(one.name)], one


@pytest.mark.parametrize("file", FILES)
def test_packages_come_from_whatever_index_is_configured(file: str) -> None:
    text = (ROOT / "deployments" / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-[a-z]|--(?!hash=))", text, re.MULTILINE)


def installed_with(name: str, extras: frozenset[str], seen: set[tuple[str, str]]) -> None:
    """Collect what a package needs here, itself included, as far as it is installed."""
    for extra in extras | {""}:
        key = (canonicalize_name(name), extra)
        if key in seen:
            continue
        seen.add(key)
        for line in requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                try:
                    installed_with(needed.name, frozenset(needed.extras), seen)
                except PackageNotFoundError:
                    seen.add((canonicalize_name(needed.name), ""))


def test_nothing_that_the_image_needs_is_missing() -> None:
    seen: set[tuple[str, str]] = set()
    installed_with("autopack", frozenset({"api"}), seen)
    there = {canonicalize_name(requirement(block).name) for block in blocks(FILES[0])}
    assert {name for name, _ in seen} - there == {"autopack"}


def test_the_image_installs_only_what_has_a_known_hash() -> None:
    dockerfile = (ROOT / "deployments" / "Dockerfile").read_text(encoding="utf-8")
    installs = re.findall(
        r"(?:pip|uv pip) (?:install|sync|wheel)[^&\n]*", dockerfile.replace("\\\n", " ")
    )
    assert len(installs) == 4
    for line in installs:
        assert "--require-hashes" in line or "--no-index" in line, line


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "workflows").glob("*.y*ml")))
def test_a_workflow_may_only_read_and_names_actions_by_commit(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    used = re.findall(r"uses: (.*)", text)
    assert used
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
