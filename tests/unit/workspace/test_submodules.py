"""Submodules: filled from the user's own clones, which stay as they are."""

import os
import shutil

import pytest

from autopack.workspace import GITLINK, Mirror, SourceRepository, Workspace
from autopack.workspace.content.submodules import absolute_url


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


@pytest.mark.parametrize("login", ["t0ken-canary", "me:t0ken-canary", "me:t0ken@canary"])
def test_a_login_of_the_users_origin_is_not_told(
    with_submodule, open_mirror, tmp_path, in_folder, login
):
    with_submodule.git("config", "remote.origin.url", f"https://{login}@host.invalid/a/project")
    head = with_submodule.git("rev-parse", "HEAD")
    space = Workspace.create(open_mirror(with_submodule), tmp_path / "w", head)
    told = in_folder(space.path / "lib ü", "config", "remote.origin.url").strip()
    assert told == "https://host.invalid/a/up/library"
    kept = [*tmp_path.glob("w/**/config"), *tmp_path.glob("home*/**/config")]
    assert not [path for path in kept if b"canary" in path.read_bytes()]


def test_an_agent_cannot_push_into_the_users_clones(space, with_submodule, in_folder, tmp_path):
    before = with_submodule.fingerprint()
    for folder in ("lib ü", "lib ü/deep"):
        assert in_folder(space.path / folder, "config", "remote.origin.url").startswith(
            str(tmp_path / "up")
        )
        in_folder(space.path / folder, "push", "origin", "HEAD:refs/heads/x", check=False)
    assert with_submodule.fingerprint() == before


def test_they_come_from_their_urls_when_the_user_has_no_clones(with_submodule, tmp_path, own_home):
    (own_home / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n', "utf-8")
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
    with_submodule.git("config", "submodule.lib ü.url", str(tmp_path / "up/library"))
    head = with_submodule.git("rev-parse", "HEAD")
    space = Workspace.create(open_mirror(with_submodule), tmp_path / "w", head)
    assert (space.path / "lib ü/newer.txt").exists()


def test_one_that_nobody_can_fetch_is_an_empty_folder_and_named(
    with_submodule, open_mirror, tmp_path
):
    shutil.rmtree(tmp_path / "up")
    with_submodule.git("submodule", "deinit", "--force", "--all")
    shutil.rmtree(with_submodule.path / ".git/modules")
    head = with_submodule.git("rev-parse", "HEAD")
    space = Workspace.create(open_mirror(with_submodule), tmp_path / "w", head)
    assert list((space.path / "lib ü").iterdir()) == []
    assert "up/library" in space.missing_submodules["lib ü"]
    (space.path / "readme.txt").write_text("changed\n", encoding="utf-8")
    assert [change.path for change in snapshot(space, head).changes] == ["readme.txt"]


HOSTILE = {
    "a folder of this machine": ("x", "{private}"),
    "the same as a URL": ("x", "file://{private}"),
    "a name that is a path": ("{private}/.git", "https://127.0.0.1:1/x"),
    "a name that climbs": ("../../../private/.git", "https://127.0.0.1:1/x"),
    "a program": ("x", "ext::sh -c touch% {private}/ran"),
    "an option": ("x", "-u./payload"),
    "a proxy command": ("x", "ssh://-oProxyCommand=touch%20{private}/ran/x"),
}


@pytest.mark.parametrize(("name", "url"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_one_reads_no_repository_that_the_user_did_not_name(
    name, url, user, template, tmp_path, open_mirror, in_folder
):
    private = tmp_path / "private"
    shutil.copytree(template, private)
    url, name = url.format(private=private), name.format(private=private)
    user.write(".gitmodules", f'[submodule "{name}"]\n\tpath = sub\n\turl = {url}\n')
    user.git("add", ".gitmodules")
    (private / "secret.txt").write_text("x", encoding="utf-8")
    in_folder(private, "add", "-A")
    in_folder(private, "commit", "-qm", "secret")
    private_head = in_folder(private, "rev-parse", "HEAD")
    user.git("update-index", "--add", "--cacheinfo", f"{GITLINK},{private_head},sub")
    user.git("commit", "-qm", "sub")
    head = user.git("rev-parse", "HEAD")
    space = Workspace.create(open_mirror(user), tmp_path / "w", head)
    assert list((space.path / "sub").iterdir()) == []
    assert not (private / "ran").exists()


def test_a_reset_restores_them(space, with_submodule, in_folder):
    head = with_submodule.git("rev-parse", "HEAD")
    (space.path / "lib ü/readme.txt").write_text("edited\n", encoding="utf-8")
    (space.path / "lib ü/new.txt").write_text("x", encoding="utf-8")
    rules = {".gitattributes": "* text eol=crlf\n", ".gitignore": "*\n"}
    for name, text in rules.items():
        (space.path / "lib ü/src" / name).write_text(text, encoding="utf-8")
    code = space.path / "lib ü/src/code.py"
    before = code.read_bytes()
    code.write_text("x = 2\n", encoding="utf-8")
    shutil.rmtree(space.path / "lib ü/deep")
    space.reset(head)
    assert in_folder(space.path, "status", "--porcelain") == ""
    assert not (space.path / "lib ü/new.txt").exists()
    assert not [name for name in rules if (space.path / "lib ü/src" / name).exists()]
    assert code.read_bytes() == before
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
    _edit(folder, git)
    git(folder, "commit", "-qam", "by the agent")


def _lose_its_repository(folder, git):
    _edit(folder, git)
    shutil.rmtree(folder / ".git")


def _lose_the_inner_one(folder, git):
    shutil.rmtree(folder / "deep" / ".git")
    _edit(folder / "deep", git)


@pytest.mark.parametrize("deed", [_edit, _add, _commit, _lose_its_repository, _lose_the_inner_one])
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


def _configure_programs(folder, git):
    shutil.rmtree(folder / ".git")
    git(folder, "init", "-q")
    for setting in ("filter.x.clean", "core.fsmonitor", "diff.external", "filter.x.process"):
        git(folder, "config", setting, f"touch '{folder.parent.parent}/ran'; cat")
    git(folder, "config", "core.worktree", "/")
    (folder / ".git/info").mkdir(exist_ok=True)
    (folder / ".git/info/attributes").write_text("* filter=x\n", encoding="utf-8")


def _leave_pipes(folder, git):
    for name in ("HEAD", "config", "index", "commondir"):
        (folder / ".git" / name).unlink(missing_ok=True)
        os.mkfifo(folder / ".git" / name)
    os.mkfifo(folder / ".gitattributes")


def _link_its_repository(folder, git):
    shutil.rmtree(folder / ".git")
    (folder / ".git").symlink_to(folder.parent / ".git")


@pytest.mark.parametrize("deed", [_configure_programs, _leave_pipes, _link_its_repository])
def test_what_an_agent_makes_of_its_repository_is_never_git_s_business(
    space, with_submodule, in_folder, tmp_path, deed
):
    head = with_submodule.git("rev-parse", "HEAD")
    folder = space.path / "lib ü"
    deed(folder, in_folder)
    changed = folder / "readme.txt"
    os.utime(changed, ns=(1, 1))
    assert snapshot(space, head).changes == ()
    assert not (tmp_path / "ran").exists()
    space.reset(head)
    assert in_folder(space.path, "status", "--porcelain") == ""


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
