"""Submodules: filled from the user's own clones, which stay as they are."""

import shutil

import pytest

from autopack.errors import GitFailed
from autopack.workspace import GITLINK, Mirror, SourceRepository, Workspace
from autopack.workspace.submodules import absolute_url


@pytest.fixture(scope="session")
def submodule_template(tmp_path_factory, template, in_folder):
    """``project`` with the submodule ``lib ü``, which has one of its own; both live in ``up``."""
    folder = tmp_path_factory.mktemp("submodules")
    for name in ("up/inner", "up/library", "project"):
        shutil.copytree(template, folder / name)
    submodule = ("-c", "protocol.file.allow=always", "submodule", "--quiet")
    in_folder(folder / "up/library", *submodule, "add", "../inner", "deep")
    in_folder(folder / "up/library", "commit", "-qm", "with inner")
    in_folder(folder / "project", *submodule, "add", "../up/library", "lib ü")
    in_folder(folder / "project", *submodule, "update", "--init", "--recursive")
    in_folder(folder / "project", "commit", "-qm", "with library")
    return folder


@pytest.fixture
def with_submodule(submodule_template, tmp_path, as_repository):
    shutil.copytree(submodule_template, tmp_path, dirs_exist_ok=True, symlinks=True)
    return as_repository(tmp_path / "project")


@pytest.fixture
def space(with_submodule, open_mirror, tmp_path):
    head = with_submodule.git("rev-parse", "HEAD")
    return Workspace.create(open_mirror(with_submodule), tmp_path / "w", head)


def snapshot(space, parent):
    return space.snapshot(parent=parent, message="x", ref="refs/autopack/run-1/p/1")


def test_submodules_are_there_and_clean(space, in_folder):
    assert (space.path / "lib ü/readme.txt").exists()
    assert (space.path / "lib ü/deep/readme.txt").exists()
    assert in_folder(space.path, "status", "--porcelain") == ""


def test_they_come_from_the_users_clones_when_the_origin_is_gone(
    with_submodule, open_mirror, tmp_path
):
    shutil.rmtree(tmp_path / "up")
    head = with_submodule.git("rev-parse", "HEAD")
    before = with_submodule.fingerprint()
    space = Workspace.create(open_mirror(with_submodule), tmp_path / "w", head)
    assert (space.path / "lib ü/deep/readme.txt").exists()
    assert with_submodule.fingerprint() == before


def test_an_agent_cannot_push_into_the_users_clones(space, with_submodule, in_folder, tmp_path):
    before = with_submodule.fingerprint()
    for folder in ("lib ü", "lib ü/deep"):
        assert in_folder(space.path / folder, "config", "remote.origin.url").startswith(
            str(tmp_path / "up")
        )
        in_folder(space.path / folder, "push", "origin", "HEAD:refs/heads/x", check=False)
    assert with_submodule.fingerprint() == before


def test_they_come_from_their_urls_when_the_user_has_no_clones(with_submodule, tmp_path):
    source = SourceRepository.open(f"file://{with_submodule.path}")
    mirror = Mirror.open(tmp_path / "h", source)
    head = source.resolve(None)
    mirror.ensure(head, "run-1")
    space = Workspace.create(mirror, tmp_path / "w", head)
    assert (space.path / "lib ü/deep/readme.txt").exists()


def test_a_commit_the_users_clone_lacks_comes_from_the_url(
    with_submodule, open_mirror, tmp_path, in_folder
):
    (tmp_path / "up/library/newer.txt").write_text("x", encoding="utf-8")
    in_folder(tmp_path / "up/library", "add", "-A")
    in_folder(tmp_path / "up/library", "commit", "-qm", "newer")
    newer = in_folder(tmp_path / "up/library", "rev-parse", "HEAD")
    with_submodule.git("update-index", "--cacheinfo", f"{GITLINK},{newer},lib ü")
    with_submodule.git("commit", "-qm", "bump")
    head = with_submodule.git("rev-parse", "HEAD")
    space = Workspace.create(open_mirror(with_submodule), tmp_path / "w", head)
    assert (space.path / "lib ü/newer.txt").exists()


def test_a_submodule_that_is_nowhere_is_named(with_submodule, open_mirror, tmp_path):
    shutil.rmtree(tmp_path / "up")
    with_submodule.git("submodule", "deinit", "--force", "--all")
    shutil.rmtree(with_submodule.path / ".git/modules")
    head = with_submodule.git("rev-parse", "HEAD")
    with pytest.raises(GitFailed, match="submodule lib ü cannot be checked out"):
        Workspace.create(open_mirror(with_submodule), tmp_path / "w", head)


def test_a_reset_restores_them(space, with_submodule, in_folder):
    head = with_submodule.git("rev-parse", "HEAD")
    (space.path / "lib ü/readme.txt").write_text("edited\n", encoding="utf-8")
    (space.path / "lib ü/new.txt").write_text("x", encoding="utf-8")
    shutil.rmtree(space.path / "lib ü/deep")
    space.reset(head)
    assert in_folder(space.path, "status", "--porcelain") == ""
    assert not (space.path / "lib ü/new.txt").exists()
    assert (space.path / "lib ü/deep/readme.txt").exists()


def test_untouched_submodules_are_no_change(space, with_submodule):
    (space.path / "lib ü/__pycache__").mkdir()
    (space.path / "lib ü/__pycache__/x.pyc").write_text("x", encoding="utf-8")
    assert snapshot(space, with_submodule.git("rev-parse", "HEAD")).changes == ()


def _edit(folder, git):
    (folder / "readme.txt").write_text("edited\n", encoding="utf-8")


def _add(folder, git):
    (folder / "new.txt").write_text("x", encoding="utf-8")


def _commit(folder, git):
    git(folder, "commit", "-q", "--allow-empty", "-m", "by the agent")


def _lose_its_repository(folder, git):
    (folder / ".git").unlink()


@pytest.mark.parametrize("deed", [_edit, _add, _commit, _lose_its_repository])
def test_work_in_a_submodule_is_reported_as_what_cannot_be_recorded(
    space, with_submodule, in_folder, deed
):
    head = with_submodule.git("rev-parse", "HEAD")
    deed(space.path / "lib ü", in_folder)
    taken = snapshot(space, head)
    (change,) = taken.changes
    assert (change.path, change.status, change.mode) == ("lib ü", "A", GITLINK)
    assert "readme.txt" in space.mirror.paths(change.oid)
    assert space.mirror.changed_paths(head, taken.commit) == taken.changes
    space.reset(head)
    assert snapshot(space, head).changes == ()


def test_moving_a_submodule_to_a_commit_of_its_origin_is_a_change(space, with_submodule, in_folder):
    in_folder(space.path / "lib ü", "checkout", "-q", "HEAD~1")
    shutil.rmtree(space.path / "lib ü/deep")  # which git leaves behind
    (change,) = snapshot(space, with_submodule.git("rev-parse", "HEAD")).changes
    assert (change.path, change.status, change.mode) == ("lib ü", "M", GITLINK)


@pytest.mark.parametrize(
    ("url", "base", "absolute"),
    [
        ("https://h/x.git", "https://h/y.git", "https://h/x.git"),  # absolute already
        ("../x.git", "https://h/a/y.git", "https://h/a/x.git"),
        ("../../x.git", "https://h/a/y.git/", "https://h/x.git"),
        ("./x.git", "https://h/a/y.git", "https://h/a/y.git/x.git"),
        ("../x.git", "git@h:y.git", "git@h:x.git"),  # scp-like, at its root
        ("../x.git", "git@h:a/y.git", "git@h:a/x.git"),
        ("../x", "/srv/y", "/srv/x"),
    ],
)
def test_relative_urls_start_at_the_origin(url, base, absolute):
    assert absolute_url(url, base) == absolute
