"""Publishing a run's branch: the user's repository changes in that one ref only."""

import pytest

from autopack.model.errors import GitFailed, LeaseLost
from autopack.model.ids import AttemptKey
from autopack.workspace import Mirror, SourceRepository
from autopack.workspace.fence import Fence


@pytest.fixture
def result(workspace, mirror, base):
    """A commit that only the mirror has."""
    (workspace.path / "result.txt").write_text("done\n", encoding="utf-8")
    ref = mirror.attempt_ref(AttemptKey("run-1", "p", 1))
    return workspace.snapshot(parent=base, message="result", ref=ref).commit


@pytest.fixture
def second(workspace, mirror, result):
    (workspace.path / "second.txt").write_text("done\n", encoding="utf-8")
    ref = mirror.attempt_ref(AttemptKey("run-1", "p", 2))
    return workspace.snapshot(parent=result, message="second", ref=ref).commit


def test_the_branch_arrives_with_its_objects(user, mirror, result):
    mirror.publish("run-1", result)
    assert user.git("show", "autopack/run-1:result.txt") == "done"
    user.git("fsck", "--connectivity-only")


def test_nothing_else_of_the_users_repository_changes(user, mirror, result, second):
    user.write("readme.txt", "being edited\n")
    user.git("stash")
    user.write("staged.txt", "x")
    user.git("add", "staged.txt")
    user.write("src/code.py", "not staged\n")
    user.git("config", "fetch.prune", "true")
    user.git("config", "core.logAllRefUpdates", "always")
    before = user.fingerprint()
    mirror.publish("run-1", result)
    mirror.publish("run-1", second)
    assert user.fingerprint() == before
    assert user.git("rev-parse", "autopack/run-1") == second
    assert user.git("stash", "list") != ""


@pytest.mark.parametrize("hook", ["reference-transaction", "post-checkout", "post-update"])
def test_the_users_hooks_do_not_run(user, mirror, result, hook, tmp_path):
    user.hook(hook, f"touch '{tmp_path}/ran'; exit 1")
    mirror.publish("run-1", result)
    assert not (tmp_path / "ran").exists()


def test_the_branch_follows_the_run(user, mirror, result, second):
    mirror.publish("run-1", result)
    mirror.publish("run-1", second)
    assert user.git("rev-parse", "autopack/run-1") == second


def test_the_branch_never_goes_back(user, mirror, result, second):
    mirror.publish("run-1", second)
    with pytest.raises(GitFailed, match=r"was given .* already"):
        mirror.publish("run-1", result)
    assert user.git("rev-parse", "autopack/run-1") == second
    user.git("branch", "-D", "autopack/run-1")
    with pytest.raises(GitFailed, match=r"was given .* already"):
        mirror.publish("run-1", result)


def test_what_may_not_be_delivered_any_more_changes_no_ref(user, mirror, result, second):
    def refuse(run_id, commit, act):
        raise LeaseLost(f"{run_id} was taken over")

    mirror.publish("run-1", result)
    before = mirror.git.run("for-each-ref")
    with pytest.raises(LeaseLost):
        mirror.fenced(Fence(deliver=refuse)).publish("run-1", second)
    assert user.git("rev-parse", "autopack/run-1") == result
    assert mirror.git.run("for-each-ref") == before


def test_a_branch_the_user_moved_is_left_alone(user, base, mirror, result, second):
    mirror.publish("run-1", result)
    user.git("branch", "-f", "autopack/run-1", base)
    with pytest.raises(GitFailed, match=r"moved to .* by somebody else") as caught:
        mirror.publish("run-1", second)
    assert second in (caught.value.hint or "")
    assert user.git("rev-parse", "autopack/run-1") == base


def test_a_branch_of_that_name_that_is_not_ours_is_left_alone(user, base, mirror, result):
    user.git("branch", "autopack/run-1")
    with pytest.raises(GitFailed, match="by somebody else"):
        mirror.publish("run-1", result)
    assert user.git("rev-parse", "autopack/run-1") == base


def test_a_branch_the_user_deleted_comes_back(user, mirror, result, second):
    mirror.publish("run-1", result)
    user.git("branch", "-D", "autopack/run-1")
    mirror.publish("run-1", second)
    assert user.git("rev-parse", "autopack/run-1") == second


def test_a_branch_that_is_checked_out_is_left_alone(user, mirror, result, second, tmp_path):
    mirror.publish("run-1", result)
    user.git("worktree", "add", "-q", str(tmp_path / "review"), "autopack/run-1")
    with pytest.raises(GitFailed, match=r"is checked out in .*review"):
        mirror.publish("run-1", second)
    assert user.git("rev-parse", "autopack/run-1") == result


def test_a_crash_between_the_two_repositories_is_recovered(user, mirror, result, second):
    mirror.publish("run-1", result)
    # What a crash leaves after the user's ref moved and before the mirror noted it.
    mirror.git.run("update-ref", "refs/autopack-publishing/run-1", second)
    user.git("fetch", "-q", str(mirror.git_dir), second)
    user.git("update-ref", "refs/heads/autopack/run-1", second)
    mirror.publish("run-1", second)
    assert mirror.read_ref("refs/autopack-published/run-1") == second
    assert mirror.read_ref("refs/autopack-publishing/run-1") is None


def test_a_url_is_not_pushed_to(user, base, tmp_path, in_folder):
    in_folder(tmp_path, "clone", "-q", "--bare", str(user.path), "server.git")
    server = tmp_path / "server.git"
    mirror = Mirror.open(tmp_path / "h", SourceRepository.open(f"file://{server}"))
    mirror.ensure(base, "run-1")
    mirror.publish("run-1", base)
    assert in_folder(server, "branch", "--list", "autopack/*") == ""
