"""What an agent may leave that no commit can hold: it is named, and the rest is recorded."""

import base64
import json
import os

import pytest
from support.workspaces import FIRST, content

from autopack.model.ids import AttemptKey
from autopack.secrecy.redaction import Redactor
from autopack.workspace import Workspace
from autopack.workspace.content import embedded, staging
from autopack.workspace.content.staging import Bounds


def record(workspace, parent, bounds=None):
    ref = workspace.mirror.attempt_ref(AttemptKey("run-1", "p", 1))
    return workspace.snapshot(parent=parent, message="x", ref=ref, bounds=bounds)


def make(folder, name, text="x"):
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")


def _a_git_folder_in_capitals(folder, git):
    make(folder, ".GIT/config")
    make(folder, "src/.Git/hooks/x")


def _a_name_that_windows_reads_as_git(folder, git):
    make(folder, "git~1/config")


def _submodules_by_a_link(folder, git):
    (folder / ".gitmodules").symlink_to("readme.txt")


def _a_large_file(folder, git):
    with (folder / "large.bin").open("wb") as file:
        file.truncate(2_000_000)


def _many_bytes(folder, git):
    for number in range(4):
        make(folder, f"part{number}", "x" * 900_000)


def _an_encoding_that_is_not_kept_to(folder, git):
    (folder / "wide.txt").write_bytes(b"\xff\xfe\x00")
    make(folder, ".gitattributes", "wide.txt text working-tree-encoding=UTF-16LE-BOM\n")
    make(folder, "wide2.txt")
    make(folder, ".gitattributes", "wide*.txt text working-tree-encoding=UTF-16LE-BOM\n")


def _names_like_trouble_of_the_machine(folder, git):
    make(folder, "No space left on device/.GIT/x")
    make(folder, "Input/output error/.GIT/x")


REFUSED = {
    _a_git_folder_in_capitals: {".GIT/config", "src/.Git/hooks/x"},
    _a_name_that_windows_reads_as_git: {"git~1/config"},
    _submodules_by_a_link: {".gitmodules"},
    _a_large_file: {"large.bin"},
    _names_like_trouble_of_the_machine: {
        "No space left on device/.GIT/x",
        "Input/output error/.GIT/x",
    },
    _many_bytes: {"part0"},
    _an_encoding_that_is_not_kept_to: {"wide.txt", "wide2.txt"},
}


@pytest.mark.parametrize("deed", REFUSED, ids=lambda deed: deed.__name__)
def test_it_is_named_and_the_rest_recorded(workspace, base, in_folder, deed):
    deed(workspace.path, in_folder)
    make(workspace.path, "src/code.py", "x = 2\n")
    taken = record(workspace, base, Bounds(file=1_000_000, total=3_000_000))
    assert {one.path for one in taken.refused} == REFUSED[deed]
    assert all(one.reason for one in taken.refused)
    assert "src/code.py" in {change.path for change in taken.changes}
    assert not {change.path for change in taken.changes} & REFUSED[deed]
    workspace.reset(base)
    assert content(workspace.path) == FIRST


def _pipes(folder, git):
    for name in ("pipe", ".gitignore2", "src/.gitignore", ".gitattributes", "src/.git"):
        os.mkfifo(folder / name)


def _pipes_in_a_repository(folder, git):
    make(folder, "inner/file")
    make(folder, "inner/.git/objects/x")
    for name in ("HEAD", "commondir", "config"):
        os.mkfifo(folder / "inner/.git" / name)


def _a_link_to_the_users_repository(folder, git):
    make(folder, "inner/file")
    (folder / "inner/.git").symlink_to(folder / ".git")


def _far_down(folder, git):
    """Deeper than a path can be."""
    here = os.open(folder, os.O_RDONLY)
    name = "down" * 50
    for _ in range(30):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def _how_files_are_written(folder, git):
    make(folder, ".gitattributes", "* text eol=crlf\n")
    make(folder, "src/.gitattributes", "* working-tree-encoding=UTF-16\n")
    (folder / "src/code.py").write_bytes("x = 3\n".encode("utf-16"))
    make(folder, "readme.txt", "changed\r\n")


def _what_ignores_itself(folder, git):
    make(folder, "src/.gitignore", "*\n")
    make(folder, "src/left.py")


def _odd_names(folder, git):
    for name in ("a\nb", "a'b", 'a"b', "-x", ":(exclude)readme.txt", "*", "a\\b", "x ", "e" * 250):
        make(folder, name)
    (folder / os.fsdecode(b"\xff\xfe")).touch()


def _links_anywhere(folder, git):
    for name, to in {
        "loop": "loop",
        "abs": "/etc/passwd",
        "up": "../../..",
        "z": "x" * 4000,
    }.items():
        (folder / name).symlink_to(to)
    for name in (".gitattributes", "src/.gitignore"):
        (folder / name).symlink_to("/dev/zero")


def _git_folders_that_lead_elsewhere(folder, git):
    make(folder, "one/.git", "gitdir: /etc\n")
    make(folder, "two/.git", "gitdir: ../.git\n")
    make(folder, "three/.git/HEAD", "ref: refs/heads/../../../../etc/passwd\n")
    for name in ("one/x", "two/x", "three/x"):
        make(folder, name)
    make(folder / ".git", "objects/info/alternates", "/root/x\n")
    make(folder / ".git", "commondir", "/etc")
    make(folder / ".git", "shallow", "0" * 40)


def _submodules_that_run_programs(folder, git):
    orders = "path = -x\nurl = ext::touch ran\nupdate = !touch ran\n"
    make(folder, ".gitmodules", f'[submodule "../x"]\n{orders}[submodule "y"]\n{orders}')
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},y")


HARMLESS = [
    _pipes,
    _pipes_in_a_repository,
    _a_link_to_the_users_repository,
    _far_down,
    _how_files_are_written,
    _what_ignores_itself,
    _odd_names,
    _links_anywhere,
    _git_folders_that_lead_elsewhere,
    _submodules_that_run_programs,
]


@pytest.mark.parametrize("deed", HARMLESS, ids=lambda deed: deed.__name__)
def test_it_neither_stops_git_nor_makes_it_wait(workspace, base, in_folder, deed):
    make(workspace.path, "src/code.py", "x = 2\n")
    deed(workspace.path, in_folder)
    taken = record(workspace, base)
    assert "src/code.py" in {change.path for change in taken.changes}
    workspace.reset(base)
    assert content(workspace.path) == FIRST


def test_more_files_than_git_can_be_tried_with_are_all_named(workspace, base, monkeypatch):
    monkeypatch.setattr(staging, "_TRIES", 2)
    wide = {f"w{number}.txt" for number in range(4)}
    for name in wide:
        (workspace.path / name).write_bytes(b"\xff\xfe\x00")
    make(workspace.path, ".gitattributes", "w*.txt text working-tree-encoding=UTF-16LE-BOM\n")
    taken = record(workspace, base)
    assert wide <= {one.path for one in taken.refused}
    assert not wide & {change.path for change in taken.changes}


def test_no_folder_is_removed_where_a_link_leads(workspace, base, tmp_path):
    elsewhere = tmp_path / "elsewhere/empty"
    elsewhere.mkdir(parents=True)
    (workspace.path / "new").symlink_to(elsewhere.parent)
    workspace.restore(base, ["new/empty/file"])
    assert elsewhere.is_dir()


def test_a_worktree_of_the_agents_own_is_left_out(workspace, base, in_folder):
    make(workspace.path, "src/code.py", "x = 2\n")
    command = ("worktree", "add", "-q", "-b", "agent-1", ".claude/worktrees/agent-1")
    in_folder(workspace.path, *command)
    taken = record(workspace, base)
    assert [change.path for change in taken.changes] == ["src/code.py"]
    assert taken.left_out == (".claude/worktrees/agent-1",)
    workspace.reset(base)
    assert not (workspace.path / ".claude").exists()


def test_more_repositories_than_can_be_looked_at_are_counted(
    workspace, base, in_folder, monkeypatch
):
    monkeypatch.setattr(embedded, "MOST_REPOSITORIES", 2)
    for number in range(4):
        make(workspace.path, f"many/{number}/file")
        in_folder(workspace.path / f"many/{number}", "init", "-q")
    (refused,) = record(workspace, base).refused
    assert "more than 2 repositories" in refused.reason


def test_a_large_file_that_was_there_may_stay(user, open_mirror, tmp_path):
    with (user.path / "large.bin").open("wb") as file:
        file.truncate(2_000_000)
    head = user.commit()
    workspace = Workspace.create(open_mirror(user), tmp_path / "w", head)
    os.utime(workspace.path / "large.bin", ns=(1, 1))
    taken = record(workspace, head, Bounds(file=1_000_000))
    assert (taken.refused, taken.changes) == ((), ())


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 9\n"


@pytest.mark.parametrize(
    ("content", "refused"),
    [(POINTER.format("1"), ()), ("real content\n", ("model.bin",))],
    ids=["a pointer", "content"],
)
def test_a_file_of_git_lfs_stays_a_pointer(user, open_mirror, tmp_path, content, refused):
    user.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    user.write("model.bin", POINTER.format("0"))
    head = user.commit()
    workspace = Workspace.create(open_mirror(user), tmp_path / "w", head)
    make(workspace.path, "model.bin", content)
    taken = record(workspace, head)
    assert tuple(one.path for one in taken.refused) == refused
    assert [change.path for change in taken.changes] == ["model.bin"]


@pytest.mark.parametrize(("required", "refused"), [("true", ("key.txt",)), ("false", ())])
def test_a_filter_that_the_user_requires_is_not_passed_over(
    user, open_mirror, tmp_path, required, refused
):
    user.write(".gitattributes", "key.txt filter=crypt\n")
    head = user.commit()
    user.git("config", "filter.crypt.required", required)
    workspace = Workspace.create(open_mirror(user), tmp_path / "w", head)
    make(workspace.path, "key.txt", "secret")
    assert tuple(one.path for one in record(workspace, head).refused) == refused


def test_what_the_user_ignores_is_no_change(user, own_home, open_mirror, tmp_path):
    (own_home / ".config/git").mkdir(parents=True)
    (own_home / ".config/git/ignore").write_text("*.swp\n/everywhere/\n", encoding="utf-8")
    (user.path / ".git/info/exclude").write_text("/notes/\n!keep.swp\n", encoding="utf-8")
    head = user.git("rev-parse", "HEAD")
    workspace = Workspace.create(open_mirror(user), tmp_path / "w", head)
    for name in ("src/a.swp", "everywhere/x", "notes/x", "keep.swp", "src/notes/x"):
        make(workspace.path, name)
    changed = {change.path for change in record(workspace, head).changes}
    assert changed == {"keep.swp", "src/notes/x"}


def test_another_file_of_patterns_takes_the_place_of_the_usual_one(
    user, own_home, open_mirror, tmp_path
):
    (own_home / "patterns").write_bytes(b"caf\xe9\n*.one\n")
    (own_home / ".gitconfig").write_text("[core]\n\texcludesFile = ~/patterns\n", encoding="utf-8")
    head = user.git("rev-parse", "HEAD")
    workspace = Workspace.create(open_mirror(user), tmp_path / "w", head)
    for name in ("a.one", "a.two"):
        make(workspace.path, name)
    assert [change.path for change in record(workspace, head).changes] == ["a.two"]


KEY = "sk-canary-0123456789abcdef"


def _a_key(folder, git):
    make(folder, "notes.txt", f"the key is {KEY}")


def _a_key_in_code(folder, git):
    make(folder, "src/x.json", json.dumps({"auth": encode(f"user:{KEY}")}))


def _a_key_in_a_name(folder, git):
    make(folder, f"logs/{KEY}.txt")


def _a_key_in_a_link(folder, git):
    (folder / "link").symlink_to(KEY)


HOLDS_A_KEY = {
    _a_key: {"notes.txt"},
    _a_key_in_code: {"src/x.json"},
    _a_key_in_a_name: {f"logs/{KEY}.txt"},
    _a_key_in_a_link: {"link"},
}


def encode(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("deed", HOLDS_A_KEY, ids=lambda deed: deed.__name__)
def test_no_commit_holds_a_key(workspace, base, in_folder, deed):
    bounds = Bounds(is_secret=Redactor([KEY]).is_key_in)
    make(workspace.path, "src/code.py", "x = 2\n")
    deed(workspace.path, in_folder)

    taken = record(workspace, base, bounds)

    assert {one.path for one in taken.refused} == HOLDS_A_KEY[deed]
    assert {change.path for change in taken.changes} == {"src/code.py"}


def test_what_the_project_has_of_it_already_is_no_reason(workspace, base, in_folder):
    """A key of tests alone, say; and a password that is a word."""
    make(workspace.path, "tests/keys.py", f"KEY = '{KEY}'\n")
    first = record(workspace, base).commit
    workspace.reset(first)
    make(workspace.path, "tests/keys.py", f"KEY = '{KEY}'\nOTHER = 1\n")
    make(workspace.path, "compose.yaml", "image: postgres\n# sk-canary-012 is how keys begin")
    ref = workspace.mirror.attempt_ref(AttemptKey("run-1", "p", 2))
    bounds = Bounds(is_secret=Redactor([KEY, "postgres"]).is_key_in)
    taken = workspace.snapshot(parent=first, message="x", ref=ref, bounds=bounds)
    assert taken.refused == ()
