"""Which denials a chmod in the worktree can mend, and which bits it adds."""

import os
import stat

import pytest

from autopack.model.commands import (
    Check,
)
from autopack.repair.patterns import AddMode, Evidence
from autopack.repair.patterns.permission_error import PermissionDenied

PATTERN = PermissionDenied()
READ, WRITE, EXECUTE = stat.S_IRUSR, stat.S_IWUSR, stat.S_IXUSR

posix_only = pytest.mark.skipif(os.name != "posix", reason="Windows has no such bits")

SAID = [
    ("Error: EACCES: permission denied, open '/w/a.txt'", "/w/a.txt"),
    ("Error: EPERM: operation not permitted, unlink '/w/a.txt'", "/w/a.txt"),
    ("Error: spawn EACCES\nEACCES: permission denied, spawn ./run", "./run"),
    ("E   PermissionError: [Errno 13] Permission denied: 'out/a.txt'", "out/a.txt"),
    ("FAILED t.py::t - PermissionError: [Errno 13] Permission denied: 'a'", "a"),
    (r"PermissionError: [WinError 5] Access is denied: 'C:\w\a'", r"C:\w\a"),
    ("sh: 1: ./run.sh: Permission denied", "./run.sh"),
    ("/bin/bash: line 3: scripts/run.sh: Permission denied", "scripts/run.sh"),
    ("cp: cannot create regular file 'out/a': Permission denied", "out/a"),
    ('error: open("a.txt"): Permission denied', "a.txt"),
    ("fork/exec ./tool: permission denied", "./tool"),
    ("make: ./run.sh: Permission denied", "./run.sh"),
]


@pytest.mark.parametrize(("text", "path"), SAID, ids=lambda value: str(value)[:60])
def test_path_is_named(text: str, path: str) -> None:
    match = PATTERN.detect(Evidence(text))
    assert match is not None
    assert match.captured["path"] == path


def propose(text: str, root, **more):
    evidence = Evidence(text, root=root, **more)
    match = PATTERN.detect(evidence)
    assert match is not None
    return PATTERN.propose(evidence, match)


@posix_only
def test_own_script_becomes_executable(worktree) -> None:
    root = worktree({"run.sh": "exit 0"})
    proposal = propose("sh: 1: ./run.sh: Permission denied", root)
    assert proposal.add_modes == (AddMode("run.sh", READ | EXECUTE),)


@posix_only
def test_command_itself_becomes_executable(worktree) -> None:
    root = worktree({"run.sh": "exit 0"})
    proposal = propose(
        "PermissionError: [Errno 13] Permission denied: './run.sh'",
        root,
        failed=Check(".", ("./run.sh",)),
    )
    assert proposal.add_modes == (AddMode("run.sh", READ | EXECUTE),)


@posix_only
def test_own_file_becomes_writable(worktree) -> None:
    root = worktree({"out/a.txt": ""})
    (root / "out/a.txt").chmod(0o444)
    proposal = propose(f"EACCES: permission denied, open '{root}/out/a.txt'", root)
    assert proposal.add_modes == (AddMode("out/a.txt", READ | WRITE),)


@posix_only
def test_folder_of_a_new_file_becomes_writable(worktree) -> None:
    root = worktree({"out/a.txt": ""})
    (root / "out").chmod(0o555)
    proposal = propose("PermissionError: [Errno 13] Permission denied: 'out/b.txt'", root)
    (root / "out").chmod(0o755)
    assert proposal.add_modes == (AddMode("out", READ | WRITE | EXECUTE),)


FOREIGN = ["/usr/local/lib/x", "../outside", ".git/config"]


@pytest.mark.parametrize("path", FOREIGN)
def test_foreign_files_are_left_alone(path: str, worktree) -> None:
    root = worktree({".git/config": ""})
    proposal = propose(f"PermissionError: [Errno 13] Permission denied: '{path}'", root)
    assert not proposal.acts
    assert path in proposal.suggestions[0]


@posix_only
def test_links_out_of_the_worktree_are_left_alone(worktree, tmp_path_factory) -> None:
    root = worktree({"a": ""})
    (root / "link").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    proposal = propose("PermissionError: [Errno 13] Permission denied: 'link/x'", root)
    assert not proposal.acts


@posix_only
def test_file_with_its_usual_bits_is_left_alone(worktree) -> None:
    proposal = propose("PermissionError: [Errno 13] Permission denied: 'a'", worktree({"a": ""}))
    assert not proposal.acts
