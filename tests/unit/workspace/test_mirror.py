"""The mirror: what it fetches, keeps and tells."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from autopack.files.untrusted import remove_tree
from autopack.model.errors import GitFailed, RepositoryError
from autopack.model.ids import AttemptKey, is_valid_id
from autopack.workspace import Mirror, SourceRepository


def test_cloning_leaves_the_users_repository_as_it_was(user, open_mirror):
    before = user.fingerprint()
    open_mirror(user)
    assert user.fingerprint() == before


def test_the_first_of_many_makes_the_mirror_and_leaves_no_trash(user, base, tmp_path):
    source = SourceRepository.open(str(user.path))
    with ThreadPoolExecutor(8) as pool:
        mirrors = list(pool.map(lambda _: Mirror.open(tmp_path / "h", source), range(8)))
    assert len(set(mirrors)) == 1
    made = (tmp_path / "h" / "repositories").iterdir()
    assert [folder.name for folder in made] == [f"{source.key}.git"]


@pytest.mark.parametrize("lost", [(".",), ("HEAD",), ("objects",), ("refs",), ("HEAD", "objects")])
def test_one_that_was_emptied_is_set_aside_and_made_anew(user, base, tmp_path, lost):
    source = SourceRepository.open(str(user.path))
    emptied = Mirror.open(tmp_path / "ah", source).git_dir
    (emptied / "autopack-workspaces").mkdir()
    for name in lost:
        for one in emptied.iterdir() if name == "." else [emptied / name]:
            remove_tree(one) if one.name != "autopack-workspaces" else None
    mirror = Mirror.open(tmp_path / "ah", source)
    mirror.ensure(base, "r1")
    assert mirror.has(base)
    (aside,) = emptied.parent.glob("*.aside")
    assert (aside / "autopack-workspaces").is_dir()


def test_the_users_branches_stay_out(user, open_mirror):
    mirror = open_mirror(user)
    assert mirror.git.run("for-each-ref", "refs/heads") == ""


def test_later_commits_and_tags_are_fetched(user, mirror):
    user.write("later.txt", "x")
    later = user.commit()
    user.git("tag", "v2")
    mirror.ensure(later, "run-2")
    assert "later.txt" in mirror.paths(later)
    assert mirror.read_ref("refs/tags/v2") == later


def test_a_tag_that_moved_is_followed(user, mirror, base):
    user.git("tag", "moving")
    mirror.ensure(base, "run-2")
    later = user.commit()
    user.git("tag", "-f", "moving")
    mirror.ensure(later, "run-3")
    assert mirror.read_ref("refs/tags/moving") == later


def test_a_commit_that_no_branch_reaches_can_be_a_base(user, mirror):
    user.write("lost.txt", "x")
    lost = user.commit()
    user.git("reset", "-q", "--hard", "HEAD~1")
    mirror.ensure(lost, "run-2")
    assert "lost.txt" in mirror.paths(lost)


def test_a_base_outlives_the_users_repository(user, mirror, base, tmp_path):
    user.path.rename(tmp_path / "gone")
    mirror.ensure(base, "run-1")
    mirror.git.run("fsck", "--connectivity-only")


def test_an_unknown_commit_is_the_users_error(mirror):
    with pytest.raises(RepositoryError, match="cannot be fetched") as caught:
        mirror.ensure("1" * 40, "run-2")
    assert caught.value.field == "commit"


def test_the_users_configuration_stays_behind(user, open_mirror):
    user.git("config", "core.fsmonitor", "false-hook")
    user.git("config", "filter.x.clean", "false")
    config = (open_mirror(user).git_dir / "config").read_text(encoding="utf-8")
    assert "filter" not in config
    assert "fsmonitor" not in config


def test_a_shallow_clone_can_be_a_source(user, tmp_path, in_folder, open_mirror, as_repository):
    user.commit("second")
    in_folder(tmp_path, "clone", "-q", "--depth=1", f"file://{user.path}", "shallow")
    shallow = as_repository(tmp_path / "shallow")
    mirror = open_mirror(shallow)
    later = shallow.commit("third")
    mirror.ensure(later, "run-2")
    mirror.publish("run-2", later)
    assert shallow.git("rev-parse", "autopack/run-2") == later


def test_a_linked_worktree_can_be_a_source(user, base, tmp_path, open_mirror, as_repository):
    user.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    mirror = open_mirror(as_repository(tmp_path / "linked"))
    mirror.publish("run-1", base)
    assert user.git("rev-parse", "autopack/run-1") == base


def test_a_repository_with_long_ids_can_be_a_source(make_repository, open_mirror):
    repository = make_repository("sha256", "--object-format=sha256")
    head = repository.git("rev-parse", "HEAD")
    mirror = open_mirror(repository)
    mirror.publish("run-1", head)
    assert repository.git("rev-parse", "autopack/run-1") == head


def test_a_ref_moves_only_from_where_it_was_thought_to_be(mirror, user, base):
    later = user.commit()
    mirror.ensure(later, "run-2")
    ref = mirror.attempt_ref(AttemptKey("run-1", "p", 1))
    assert ref == "refs/autopack/run-1/p/1"
    assert mirror.read_ref(ref) is None
    mirror.set_ref(ref, base, old=None)
    with pytest.raises(GitFailed, match="is at"):
        mirror.set_ref(ref, later, old=None)
    mirror.set_ref(ref, base, old=later)
    with pytest.raises(GitFailed, match="is at"):
        mirror.set_ref(ref, later, old=later)
    mirror.set_ref(ref, later, old=base)
    mirror.set_ref(ref, later, old=base)  # repeated after a crash
    assert mirror.read_ref(ref) == later


@pytest.mark.parametrize("name", ["a", "0-", "a.b_c-d", "x.lock.y", "autopack", "head", "a" * 64])
def test_every_valid_id_makes_a_ref(mirror, base, name):
    assert is_valid_id(name)
    mirror.ensure(base, name)
    mirror.set_ref(mirror.attempt_ref(AttemptKey(name, name, 1)), base, old=None)
    mirror.publish(name, base)


def test_changes_are_told_by_status_and_mode(user, base, mirror):
    user.write("src/code.py", "x = 2\n")
    user.write("added ünïcode\nname.txt", "new\n")
    (user.path / "readme.txt").unlink()
    (user.path / "link").symlink_to("src/code.py")
    (user.path / ".gitignore").unlink()
    (user.path / ".gitignore").symlink_to("src")
    later = user.commit()
    mirror.ensure(later, "run-2")
    changes = {c.path: (c.status, c.mode) for c in mirror.changed_paths(base, later)}
    assert changes == {
        "src/code.py": ("M", "100644"),
        "added ünïcode\nname.txt": ("A", "100644"),
        "readme.txt": ("D", "100644"),
        "link": ("A", "120000"),
        ".gitignore": ("T", "120000"),
    }
    assert mirror.read_link(later, "link") == "src/code.py"
    assert mirror.changed_paths(base, base) == ()


def test_a_rename_is_a_deletion_and_an_addition(user, base, mirror):
    user.git("mv", "readme.txt", "renamed.txt")
    later = user.commit()
    mirror.ensure(later, "run-2")
    statuses = {(c.path, c.status) for c in mirror.changed_paths(base, later)}
    assert statuses == {("readme.txt", "D"), ("renamed.txt", "A")}


def test_content_of_a_commit_can_be_read(mirror, base, user):
    assert mirror.file_at(base, "readme.txt") == b"hello\n"
    assert mirror.file_at(base, "nowhere") is None
    assert mirror.file_at(base, "src") is None
    assert mirror.paths(base) == (".gitignore", "readme.txt", "src/code.py")
    assert mirror.tree_of(base) == user.git("rev-parse", f"{base}^{{tree}}")


def test_a_long_diff_is_cut_at_a_line(user, base, mirror):
    user.write("long.txt", "line\n" * 10_000)
    later = user.commit()
    mirror.ensure(later, "run-2")
    whole, cut = mirror.diff(base, later, 1_000_000), mirror.diff(base, later, 1000)
    assert whole.count("+line") == 10_000
    *kept, note = cut.splitlines()
    assert whole.startswith("\n".join(kept))
    assert "left out" in note
    assert len(cut) < 1100


def test_binary_and_odd_bytes_do_not_break_a_diff(user, base, mirror):
    (user.path / "latin.txt").write_bytes(b"caf\xe9\n")
    (user.path / "binary").write_bytes(bytes(range(256)))
    later = user.commit()
    mirror.ensure(later, "run-2")
    diff = mirror.diff(base, later, 10_000)
    assert "caf\ufffd" in diff
    assert "Binary files" in diff
    diff.encode("utf-8")
