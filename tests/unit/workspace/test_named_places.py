"""A repository that the user named works wherever it lies, whoever owns it, however git is set."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from autopack.model.errors import RepositoryError
from autopack.model.ids import AttemptKey
from autopack.workspace import Mirror, SourceRepository, Workspace


@pytest.fixture(scope="session")
def elsewhere():
    """A folder on another file system than pytest's."""
    memory = Path("/dev/shm")
    here = Path(tempfile.gettempdir())
    if not memory.is_dir() or memory.stat().st_dev == here.stat().st_dev:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir=memory, prefix="autopack-test-") as folder:
        yield Path(folder)


def there_and_back(source: SourceRepository, home: Path, folder: Path) -> str:
    """Clone, check out, change, record and publish; returns the commit."""
    base = source.resolve(None)
    mirror = Mirror.open(home, source)
    mirror.ensure(base, "run-1")
    space = Workspace.create(mirror, folder, base)
    (space.path / "new.txt").write_text("new\n", encoding="utf-8")
    ref = mirror.attempt_ref(AttemptKey("run-1", "p", 1))
    commit = space.snapshot(parent=base, message="new", ref=ref).commit
    mirror.publish("run-1", commit)
    return commit


@pytest.mark.parametrize(
    ("home", "repository", "space"),
    [("there", "here", "here"), ("here", "there", "here"), ("there", "here", "there")],
)
def test_any_of_them_may_lie_on_another_file_system(
    home, repository, space, tmp_path, elsewhere, template, as_repository, in_folder
):
    at = {"here": tmp_path, "there": Path(tempfile.mkdtemp(dir=elsewhere))}
    in_folder(at[repository], "clone", "-q", str(template), "project")
    user = as_repository(at[repository] / "project")
    source = SourceRepository.open(str(user.path))
    commit = there_and_back(source, at[home] / "home", at[space] / "space")
    assert user.git("rev-parse", "autopack/run-1") == commit
    user.git("fsck", "--connectivity-only")


def test_no_object_is_the_same_file_as_the_users(user, mirror):
    def inodes(folder: Path) -> set[int]:
        return {file.stat().st_ino for file in folder.rglob("*") if file.is_file()}

    assert not inodes(mirror.git_dir / "objects") & inodes(user.path / ".git" / "objects")


HARDENED = """
[protocol]
	allow = never
[protocol "file"]
	allow = never
[safe]
	bareRepository = explicit
[transfer]
	fsckObjects = true
	hideRefs = refs
[clone]
	rejectShallow = true
[core]
	autocrlf = true
	safecrlf = true
[init]
	templateDir = /nowhere
[submodule]
	recurse = true
"""


def test_settings_against_strangers_do_not_hinder(own_home, user, tmp_path):
    (own_home / ".gitconfig").write_text(HARDENED, encoding="utf-8")
    before = user.fingerprint()
    commit = there_and_back(SourceRepository.open(str(user.path)), tmp_path / "h", tmp_path / "w")
    assert user.git("rev-parse", "autopack/run-1") == commit
    assert user.fingerprint() == before


def test_a_list_of_allowed_protocols_does_not_hinder(user, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https:ssh")
    there_and_back(SourceRepository.open(f"file://{user.path}"), tmp_path / "h", tmp_path / "w2")


def test_old_objects_that_a_check_would_refuse_are_taken(user, own_home, tmp_path, open_mirror):
    """Histories hold objects of old tools: here a tree whose modes begin with a zero."""
    mirror = open_mirror(user)
    blob = user.git("hash-object", "-w", "readme.txt")
    tree = b"0100644 old.txt\0" + bytes.fromhex(blob)
    command = ["git", "hash-object", "-w", "-t", "tree", "--stdin", "--literally"]
    made = subprocess.run(command, cwd=user.path, input=tree, capture_output=True, check=True)
    old = user.git("commit-tree", made.stdout.decode().strip(), "-m", "old", "-p", "HEAD")
    (own_home / ".gitconfig").write_text("[transfer]\n\tfsckObjects = true\n", encoding="utf-8")
    user.git("branch", "old", old)
    mirror.ensure(old, "run-1")
    assert mirror.paths(old) == ("old.txt",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_checkout_works_once_the_hint_is_followed(user, tmp_path, in_folder):
    for path in (user.path, *user.path.rglob("*")):
        os.chown(path, 12345, 12345)
    with pytest.raises(RepositoryError, match="belongs to another user") as caught:
        SourceRepository.open(str(user.path / "src"))
    hint = caught.value.hint or ""
    assert hint.endswith(f"safe.directory '{user.path}'")
    subprocess.run(hint, shell=True, check=True)
    commit = there_and_back(SourceRepository.open(str(user.path)), tmp_path / "h", tmp_path / "w")
    assert in_folder(user.path, "rev-parse", "autopack/run-1") == commit
