"""The user's repository: what is refused, and that looking changes nothing."""

import os
from pathlib import Path

import pytest

from autopack.model.errors import RepositoryError
from autopack.workspace import SourceRepository


def _missing(tmp_path):
    return tmp_path / "nowhere"


def _a_file(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    return tmp_path / "file"


def _not_git(tmp_path):
    (tmp_path / "plain").mkdir()
    return tmp_path / "plain"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_missing, "does not exist"),
        (_a_file, "is a file"),
        (_not_git, "is not a git repository"),
        (lambda _: "", "is not the name of a repository"),
        (lambda _: "--upload-pack=evil", "is not the name of a repository"),  # an option to git
        (lambda p: f"file://{p}/nowhere", "cannot be read"),
        (lambda _: "https://me:secret@host.invalid/x.git", "holds a user name or a password"),
    ],
)
def test_a_location_that_cannot_be_used_is_refused(tmp_path, make, said):
    with pytest.raises(RepositoryError, match=said) as caught:
        SourceRepository.open(str(make(tmp_path)))
    assert caught.value.field == "repo"
    assert "secret" not in caught.value.message


def test_a_bare_repository_is_refused(tmp_path, in_folder):
    in_folder(tmp_path, "init", "-q", "--bare", "bare.git")
    with pytest.raises(RepositoryError, match="is a bare repository"):
        SourceRepository.open(str(tmp_path / "bare.git"))


def test_a_repository_without_commits_is_refused(tmp_path, in_folder):
    in_folder(tmp_path, "init", "-q", "fresh")
    with pytest.raises(RepositoryError, match="has no commits yet"):
        SourceRepository.open(str(tmp_path / "fresh"))


# HEAD on a branch without commits, in a folder and behind a URL
@pytest.mark.parametrize("location", ["{}", "file://{}"])
def test_a_branch_without_commits_leaves_the_others_to_be_named(user, base, location):
    user.git("checkout", "-q", "--orphan", "fresh")
    source = SourceRepository.open(location.format(user.path))
    assert source.resolve("main") == base
    assert source.resolve(base) == base
    with pytest.raises(RepositoryError, match="'HEAD' names no commit") as refused:
        source.resolve(None)
    assert refused.value.field == "commit"
    assert "a branch" in (refused.value.hint or "")


# what Python, and what git, ends a line at
@pytest.mark.parametrize("end", ["\r", "\v", "\u2028", "\x85"])
def test_a_path_may_have_what_is_no_line_break_to_git(make_repository, end):
    user = make_repository(f"a{end}b")
    assert SourceRepository.open(str(user.path)).location == str(user.path)


def test_a_path_with_a_line_break_is_refused(make_repository):
    with pytest.raises(RepositoryError, match="has a line break in its path") as refused:
        SourceRepository.open(str(make_repository("a\nb").path))
    assert refused.value.hint


def test_the_git_folder_itself_is_refused(user):
    with pytest.raises(RepositoryError, match=r"inside a \.git folder"):
        SourceRepository.open(str(user.path / ".git"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another owner")
def test_another_users_repository_is_refused_until_git_trusts_it(user, own_home):
    os.chown(user.path, 12345, 12345)
    os.chown(user.path / ".git", 12345, 12345)
    with pytest.raises(RepositoryError, match="belongs to another user") as caught:
        SourceRepository.open(str(user.path))
    assert "safe.directory" in (caught.value.hint or "")
    (own_home / ".gitconfig").write_text("[safe]\n\tdirectory = *\n", encoding="utf-8")
    assert SourceRepository.open(str(user.path)).location == str(user.path)


def test_a_subfolder_means_the_whole_checkout(user):
    assert SourceRepository.open(str(user.path / "src")) == SourceRepository.open(str(user.path))


def test_a_linked_worktree_is_a_checkout_of_its_own(user, tmp_path):
    user.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    linked = SourceRepository.open(str(tmp_path / "linked"))
    assert linked.location == str(tmp_path / "linked")
    assert linked.key != SourceRepository.open(str(user.path)).key


def test_keys_are_safe_names_and_tell_equal_basenames_apart(make_repository):
    first, second = make_repository("a/pröject x"), make_repository("b/pröject x")
    keys = {SourceRepository.open(str(one.path)).key for one in (first, second)}
    assert len(keys) == 2
    assert all(key.startswith("pr-ject-x-") for key in keys)


def test_revisions_resolve_to_commits(user, base):
    user.git("tag", "-a", "v1", "-m", "annotated")
    user.git("branch", "side")
    source = SourceRepository.open(str(user.path))
    # HEAD, a branch, an annotated tag (peeled), an abbreviation, a full id
    for rev in (None, "HEAD", "main", "side", "v1", base[:8], base):
        assert source.resolve(rev) == base


@pytest.mark.parametrize(
    "rev",
    [
        "nowhere",
        "",
        " ",
        "--output=x",  # an option
        "-n",
        "HEAD:readme.txt",  # a file
        "HEAD^{tree}",
        "main..main",  # a range
        "0" * 40,
        "main\nmain",
        "HEAD\0",
    ],
)
def test_what_names_no_commit_is_refused(user, rev):
    with pytest.raises(RepositoryError, match="names no commit") as caught:
        SourceRepository.open(str(user.path)).resolve(rev)
    assert caught.value.field == "commit"


def test_looking_for_changes_writes_nothing(user):
    source = SourceRepository.open(str(user.path))
    assert not source.is_dirty()
    os.utime(user.path / "readme.txt")  # git status would refresh the index for this
    before = user.fingerprint()
    assert not source.is_dirty()
    assert user.fingerprint() == before


@pytest.mark.parametrize("name", ["readme.txt", "new.txt"])
def test_changed_and_untracked_files_make_a_checkout_dirty(user, name):
    user.write(name, "changed\n")
    assert SourceRepository.open(str(user.path)).is_dirty()


@pytest.mark.parametrize("index", [b"garbage", b"", b"DIRC" + bytes(40)])
def test_whether_a_checkout_with_a_damaged_index_is_dirty_is_unknown(user, base, index):
    (user.path / ".git" / "index").write_bytes(index)
    source = SourceRepository.open(str(user.path))
    assert source.is_dirty() is not False
    assert source.resolve(None) == base


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ('[core]\n\tbroken = "x\n', "bad config line"),
        (
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tnosuch = true\n",
            "extension found: nosuch",
        ),
    ],
)
def test_what_git_cannot_read_is_told_in_its_own_words(user, added, said):
    with (user.path / ".git" / "config").open("a") as config:
        config.write(added)
    with pytest.raises(RepositoryError, match=f"cannot be read by git: .*{said}") as caught:
        SourceRepository.open(str(user.path))
    assert (caught.value.field, str(user.path) in (caught.value.hint or "")) == ("repo", True)
    assert "fatal" not in caught.value.message


def test_the_users_own_ignores_count_in_whether_it_is_dirty(user, own_home):
    (own_home / "ignore").write_text("notes.txt\n", encoding="utf-8")
    user.git("config", "core.excludesFile", str(own_home / "ignore"))
    user.write("notes.txt", "x")
    assert not SourceRepository.open(str(user.path)).is_dirty()


def test_the_current_branch_is_none_when_detached(user):
    source = SourceRepository.open(str(user.path))
    assert source.current_branch() == "main"
    user.git("checkout", "-q", "--detach")
    assert source.current_branch() is None


def test_a_branch_named_autopack_is_refused(user):
    source = SourceRepository.open(str(user.path))
    source.check_publishable()
    user.git("branch", "autopack")
    with pytest.raises(RepositoryError, match="branch named 'autopack'"):
        source.check_publishable()


def test_a_branch_below_autopack_is_fine(user):
    user.git("branch", "autopack/run-0")
    SourceRepository.open(str(user.path)).check_publishable()


def test_a_url_answers_what_a_folder_does(user, base):
    user.git("tag", "-a", "v1", "-m", "annotated")
    source = SourceRepository.open(f"file://{user.path}/")
    assert source.is_url
    assert [source.resolve(rev) for rev in (None, "main", "v1", base)] == [base] * 4
    assert source.current_branch() == "main"
    assert source.has_branch("main")
    assert not source.has_branch("mai")
    assert not source.is_dirty()
    with pytest.raises(RepositoryError, match="names no commit") as caught:
        source.resolve(base[:8])
    assert "full commit id" in (caught.value.hint or "")


def test_an_existing_folder_with_a_colon_is_not_a_url(make_repository):
    repository = make_repository("host:path")
    folder = Path.cwd()
    os.chdir(repository.path.parent)
    try:
        assert not SourceRepository.open("host:path").is_url
    finally:
        os.chdir(folder)


def test_looking_for_changes_runs_no_filter(user, tmp_path):
    user.write(".gitattributes", "*.txt filter=x\n*.py filter=x=y\n")
    user.commit()
    for name in ("x", "x=y"):
        user.git("config", f"filter.{name}.clean", f"touch '{tmp_path}/ran'; cat")
        user.git("config", f"filter.{name}.process", f"touch '{tmp_path}/ran'")
        user.git("config", f"filter.{name}.required", "true")
    source = SourceRepository.open(str(user.path))
    os.utime(user.path / "readme.txt", ns=(1, 1))
    os.utime(user.path / "src/code.py", ns=(1, 1))
    assert not source.is_dirty()
    user.write("src/code.py", "x = 2\n")
    assert source.is_dirty()
    assert not (tmp_path / "ran").exists()
