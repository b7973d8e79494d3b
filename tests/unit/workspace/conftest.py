"""A user's repository made for the test, under a path with a space and an umlaut."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.tools import works

from autopack.workspace import Mirror, SourceRepository, Workspace


@dataclass(frozen=True)
class UserRepository:
    path: Path

    def git(self, *args: str, check: bool = True) -> str:
        return run_git(self.path, *args, check=check)

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def commit(self, message: str = "more") -> str:
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "--no-verify", "-m", message)
        return self.git("rev-parse", "HEAD")

    def hook(self, name: str, script: str) -> None:
        hook = self.path / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        hook.chmod(0o755)

    def fingerprint(self) -> dict[str, tuple[int, int, str]]:
        """Mode, time of change and content of everything but objects and Autopack's branches."""
        return {
            name: _facts(file)
            for file in sorted(self.path.rglob("*"))
            if not file.is_dir()
            and not (name := file.relative_to(self.path).as_posix()).startswith(
                (".git/objects/", ".git/refs/heads/autopack/", ".git/logs/refs/heads/autopack/")
            )
        }


def _facts(file: Path) -> tuple[int, int, str]:
    status = file.lstat()
    content = os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
    return stat.S_IMODE(status.st_mode), status.st_mtime_ns, hashlib.sha256(content).hexdigest()


def run_git(folder: Path, *args: str, check: bool = True) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *args],
        cwd=folder,
        check=check,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HOME without git configuration, so that the machine's does not decide a test."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return home


def _first_commit(path: Path, *options: str) -> UserRepository:
    path.mkdir(parents=True)
    run_git(path, "init", "--quiet", "--initial-branch=main", *options)
    repository = UserRepository(path)
    repository.write("readme.txt", "hello\n")
    repository.write("src/code.py", "x = 1\n")
    repository.write(".gitignore", "ignored/\n")
    repository.commit("first")
    return repository


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _first_commit(tmp_path_factory.mktemp("template") / "repository").path


@pytest.fixture
def make_repository(tmp_path: Path, template: Path):
    def make(name: str, *options: str) -> UserRepository:
        if options:
            return _first_commit(tmp_path / name, *options)
        shutil.copytree(template, tmp_path / name)
        return UserRepository(tmp_path / name)

    return make


@pytest.fixture
def user(make_repository) -> UserRepository:
    return make_repository("my projëct")


@pytest.fixture
def base(user: UserRepository) -> str:
    return user.git("rev-parse", "HEAD")


@pytest.fixture
def open_mirror(tmp_path: Path):
    def open_(repository: UserRepository, commit: str | None = None) -> Mirror:
        source = SourceRepository.open(str(repository.path))
        mirror = Mirror.open(tmp_path / "autopack home", source)
        mirror.ensure(commit or source.resolve(None), "run-1")
        return mirror

    return open_


@pytest.fixture
def mirror(user: UserRepository, base: str, open_mirror) -> Mirror:
    return open_mirror(user)


@pytest.fixture
def workspace(mirror: Mirror, base: str, tmp_path: Path) -> Workspace:
    return Workspace.create(mirror, tmp_path / "spaces" / "wörk space", base)


@pytest.fixture(scope="session")
def in_folder():
    """Run git as an agent would, in any folder."""
    return run_git


@pytest.fixture(scope="session")
def as_repository():
    return UserRepository


# Root may do everything, so permissions are tested in a process that gave that up.
WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
WORKER = """
import sys
from pathlib import Path
from autopack.workspace import Mirror, SourceRepository, Workspace
mirror = Mirror.open(Path(sys.argv[1]), SourceRepository.open(sys.argv[2]))
workspace = Workspace.adopt(mirror, Path(sys.argv[3]))
"""


@pytest.fixture
def unprivileged(workspace, user):
    if not hasattr(os, "geteuid") or (os.geteuid() == 0 and not works("setpriv")):
        pytest.skip("needs POSIX permissions, and setpriv for root")

    def run(action: str) -> str:
        prefix = WITHOUT_PRIVILEGES if os.geteuid() == 0 else []
        home = workspace.mirror.git_dir.parent.parent
        argv = [sys.executable, "-c", WORKER + action, home, user.path, workspace.path]
        done = subprocess.run([*prefix, *argv], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return run
