"""Repositories of every kind: what is checked out and recorded again is the same, to the byte.

Each goes there and back three times: untouched, with every file looking new to git, and with one
file added. Nothing but that file may be in the branch, and nothing of the user's may change.
"""

import hashlib
import os
import subprocess

import pytest
from support.workspaces import snapshot

from autopack.workspace import Mirror, SourceRepository, Workspace

LATIN = b"caf\xe9.txt"


def attributes(*lines, user):
    """Add attributes in a commit of their own, so that older files are as they were."""
    user.write(".gitattributes", "".join(f"{line}\n" for line in lines))
    user.git("add", ".gitattributes")
    user.git("commit", "-qm", "attributes")


def raw(user, name, content):
    """Commit a file's bytes as they are, whatever attributes say."""
    place = user.path / os.fsdecode(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    made = subprocess.run(
        ["git", "hash-object", "-w", "--no-filters", "--stdin"],
        cwd=user.path, input=content, capture_output=True, check=True,
    )  # fmt: skip
    oid = made.stdout.decode().strip()
    entry = f"100644 {oid}\t".encode() + os.fsencode(name)
    subprocess.run(
        ["git", "update-index", "-z", "--index-info"],
        cwd=user.path,
        input=entry + b"\0",
        check=True,
    )
    user.git("commit", "-qm", "raw")


def old_line_ends(user):
    raw(user, "docs/old.txt", b"one\r\ntwo\r\n")
    attributes("* text eol=lf", user=user)


def mixed_line_ends(user):
    raw(user, "mixed.txt", b"one\r\ntwo\nthree\r")
    attributes("*.txt text=auto", "*.bat text eol=crlf", user=user)
    raw(user, "run.bat", b"@echo\n")
    raw(user, "old.bat", b"@echo\r\n")


def attributes_below(user):
    raw(user, "a/b/old.txt", b"one\r\n")
    user.write("a/.gitattributes", "[attr]lines text eol=lf\n*.txt lines\n")
    user.git("add", "a/.gitattributes")
    user.git("commit", "-qm", "below")


def other_encodings(user):
    raw(user, "wide.txt", "h\u00e9llo\n".encode())
    raw(user, "broken.txt", b"\xff\xfe\x00")
    attributes("wide.txt text working-tree-encoding=UTF-16", user=user)


def not_in_its_encoding(user):
    raw(user, "latin.txt", b"caf\xe9\n")
    attributes("latin.txt working-tree-encoding=UTF-16LE-BOM", user=user)


def keywords(user):
    raw(user, "id.c", b"/* $Id$ */\n/* $Id: 1234 $ */\n$Format:%H$\n")
    attributes("*.c ident export-subst", user=user)


def large_files_elsewhere(user):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    raw(user, "model.bin", pointer)
    raw(user, "old.bin", b"never migrated\x00")
    attributes("*.bin filter=lfs diff=lfs merge=lfs -text", user=user)
    for name in ("clean", "smudge", "process"):
        user.git("config", f"filter.lfs.{name}", "false")
    user.git("config", "filter.lfs.required", "true")


def odd_names(user):
    raw(user, LATIN, b"x")
    names = ["-dash", "[id]/page.tsx", "new\nline", "tab\t", 'quo"te', "back\\slash", "e\u0301.txt"]
    for name in [*names, "\u00e9.txt", " blank ", "README", "readme", "Readme"]:
        raw(user, name, b"x")


def links_and_modes(user):
    (user.path / "link").symlink_to("src")
    (user.path / "dangling").symlink_to("/nowhere/at all")
    user.write("empty", "")
    user.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    user.commit()


def tracked_but_ignored(user):
    user.write(".gitignore", "*.log\nbuild/\n!keep.log\n")
    for name in ("a.log", "build/x", "keep.log", "node_modules/m/index.js", "x.egg-info/PKG"):
        user.write(name, "x")
    user.git("add", "-Af")
    user.git("commit", "-qm", "ignored")


def line_ends_of_the_user(user):
    raw(user, "dos.txt", b"one\r\n")
    for setting, value in (("autocrlf", "true"), ("eol", "crlf"), ("safecrlf", "true")):
        user.git("config", f"core.{setting}", value)


def a_poor_file_system(user):
    links_and_modes(user)
    for name in ("symlinks", "filemode"):
        user.git("config", f"core.{name}", "false")
    for name in ("ignorecase", "precomposeunicode", "protectNTFS"):
        user.git("config", f"core.{name}", "true")


def attributes_of_the_user(user):
    raw(user, "dos.txt", b"one\r\n")
    (user.path / ".git/info/attributes").write_text("* text eol=lf filter=x\n", encoding="utf-8")
    user.git("config", "filter.x.clean", "false")


def sparse(user):
    user.write("a/x", "a")
    user.write("b/y", "b")
    user.commit()
    user.git("sparse-checkout", "set", "--cone", "a")


def index_of_another_kind(user):
    user.git("config", "index.version", "4")
    user.git("config", "core.untrackedCache", "true")
    user.git("update-index", "--split-index")
    user.git("update-index", "--skip-worktree", "readme.txt")
    user.git("update-index", "--assume-unchanged", "src/code.py")
    user.write("later.txt", "x")
    user.git("add", "-N", "later.txt")


def in_the_middle_of_a_rebase(user):
    user.git("checkout", "-qb", "x")
    user.write("readme.txt", "x")
    user.commit()
    user.git("checkout", "-q", "main")
    user.write("readme.txt", "y")
    user.commit()
    user.git("rebase", "x", check=False)
    assert (user.path / ".git/rebase-merge").is_dir()
    (user.path / ".git/index.lock").touch()
    (user.path / ".git/HEAD.lock").touch()


def packed(user):
    for number in range(3):
        user.git("tag", f"v{number}")
    user.git("branch", "other")
    user.git("pack-refs", "--all")
    user.git("gc", "-q")


def replaced(user):
    user.write("readme.txt", "second")
    user.commit()
    user.git("replace", "HEAD", "HEAD~1")


LAYOUTS = [
    old_line_ends, mixed_line_ends, attributes_below, other_encodings, not_in_its_encoding,
    keywords, large_files_elsewhere, odd_names, links_and_modes, tracked_but_ignored,
    line_ends_of_the_user,
    a_poor_file_system, attributes_of_the_user, sparse, index_of_another_kind,
    in_the_middle_of_a_rebase, packed, replaced,
]  # fmt: skip


def same_there_and_back(user, home, folder):
    source = SourceRepository.open(str(user.path))
    head = source.resolve(None)
    mirror = Mirror.open(home, source)
    mirror.ensure(head, "run-1")
    before = user.fingerprint()
    space = Workspace.create(mirror, folder, head)
    assert snapshot(space, head, 1).changes == ()
    for file in space.path.rglob("*"):
        if ".git" not in file.parts and not file.is_symlink():
            os.utime(file, ns=(1, 1))
    assert snapshot(space, head, 2).changes == ()
    (space.path / "added.txt").write_bytes(b"added\n")
    taken = snapshot(space, head, 3)
    assert [(change.path, change.status) for change in taken.changes] == [("added.txt", "A")]
    assert taken.refused == ()
    mirror.publish("run-1", taken.commit)
    compared = ("--no-replace-objects", "diff", "--name-status", head, "autopack/run-1")
    assert user.git(*compared) == "A\tadded.txt"
    assert user.fingerprint() == before


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_there_and_back_is_the_same(layout, user, tmp_path):
    layout(user)
    same_there_and_back(user, tmp_path / "h", tmp_path / "w")


def _shallow(origin, place, git):
    git(place.parent, "clone", "-q", "--depth=1", f"file://{origin}", str(place))


def _partial(origin, place, git):
    git(origin, "config", "uploadpack.allowFilter", "true")
    git(place.parent, "clone", "-q", "--filter=blob:none", f"file://{origin}", str(place))


def _partial_and_sparse(origin, place, git):
    git(origin, "config", "uploadpack.allowFilter", "true")
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(
        place.parent, "clone", "-q", "--filter=blob:none", "--sparse", f"file://{origin}",
        str(place),
    )  # fmt: skip


def _without_trees(origin, place, git):
    git(origin, "config", "uploadpack.allowFilter", "true")
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(place.parent, "clone", "-q", "--filter=tree:0", f"file://{origin}", str(place))


def _borrowing(origin, place, git):
    git(place.parent, "clone", "-q", "--shared", str(origin), str(place))


def _linked(origin, place, git):
    git(origin, "worktree", "add", "-q", "-b", "linked", str(place))


def _own_git_folder(origin, place, git):
    git(place.parent, "clone", "-q", f"--separate-git-dir={place}.git", str(origin), str(place))


@pytest.mark.parametrize(
    "clone",
    [_shallow, _partial, _partial_and_sparse, _without_trees, _borrowing, _linked, _own_git_folder],
)
def test_clones_of_every_kind_work(clone, user, as_repository, in_folder, tmp_path):
    user.write("src/more/deep.txt", "x")
    user.write("readme.txt", "second")
    user.commit()
    clone(user.path, tmp_path / "clone", in_folder)
    same_there_and_back(as_repository(tmp_path / "clone"), tmp_path / "h", tmp_path / "w")


@pytest.mark.parametrize("clone", [_shallow, _partial, _partial_and_sparse, _without_trees])
def test_a_little_change_of_a_large_file_comes_back(
    clone, user, as_repository, in_folder, tmp_path
):
    """git would send what differs from a file that the clone may not have."""
    lines = "\n".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(5000))
    user.write("src/more/deep.txt", lines)
    user.commit()
    clone(user.path, tmp_path / "clone", in_folder)
    cloned = as_repository(tmp_path / "clone")
    source = SourceRepository.open(str(cloned.path))
    head = source.resolve(None)
    mirror = Mirror.open(tmp_path / "h", source)
    mirror.ensure(head, "run-1")
    space = Workspace.create(mirror, tmp_path / "w", head)
    with (space.path / "src/more/deep.txt").open("a") as file:
        file.write("\nlast")
    mirror.publish("run-1", snapshot(space, head, 1).commit)
    assert cloned.git("show", "autopack/run-1:src/more/deep.txt").endswith("\nlast")


def test_sha256_works(make_repository, tmp_path):
    user = make_repository("modern", "--object-format=sha256")
    same_there_and_back(user, tmp_path / "h", tmp_path / "w")
