"""What would keep a run's results from being delivered is found before anything is paid for."""

import os
from pathlib import Path
from typing import Any

import pytest

from autopack.model.errors import AutopackError, BadInput, RepositoryError
from autopack.workspace import Mirror, SourceRepository
from autopack.workspace.remote import Remote
from autopack.workspace.user.room import check_room


def refs(user):
    return user.git("for-each-ref")


def _a_branch_of_that_name(user, tmp_path):
    user.git("branch", "autopack/run-1")


def _a_packed_branch_of_that_name(user, tmp_path):
    user.git("branch", "autopack/run-1")
    user.git("pack-refs", "--all", "--prune")


def _a_branch_above(user, tmp_path):
    user.git("branch", "autopack")


def _a_branch_below(user, tmp_path):
    user.git("branch", "autopack/run-1/x")


def _a_packed_branch_below(user, tmp_path):
    user.git("branch", "autopack/run-1/x/y")
    user.git("pack-refs", "--all", "--prune")


def _another_case_where_names_fold(user, tmp_path):
    user.git("branch", "autopack/RUN-1")
    user.git("config", "core.ignoreCase", "true")


def _a_worktree_that_waits_for_it(user, tmp_path):
    user.git("worktree", "add", "-q", "--detach", str(tmp_path / "review"))
    user_git = (tmp_path / "review" / ".git").read_text().strip().removeprefix("gitdir: ")
    Path(user_git, "HEAD").write_text("ref: refs/heads/autopack/run-1\n", encoding="utf-8")


def _a_branch_that_somebody_has_checked_out(user, tmp_path):
    user.git("worktree", "add", "-q", "-b", "autopack/run-1", str(tmp_path / "review"))


def _a_symbolic_name(user, tmp_path):
    user.git("symbolic-ref", "refs/heads/autopack/run-1", "refs/heads/main")


def _a_broken_ref(user, tmp_path):
    user.write(".git/refs/heads/autopack/run-1", "nonsense\n")


HINDRANCES = [
    _a_branch_of_that_name, _a_packed_branch_of_that_name, _a_branch_above, _a_branch_below,
    _a_packed_branch_below, _another_case_where_names_fold, _a_worktree_that_waits_for_it,
    _a_branch_that_somebody_has_checked_out, _a_symbolic_name, _a_broken_ref,
]  # fmt: skip


@pytest.mark.parametrize("hindrance", HINDRANCES, ids=lambda one: one.__name__)
def test_a_hindrance_here_is_named_and_left_alone(user, base, tmp_path, hindrance):
    hindrance(user, tmp_path)
    before = refs(user), user.fingerprint()
    with pytest.raises(RepositoryError, match="autopack") as caught:
        check_room(SourceRepository.open(str(user.path)), "run-1", base)
    assert caught.value.hint
    assert (refs(user), user.fingerprint()) == before


@pytest.mark.parametrize("ref", ["refs/tags/broken", "refs/heads/gone", "refs/notes/x"])
def test_a_ref_that_names_what_is_not_there_is_named(user, base, tmp_path, ref):
    path = user.path / ".git" / ref
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("1234567890" * 4 + "\n")
    with pytest.raises(RepositoryError, match=f"{ref} of .* names an object") as refused:
        check_room(SourceRepository.open(str(user.path)), "run-1", base)
    assert refused.value.field == "repo"


def test_other_branches_are_none(user, base):
    for name in ("autopack/run-10", "autopack/run", "autopack2", "x/autopack/run-1"):
        user.git("branch", name)
    user.git("tag", "autopack")
    before = refs(user), user.fingerprint()
    check_room(SourceRepository.open(str(user.path)), "run-1", base)
    assert (refs(user), user.fingerprint()) == before


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_repository_that_cannot_be_written_to_is_refused(unprivileged, user, base):
    folders = [user.path / ".git/objects", user.path / ".git/refs/heads"]
    look = (
        "from autopack.workspace.user.room import check_room\n"
        f"check_room(mirror.source, 'run-1', {base!r})"
    )
    assert unprivileged(look) == ""
    for folder in folders:
        folder.chmod(0o500)
        assert "cannot be given a branch" in unprivileged(look)
        folder.chmod(0o700)


@pytest.fixture
def server(tmp_path, in_folder):
    in_folder(tmp_path, "init", "-q", "--bare", "server.git")
    return tmp_path / "server.git"


def _push_there(user, server, name):
    user.git("push", "-q", str(server), f"HEAD:refs/heads/{name}")


def _hook(server, name, script):
    hook = server / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    hook.chmod(0o755)


THERE = {
    "a branch of that name": lambda user, server: _push_there(user, server, "autopack/run-1"),
    "a branch above": lambda user, server: _push_there(user, server, "autopack"),
    "a branch below": lambda user, server: _push_there(user, server, "autopack/run-1/x"),
    "a rule of a hook for each ref": lambda user, server: _hook(
        server, "update", "case $1 in refs/heads/autopack/*) exit 1;; esac"
    ),
    "a rule of a hook for all": lambda user, server: _hook(
        server, "pre-receive", "grep -q autopack && { echo not here; exit 1; }"
    ),
    "hidden refs": lambda user, server: (
        (server / "config").open("a").write("[receive]\n\thideRefs = refs/autopack-base\n")
    ),
}


RUN = {"run_id": "run-1", "name_here": "run-1"}


@pytest.mark.parametrize("hindrance", THERE.values(), ids=THERE.keys())
def test_a_hindrance_at_the_remote_is_named_and_left_alone(
    user, base, tmp_path, server, in_folder, hindrance
):
    hindrance(user, server)
    before = in_folder(server, "for-each-ref")
    source = SourceRepository.open(str(user.path))
    with pytest.raises(AutopackError) as caught:
        Remote.checked(str(server), source, base, home=tmp_path / "h", **RUN)  # pyright: ignore[reportArgumentType]
    assert (type(caught.value), caught.value.field) == (BadInput, "push")
    assert "autopack" in caught.value.message
    assert in_folder(server, "for-each-ref") == before


def test_a_remote_that_takes_it_is_left_as_it_is(user, base, tmp_path, server, in_folder):
    _push_there(user, server, "autopack/run-2")
    _hook(server, "post-receive", f"touch '{tmp_path}/ran'")
    before = in_folder(server, "for-each-ref")
    source = SourceRepository.open(str(user.path))
    Remote.checked(str(server), source, base, home=tmp_path / "h", **RUN)  # pyright: ignore[reportArgumentType]
    assert in_folder(server, "for-each-ref") == before
    assert not (tmp_path / "ran").exists()


def test_a_run_that_goes_on_may_find_its_own_branch(user, base, tmp_path, server):
    _push_there(user, server, "autopack/run-1")
    source = SourceRepository.open(str(user.path))
    there: dict[str, Any] = {"home": tmp_path / "h"} | RUN
    Remote.checked(str(server), source, base, **there, is_new=False)
    Mirror.open(tmp_path / "h", source)


def test_what_is_looked_at_first_carries_the_name_that_the_run_has_here(
    user, base, tmp_path, server
):
    source = SourceRepository.open(str(user.path))
    Remote.checked(
        str(server), source, base, home=tmp_path / "h", run_id="run-1", name_here="run-1@0123"
    )
    mirror = Mirror.open(tmp_path / "h", source)
    assert mirror.read_ref("refs/autopack-base/run-1@0123") == base
    assert mirror.read_ref("refs/autopack-base/run-1") is None
