"""Where a run is pushed to: what names it, what is given there, and what is left alone."""

import pytest

from autopack.model.errors import BadInput, GitFailed
from autopack.model.ids import AttemptKey
from autopack.workspace import Mirror, SourceRepository
from autopack.workspace.remote import Remote, _renamed

BRANCH = "refs/heads/autopack/run-1"


@pytest.fixture
def bare(user, tmp_path):
    """A repository that the user's has as its remote."""
    path = tmp_path / "bare.git"
    user.git("clone", "--quiet", "--bare", str(user.path), str(path))
    user.git("remote", "add", "central", str(path))
    return path


@pytest.fixture
def remote(user, bare):
    return Remote.named("central", SourceRepository.open(str(user.path)))


@pytest.fixture
def result(workspace, mirror, base):
    """A commit that only the mirror has."""
    (workspace.path / "result.txt").write_text("done\n", encoding="utf-8")
    ref = mirror.attempt_ref(AttemptKey("run-1", "p", 1))
    return workspace.snapshot(parent=base, message="result", ref=ref).commit


@pytest.fixture
def refs(mirror, result):
    return {mirror.attempt_ref(AttemptKey("run-1", "p", 1)): result}


def listed(user, bare):
    lines = user.git("ls-remote", str(bare)).splitlines()
    return {ref: commit for commit, ref in (line.split("\t") for line in lines)}


def test_a_remotes_name_stands_for_its_address(remote, bare):
    assert (remote.name, remote.address) == ("central", str(bare))


def test_a_relative_address_starts_at_the_repository(user, bare):
    user.git("remote", "add", "near", "../bare.git")
    near = Remote.named("near", SourceRepository.open(str(user.path)))
    assert near.address == f"{user.path}/../bare.git"


@pytest.mark.parametrize(
    "name", ["nowhere", "", "--upload-pack=x", "https://me:secret@example.org/x.git"]
)
def test_what_names_no_remote_is_refused(user, bare, name):
    with pytest.raises(BadInput) as refused:
        Remote.named(name, SourceRepository.open(str(user.path)))
    assert refused.value.field == "push"
    assert "secret" not in refused.value.message


def test_checking_pushes_nothing(user, bare, remote, mirror, base):
    before = listed(user, bare)
    remote.check(mirror, base, "run-1")
    assert listed(user, bare) == before


def test_what_git_says_is_told_without_credentials(user, mirror, base):
    user.git("remote", "add", "secret", "http://me:p@hunter2@127.0.0.1:9/x.git")
    remote = Remote.named("secret", SourceRepository.open(str(user.path)))
    with pytest.raises(BadInput) as refused:
        remote.check(mirror, base, "run-1")
    assert "hunter2" not in refused.value.message
    assert "git push: " in refused.value.message


def test_base_attempts_and_branch_are_pushed_and_hooks_do_not_run(
    user, bare, remote, mirror, base, result, refs
):
    user.hook("pre-push", "touch ran")
    before = user.fingerprint()
    remote.push(mirror, "run-1", base, result, refs)
    found = listed(user, bare)
    assert found[BRANCH] == result
    assert found["refs/autopack/run-1/p/1"] == result
    assert found["refs/autopack-base/run-1"] == base
    assert user.fingerprint() == before


def test_a_branch_that_somebody_moved_is_left_alone_and_the_attempts_arrive(
    user, bare, remote, mirror, base, result, refs
):
    other = user.commit("somebody's")
    user.git("push", "--quiet", str(bare), f"{other}:{BRANCH}")
    with pytest.raises(GitFailed, match="somebody else"):
        remote.push(mirror, "run-1", base, result, refs)
    assert listed(user, bare)[BRANCH] == other
    assert listed(user, bare)["refs/autopack/run-1/p/1"] == result


def test_the_branch_moves_back_when_the_run_was_rolled_back(
    user, bare, remote, mirror, workspace, base, result, refs
):
    (workspace.path / "more.txt").write_text("x", encoding="utf-8")
    ref = mirror.attempt_ref(AttemptKey("run-1", "q", 1))
    more = workspace.snapshot(parent=result, message="more", ref=ref).commit
    remote.push(mirror, "run-1", base, more, refs | {ref: more})
    remote.push(mirror, "run-1", base, result, refs | {ref: more})
    assert listed(user, bare)[BRANCH] == result


@pytest.mark.parametrize("run_id", ["a", "auto", "autopack", "autopack-base", "run-1"])
@pytest.mark.parametrize("kind", ["autopack/{}/p/1", "autopack-base/{}"])
def test_a_ref_is_renamed_at_the_run_however_that_is_called(run_id, kind):
    ref, renamed = (f"refs/{kind.format(name)}" for name in (run_id, f"{run_id}@key"))
    assert _renamed(ref, f"{run_id}@key") == renamed


def test_another_machine_fetches_what_is_missing(
    bare, remote, mirror, base, result, refs, tmp_path, user
):
    remote.push(mirror, "run-1", base, result, refs)
    user.git("clone", "--quiet", str(bare), str(tmp_path / "clone"))
    source = SourceRepository.open(str(tmp_path / "clone"))
    other = Mirror.open(tmp_path / "other home", source)
    Remote.named("origin", source).fetch(other, "run-1", refs)
    assert other.read_ref("refs/autopack/run-1/p/1") == result
    assert other.has(base)
