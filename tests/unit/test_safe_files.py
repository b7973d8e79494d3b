"""Below a home nothing that an agent put there leads elsewhere, hangs, or is taken for a file."""

from __future__ import annotations

import ast
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from autopack.files import safe_files

PRECIOUS = "precious"

ODD = ("link", "broken link", "link in a circle", "fifo", "socket", "folder", "device")


@pytest.fixture(autouse=True)
def nothing_hangs() -> Iterator[None]:
    """Ends a test that waits, for example in the opening of a FIFO."""
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the user's with a file in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text(PRECIOUS)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "spool"
    folder.mkdir(parents=True)
    return folder


def put(kind: str, path: Path, outside: Path) -> None:
    """Have something odd at ``path``."""
    if kind == "link":
        path.symlink_to(outside / "file")
    elif kind == "broken link":
        path.symlink_to(outside / "new")
    elif kind == "link in a circle":
        path.symlink_to(path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket is short
        try:
            socket.socket(socket.AF_UNIX).bind(path.name)
        finally:
            os.chdir(here)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        (path / "inner").mkdir(parents=True)


READS: dict[str, Callable[[Path], object]] = {
    "open": lambda path: safe_files.open_read(path).close(),
    "bytes": safe_files.read_bytes,
    "text": safe_files.read_text,
}
WRITES: dict[str, Callable[[Path], object]] = {
    "new": lambda path: os.close(safe_files.open_new(path)),
    "append": lambda path: os.close(safe_files.open_append(path)),
    "whole": lambda path: safe_files.write(path, "ours"),
    "put": lambda path: safe_files.put(path, b"ours"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("read", READS)
def test_what_is_no_regular_file_is_not_there(
    home: Path, outside: Path, kind: str, read: str
) -> None:
    put(kind, home / "note", outside)
    with pytest.raises(FileNotFoundError):
        READS[read](home / "note")
    assert not safe_files.is_file(home / "note")
    assert list(safe_files.files_below(home)) == []


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("write", WRITES)
def test_what_is_in_the_way_is_replaced_and_what_it_leads_to_stays(
    home: Path, outside: Path, kind: str, write: str
) -> None:
    put(kind, home / "note", outside)
    WRITES[write](home / "note")
    assert stat.S_ISREG((home / "note").lstat().st_mode)
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("file", PRECIOUS)]
    assert [path.name for path in home.iterdir()] == ["note"]


@pytest.mark.parametrize("use", [*READS.items(), *WRITES.items()], ids=lambda use: use[0])
def test_a_link_on_the_way_is_not_followed(
    home: Path, outside: Path, use: tuple[str, Callable[[Path], object]]
) -> None:
    (home / "attempt").symlink_to(outside)
    with pytest.raises(FileNotFoundError):
        use[1](home / "attempt" / "file")
    safe_files.remove(home / "attempt" / "file")
    assert safe_files.names(home / "attempt") == []
    assert (outside / "file").read_text() == PRECIOUS


def test_a_file_with_a_second_name_is_replaced_before_it_is_added_to(
    home: Path, outside: Path
) -> None:
    (home / "log").hardlink_to(outside / "file")
    descriptor = safe_files.open_append(home / "log")
    os.write(descriptor, b"printed")
    os.close(descriptor)
    assert (home / "log").read_text() == "printed"
    assert (outside / "file").read_text() == PRECIOUS


def test_what_was_written_is_ours_alone_and_is_added_to(home: Path) -> None:
    for text in (b"one\n", b"two\n"):
        descriptor = safe_files.open_append(home / "log")
        os.write(descriptor, text)
        os.close(descriptor)
    assert safe_files.read_text(home / "log") == "one\ntwo\n"
    assert stat.S_IMODE((home / "log").stat().st_mode) == 0o600


def test_more_than_is_read_at_most_is_not_read(home: Path) -> None:
    with (home / "sparse").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(safe_files.NotOurs):
        safe_files.read_bytes(home / "sparse", most=1000)


def test_a_write_that_fails_leaves_what_was_there(home: Path) -> None:
    safe_files.write(home / "note", "whole")

    def fail() -> None:
        with safe_files.replacing(home / "note") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [(path.name, path.read_text()) for path in home.iterdir()] == [("note", "whole")]


@pytest.mark.parametrize("kind", [one for one in ODD if one != "folder"])
def test_folders_are_made_anew_below_one_of_ours_where_something_is_in_the_way(
    home: Path, outside: Path, kind: str
) -> None:
    put(kind, home / "p1", outside)
    made = safe_files.make_folder(home / "p1" / "2", below=home)
    assert safe_files.is_folder(made)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert (outside / "file").read_text() == PRECIOUS


def test_a_link_above_is_the_users_own_and_stays(home: Path, outside: Path) -> None:
    linked = home / "linked"
    linked.symlink_to(outside)
    with pytest.raises(safe_files.NotOurs):
        safe_files.make_folder(linked / "p1" / "1", below=linked / "p1")
    assert linked.is_symlink()
    assert [path.name for path in outside.iterdir()] == ["file"] or (outside / "p1").is_dir()


@pytest.mark.parametrize("kind", ODD)
def test_anything_is_removed_and_nothing_else(home: Path, outside: Path, kind: str) -> None:
    (home / "tree" / "inner").mkdir(parents=True)
    put(kind, home / "tree" / "inner" / "odd", outside)
    (home / "tree" / "link").symlink_to(outside)
    (home / "tree" / "inner").chmod(0o500)
    (home / "tree").chmod(0)
    safe_files.remove(home / "tree")
    assert list(home.iterdir()) == []
    assert (outside / "file").read_text() == PRECIOUS


def test_a_tree_deeper_than_a_path_may_be_is_removed(home: Path) -> None:
    (home / "tree").mkdir()
    here = os.open(home / "tree", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep-enough", dir_fd=here)
        inner = os.open("deep-enough", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert list(safe_files.files_below(home)) == []
    safe_files.remove(home / "tree")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("kind", [one for one in ODD if one != "folder"])
def test_permissions_are_those_of_the_file_itself(home: Path, outside: Path, kind: str) -> None:
    put(kind, home / "odd", outside)
    before = (outside / "file").stat().st_mode
    with pytest.raises(FileNotFoundError):
        safe_files.add_mode(home / "odd", 0o111)
    assert (outside / "file").stat().st_mode == before
    (home / "file").touch(0o200)
    assert safe_files.add_mode(home / "file", 0o500) == 0o200
    assert stat.S_IMODE((home / "file").stat().st_mode) == 0o700


ROOT = Path(import_module("autopack").__file__ or "").parent

OPENING = {
    "open", "read_text", "read_bytes", "write_text", "write_bytes", "touch", "mkdir", "unlink",
    "rmdir", "rmtree", "copytree", "copyfile", "copy2", "chmod", "rglob", "glob",
    "iterdir", "scandir", "walk", "makedirs", "link", "hardlink_to", "symlink_to", "mkfifo",
}  # fmt: skip
"""Calls that open, list, make or remove by a path."""

ELSEWHERE = {
    "agents/api/confined_tools.py": "walks the worktree, whose links it resolves",
    "agents/api/searching.py": "searches the worktree in a process of its own, and follows no link",
    "testing/recording.py": "a recording, which is the user's",
    "testing/simulation.py": "a spec, which is the user's",
    "agents/claude_code/agent.py": "the user's own settings, asked for by config=user",
    "agents/own": "the user's own login and settings, asked for by auth and config",
    "access/secret.py": "makes the secret of its home by a link",
    "mining/generation/write.py": "the folder that the user names for detectors",
    "agents/trial.py": "a repository of its own, which is thrown away",
    "agents/usage_reading.py": "a file that the user names; agents' files come opened",
    "context/minilm.py": "the weights in an installed package",
    "files/contents.py": "what lies in a worktree, whose links it does not follow",
    "files/untrusted.py": "the agent's files in a worktree, by descriptors",
    "files/durable.py": "a folder, to have its file system flushed",
    "runs/prepare/take_fingerprint.py": "files that options name, which are the user's",
    "runs/attempt/baseline.py": "lists the environment, whose links it does not follow",
    "files/savepoint.py": "copies folders whose way it has checked",
    "runs/reconcile/reconcile.py": "lists the clones",
    "experiments": "files that the user names",
    "files/home_id.py": "makes a name of its home by a link",
    "testing/model_server": "a program for tests, which reads its script",
    "plan": "the plan, which is the user's",
    "research/report_file.py": "a report that the user names",
    "research/sources/passages.py": "walks the syntax tree of a file that was read",
    "testing/scripted_reviewer.py": "a reviewer's script, which is the user's",
    "testing/scripted_doctor.py": "a doctor's script, which is the user's",
    "testing/scripted_researcher.py": "a researcher's script, which is the user's",
    "repair/lifecycle/detector.py": "the source of a pattern, to tell its versions apart",
    "repair/patterns": "looks into the worktree, through its toolchain readers",
    "files/private.py": "the home and databases, out of a run's reach",
    "files/descriptors.py": "the one that does it, folder by folder",
    "files/removal.py": "the one that does it, where something is removed",
    "files/safe_files.py": "the one that does it",
    "store": "the database, and migrations",
    "model/boot.py": "the machine's boot id",
    "ledger/imports/importing.py": "files that the user names",
    "environments/setup_steps.py": "lists the interpreter's own folder",
    "toolchains": "bounded readers of the checkout",
    "process": "the machine's tables, and folders of programs, whose links it does not follow",
    "workspace": "git's folders, and removal through this module",
}
"""Modules that may, each with what it opens that is not of a run's folder."""


def openings(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in OPENING:
            owner = called.value
            named = owner.id if isinstance(owner, ast.Name) else ""
            if not named[:1].isupper() and named != "safe_files":
                found.add(called.attr)
        elif isinstance(called, ast.Name) and called.id in {"open", "rmtree"}:
            found.add(called.id)
    return found


def test_nothing_else_opens_what_lies_below_a_home() -> None:
    found = {
        file.relative_to(ROOT).as_posix(): sorted(names)
        for file in sorted(ROOT.rglob("*.py"))
        if (names := openings(file))
    }
    allowed = {name for name in found if any(name.startswith(one) for one in ELSEWHERE)}
    assert {name: found[name] for name in found if name not in allowed} == {}


def test_every_exception_is_still_needed() -> None:
    opening = [file.relative_to(ROOT).as_posix() for file in ROOT.rglob("*.py") if openings(file)]
    idle = [one for one in ELSEWHERE if not any(name.startswith(one) for name in opening)]
    assert idle == []
