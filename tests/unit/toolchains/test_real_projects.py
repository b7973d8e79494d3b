"""Real projects, installed and tested as a run would do it; these need a package registry."""

import asyncio
import io
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.npm import need_npm
from support.packages import extract
from support.tools import needs

from autopack.environments.environment import Checkout, RunEnvironment, Wanted, prepare
from autopack.toolchains.detect import detect, inferred_checks
from autopack.toolchains.needed import needed


@dataclass(frozen=True)
class Ended:
    status: int | None
    tail: str


async def run_step(argv, cwd, env, label) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=cwd, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return Ended(process.returncode, output.decode(errors="replace")[-4000:])


async def prepare_in(folder: Path, workspace: Path) -> RunEnvironment:
    return await prepare(
        folder,
        Checkout(workspace),
        Wanted(None, needed(detect(workspace), [], inferred=True)),
        run_step=run_step,
        environ=os.environ,
    )


async def check(workspace: Path, made: RunEnvironment) -> str:
    """The output of the inferred checks, which must pass."""
    outputs: list[str] = []
    for one in inferred_checks(detect(workspace)):
        done = await run_step(one.argv, workspace / one.path, made.variables, "check")
        assert done.status == 0, done.tail
        outputs.append(done.tail)
    return "\n".join(outputs)


def source_distribution(tmp_path: Path, name: str, version: str) -> Path:
    """The unpacked source distribution as a git repository without tags."""
    pip = [sys._base_executable, "-m", "pip"]  # pyright: ignore[reportAttributeAccessIssue]
    fetch = [*pip, "download", "-q", "--no-deps", "--no-binary", ":all:", f"{name}=={version}"]
    fetched = subprocess.run(fetch, cwd=tmp_path, capture_output=True, check=False)
    if fetched.returncode != 0:
        pytest.skip(f"{name} cannot be downloaded here")
    (archive,) = tmp_path.glob("*.tar.gz")
    return commit(unpack(archive.read_bytes(), tmp_path / "workspace"))


def npm_package(tmp_path: Path, name: str, version: str) -> Path:
    """The archive of a package that has its tests in it, as few do."""
    fetch = [need_npm(), "pack", "--silent", f"{name}@{version}"]
    if subprocess.run(fetch, cwd=tmp_path, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{name} cannot be downloaded here")
    return tmp_path / f"{name}-{version}.tgz"


def unpack(archive: bytes, target: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        extract(tar, target)
    (folder,) = target.iterdir()
    return folder


def commit(folder: Path) -> Path:
    """Only what is committed stays, as in the worktree of a run."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["clean", "-qfdx"]):
        subprocess.run([*git, *command], cwd=folder, check=True, capture_output=True)
    return folder


async def test_an_offline_project_uses_an_environment_of_its_own(lay, tmp_path: Path) -> None:
    workspace = lay(
        {
            "test_where.py": "import sys, unittest\n"
            "class TestWhere(unittest.TestCase):\n"
            f"    def test_it(self): self.assertNotEqual(sys.prefix, {sys.prefix!r})\n"
        }
    )

    made = await prepare_in(tmp_path / "run", workspace)

    assert "OK" in await check(workspace, made)
    where = "import pip, sys; print(sys.prefix, pip.__file__)"
    told = await run_step(("python", "-c", where), workspace, made.variables, "where")
    prefix, pip = told.tail.split()
    assert Path(prefix) == made.venv
    assert Path(pip).is_relative_to(tmp_path / "run")


@pytest.mark.slow
async def test_inflection(tmp_path: Path) -> None:
    workspace = source_distribution(tmp_path, "inflection", "0.5.1")

    made = await prepare_in(tmp_path / "run", workspace)

    assert made.notes == ()
    assert "455 passed" in await check(workspace, made)


async def test_a_project_whose_version_is_not_in_its_source(lay, tmp_path: Path) -> None:
    workspace = lay(
        {
            "pyproject.toml": '[build-system]\nrequires = ["hatchling", "hatch-vcs"]\n'
            'build-backend = "hatchling.build"\n[project]\nname = "told"\n'
            'dynamic = ["version"]\n[project.optional-dependencies]\ntests = ["pytest"]\n'
            '[tool.hatch.version]\nsource = "vcs"\n',
            "src/told/__init__.py": "",
            "tests/test_it.py": "import importlib.metadata\n\ndef test_it():\n"
            "    assert importlib.metadata.version('told')\n",
        }
    )
    commit(workspace)

    made = await prepare_in(tmp_path / "run", workspace)

    assert made.notes == ()
    assert "1 passed" in await check(workspace, made)


@pytest.mark.full
async def test_humanize_whose_version_is_not_in_its_source(tmp_path: Path) -> None:
    workspace = source_distribution(tmp_path, "humanize", "4.17.0")

    made = await prepare_in(tmp_path / "run", workspace)

    assert made.notes == ()
    # Its compiled translations are ignored by git, so the tests of them are skipped.
    assert "764 passed, 144 skipped" in await check(workspace, made)


@pytest.mark.slow
async def test_an_npm_package(tmp_path: Path) -> None:
    archive = npm_package(tmp_path, "concat-map", "0.0.1")
    workspace = commit(unpack(archive.read_bytes(), tmp_path / "workspace"))

    made = await prepare_in(tmp_path / "run", workspace)

    assert made.venv is None
    assert "# ok" in await check(workspace, made)


@needs("cargo")
async def test_a_crate_without_dependencies(lay, tmp_path: Path) -> None:
    workspace = lay(
        {
            "Cargo.toml": '[package]\nname = "one"\nversion = "0.1.0"\nedition = "2021"\n',
            "src/lib.rs": "#[test]\nfn holds() { assert_eq!(1, 1); }\n",
        }
    )

    made = await prepare_in(tmp_path / "run", workspace)

    assert "1 passed" in await check(workspace, made)
