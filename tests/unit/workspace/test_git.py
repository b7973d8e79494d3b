"""Starting git: what it sees of the caller's world, and how it fails."""

import os
import threading
import time
from pathlib import Path

import pytest

from autopack.model.errors import BadInput, GitFailed
from autopack.workspace.git import Git, clean_environment


def test_the_callers_git_variables_do_not_decide(user, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert Git(folder=user.path).run("rev-parse", "--show-toplevel").strip() == str(user.path)


@pytest.mark.parametrize(
    ("name", "kept_as_user"),
    [
        ("GIT_DIR", False),  # says which repository: ours to say
        ("GIT_OBJECT_DIRECTORY", False),
        ("GIT_NAMESPACE", False),
        ("GIT_TRACE", False),  # would mix into what is read
        ("GIT_SSH_COMMAND", True),  # how the user reaches the server
        ("GIT_SSL_CAINFO", True),
        ("GIT_CONFIG_KEY_0", True),  # where build servers put credentials
    ],
)
def test_only_what_reaches_a_server_is_kept(name, kept_as_user):
    environ = {name: "x", "PATH": "/bin"}
    assert name not in clean_environment(environ, as_user=False)
    assert (name in clean_environment(environ, as_user=True)) is kept_as_user
    assert clean_environment(environ, as_user=False)["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTHROPIC_API_KEY", "x"),
        ("PREFECT_API_AUTH_STRING", "autopack:x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("GITHUB_TOKEN", "x"),
        ("MIRROR", "https://user:x@example.com/"),  # by its value
    ],
)
def test_secrets_are_for_git_as_the_user_alone(name, value):
    assert name not in clean_environment({name: value}, as_user=False)
    assert name in clean_environment({name: value}, as_user=True)


@pytest.mark.parametrize("count", ["abc", "-1", "1.5", " ", "²", "9" * 5_000])
def test_a_count_of_settings_that_is_none_is_refused_by_its_name(user, monkeypatch, count):
    monkeypatch.setenv("GIT_CONFIG_COUNT", count)
    with pytest.raises(BadInput, match="GIT_CONFIG_COUNT is") as refused:
        Git(folder=user.path, as_user=True).run("status")
    assert refused.value.field == "GIT_CONFIG_COUNT"


# none, and as many as there are: ours come after them
@pytest.mark.parametrize("count", ["", "0", "1", "01"])
def test_the_users_settings_are_kept_beside_ours(user, monkeypatch, count):
    monkeypatch.setenv("GIT_CONFIG_COUNT", count)
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.theirs")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "x")
    git = Git(folder=user.path, as_user=True, settings=(("user.ours", "y"),))
    assert git.run("config", "user.ours").strip() == "y"
    assert git.run("config", "user.theirs", check=False).strip() == (
        "x" if count[-1:] == "1" else ""
    )


def test_a_failure_carries_gits_words(user):
    with pytest.raises(GitFailed, match=r"git checkout: .*no-such-branch"):
        Git(folder=user.path).run("checkout", "no-such-branch")


def test_an_unchecked_failure_gives_what_was_printed(user):
    assert Git(folder=user.path).run("config", "no.such", check=False) == ""


def test_a_missing_git_is_said_so(user, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitFailed, match="cannot be started") as caught:
        Git(folder=user.path).run("status")
    assert "install git" in (caught.value.hint or "")


def test_a_missing_folder_is_not_a_missing_git(tmp_path):
    with pytest.raises(GitFailed, match="nowhere does not exist"):
        Git(folder=tmp_path / "nowhere").run("status")


def test_a_command_that_hangs_is_given_up(user):
    with pytest.raises(GitFailed, match="did not end within"):
        Git(folder=user.path).run("-c", "alias.hang=!sleep 5", "hang", timeout=0.1)


def test_a_lock_of_another_git_is_waited_for(user, base):
    lock = user.path / ".git/refs/heads/new.lock"
    lock.touch()
    timer = threading.Timer(0.2, lock.unlink)
    timer.start()
    Git(git_dir=user.path / ".git").run("update-ref", "refs/heads/new", base)
    timer.join()


def test_a_lost_compare_and_swap_is_not_tried_again(user, base):
    started = time.monotonic()
    with pytest.raises(GitFailed, match="but expected"):
        Git(git_dir=user.path / ".git").run("update-ref", "refs/heads/main", base, "1" * 40)
    assert time.monotonic() - started < 1


def test_a_lock_left_by_a_killed_git_is_removed(user, base):
    lock = user.path / ".git/refs/heads/new.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    git = Git(git_dir=user.path / ".git")
    git.run("update-ref", "refs/heads/new", base)
    assert git.run("rev-parse", "new").strip() == base


def test_the_head_of_a_long_output_is_cut(user):
    user.write("long.txt", "line\n" * 100_000)
    user.commit()
    git = Git(folder=user.path)
    assert git.head("show", "HEAD:long.txt", max_bytes=10) == (b"line\nline\n", True)
    assert git.head("show", "HEAD:readme.txt", max_bytes=10) == (b"hello\n", False)


def test_the_head_of_a_failing_command_is_an_error(user):
    with pytest.raises(GitFailed, match="no-such"):
        Git(folder=user.path).head("show", "HEAD:no-such", max_bytes=10)


def test_paths_that_are_not_utf8_come_back_usable(user):
    name = os.fsdecode(b"caf\xe9.txt")
    Path(user.path, name).write_text("x", encoding="utf-8")
    listed = Git(folder=user.path).run("ls-files", "-z", "--others")
    assert Path(user.path, listed.rstrip("\0")).read_text(encoding="utf-8") == "x"
