"""Sources on this machine: what they find is quoted from the bytes that they read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.own_packages import install

from autopack.model.errors import BadInput
from autopack.research.locator import GitCommit, GitFile, parse_locator
from autopack.research.quoting import Span, find_quote
from autopack.research.sources import Passage, Query, Rank, Source, SourceFailure, source_registry
from autopack.research.sources.folder import FolderSource
from autopack.research.sources.installed import InstalledSource
from autopack.research.sources.passages import pieces
from autopack.research.sources.source_registry import (
    SourceSettings,
    check_sources,
    sources_for,
)
from autopack.workspace.git import Git

CODE = '''"""Waits between tries."""


def delay(number, base=0.5):
    """Return how long to wait before a try, in seconds."""
    return base * 2**number


class Waiter:
    """Counts the tries that were made."""

    def jitter(self):
        return 0.1


MOST_TRIES = 9
'''
README = "# Waiting\n\nTries are repeated with exponential backoff, doubled each time.\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Git:
    folder = tmp_path_factory.mktemp("project")
    git = Git(git_dir=folder / ".git", work_tree=folder)
    git.run("init", "-q", "-b", "main")
    for message, files in (
        ("Wait between tries\n\nThe server refuses callers that come back at once.", (CODE, "")),
        ("Say what waiting is for", (CODE, README)),
    ):
        (folder / "waiting.py").write_text(files[0], encoding="utf-8")
        (folder / "README.md").write_text(files[1], encoding="utf-8")
        (folder / "data.bin").write_bytes(b"\0exponential backoff")
        git.run("add", "-A")
        git.run("commit", "-q", "-m", message)
    return git


def found_by(source: Source, text: str, *paths: str) -> Sequence[Passage]:
    """What a source finds; every passage is a part of what it reads at the locator."""
    passages = source.search(Query(text, paths=paths))
    for one in passages:
        assert source.read(one.locator)[one.start : one.end] == one.content
        assert one.source_id == source.name
        assert str(parse_locator(one.locator)) == one.locator
    assert source.search(Query(text, paths=paths)) == passages
    return passages


def of_repository(git: Git) -> tuple[Source, ...]:
    commit = git.run("rev-parse", "HEAD").strip()
    return sources_for(["repository", "history"], SourceSettings(git=git, commit=commit))


def test_code_and_documents_of_a_commit_are_found(repository: Git) -> None:
    source, _ = of_repository(repository)
    [first, *_] = found_by(source, "how long does delay wait before a try?")
    assert first.text.startswith("def delay(")
    assert first.facts.rank is Rank.CODE
    assert first.facts.is_primary
    [readme, *_] = found_by(source, "exponential backoff")
    assert isinstance(named := parse_locator(readme.locator), GitFile)
    assert named.path == "README.md"
    assert all("data.bin" not in one.locator for one in found_by(source, "exponential backoff"))


@pytest.mark.parametrize(
    ("before", "ends"), [(b"", b"\r\n"), (b"\xef\xbb\xbf", b"\n"), (b"\xef\xbb\xbf", b"\r\n")]
)
def test_files_of_windows_are_quoted_where_they_stand(
    tmp_path: Path, before: bytes, ends: bytes
) -> None:
    git = Git(git_dir=tmp_path / ".git", work_tree=tmp_path)
    git.run("init", "-q")
    both = b"def one(x):\n    return jitter(x)\n\ndef other(jitter):\n    return jitter(x)\n"
    (tmp_path / "m.py").write_bytes(before + both.replace(b"\n", ends))
    git.run("add", "-A")
    git.run("commit", "-q", "-m", "lines")
    source, _ = of_repository(git)

    found = [one for one in found_by(source, "jitter") if "other" in one.text]
    for one in found:
        quote = one.content.rstrip()
        at = {"start": one.start, "end": one.start + len(quote)}
        span = find_quote(quote.decode(), source.read(one.locator), is_code=True, **at)
        assert isinstance(span, Span)
    assert found


def test_what_is_nowhere_is_not_found(repository: Git) -> None:
    for source in of_repository(repository):
        assert found_by(source, "kubernetes") == []
        assert found_by(source, "???") == []


def test_a_file_is_read_only_at_the_commit_that_has_it(repository: Git) -> None:
    source, _ = of_repository(repository)
    [first, *_] = found_by(source, "exponential backoff")
    named = parse_locator(first.locator)
    assert isinstance(named, GitFile)
    earlier = repository.run("rev-parse", "HEAD~1").strip()
    for wrong in (
        GitFile(earlier, named.path, named.blob),
        GitFile(named.commit, "other.md", named.blob),
        GitFile(named.commit, named.path, "0" * 40),
        GitFile("0" * 40, named.path, named.blob),
    ):
        with pytest.raises(SourceFailure):
            source.read(str(wrong))


def test_history_is_found_by_message_change_and_line(repository: Git) -> None:
    _, source = of_repository(repository)
    first = repository.run("rev-parse", "HEAD~1").strip()
    [by_message, *_] = found_by(source, "why are callers refused by the server")
    assert by_message.locator == str(GitCommit(first))
    assert b"refuses callers" in by_message.content
    # Nothing of the message is asked for but what the change is found by.
    assert first in {
        one.locator.removeprefix("git:") for one in found_by(source, "delay( between tries")
    }
    assert first in {
        one.locator.removeprefix("git:")
        for one in found_by(source, "jitter of the tries", "waiting.py")
    }
    assert first in {
        one.locator.removeprefix("git:") for one in found_by(source, "is jitter in waiting.py?")
    }


def test_pieces_are_definitions_and_cover_the_file() -> None:
    content = CODE.encode()
    cut = [content[start:end].decode() for start, end in pieces("waiting.py", content)]
    assert "".join(cut) == CODE
    assert [piece.split("(")[0].split(":")[0] for piece in cut[1:]] == [
        "def delay",
        "class Waiter",
        "    def jitter",
        "MOST_TRIES = 9\n",
    ]
    for broken in (b"def broken(:\n", b"\0", b"x = '\\d'\n" * 3):
        assert b"".join(broken[start:end] for start, end in pieces("a.py", broken)) == broken


def test_long_lines_are_cut_between_characters() -> None:
    content = ("\u4f60" * 5_000).encode()
    parts = [content[start:end] for start, end in pieces("a.txt", content)]
    assert b"".join(parts) == content
    assert all(part.decode() for part in parts)


def installed(site: Path, name: str, version: str, **files: str) -> Path:
    """A distribution as installers leave it: its files, METADATA and RECORD."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n{README}"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    lines = [f"{info.name}/METADATA,,", f"{info.name}/RECORD,,"]
    for path, text in files.items():
        file = site / path.replace("__", "/").replace("_py", ".py").replace("_md", ".md")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        lines.append(f"{file.relative_to(site).as_posix()},sha256={digest.rstrip('=')},{len(text)}")
    (info / "RECORD").write_text("\n".join([*lines, "../../../bin/tool,,"]), encoding="utf-8")
    return info


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    site = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    installed(site, "waiting", "1.2", waiting__core_py=CODE, waiting__AGENTS_md="Never wait twice.")
    installed(site, "other", "3.0", other__core_py="raise SystemExit('imported')\n")
    return tmp_path / "venv"


def test_installed_code_is_found_and_never_imported(environment: Path) -> None:
    source = InstalledSource([environment])
    passages = found_by(source, "what does delay of waiting return")
    assert "dist:waiting==1.2:waiting/core.py" in {one.locator for one in passages}
    assert {one.facts.installed_version for one in passages} <= {"1.2", "3.0"}
    assert source.failures == []
    [agents, *_] = found_by(source, "never wait twice")
    assert agents.locator == "dist:waiting==1.2:waiting/AGENTS.md"


def test_one_distribution_can_be_named(environment: Path) -> None:
    source = InstalledSource([environment], "Waiting")
    assert {one.facts.origin for one in found_by(source, "backoff")} == {"dist:waiting"}
    with pytest.raises(SourceFailure, match="not installed"):
        InstalledSource([environment], "absent").search(Query("backoff"))


def test_a_file_of_another_version_is_not_read(environment: Path) -> None:
    source = InstalledSource([environment])
    for wrong in (
        "dist:waiting==1.1:waiting/core.py",
        "dist:absent==1.2:waiting/core.py",
        "dist:waiting==1.2:../../../pyvenv.cfg",
        "dist:waiting==1.2:/etc/passwd",
        "file:/etc/passwd",
    ):
        with pytest.raises(SourceFailure):
            source.read(wrong)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("METADATA", None),
        ("METADATA", b""),
        ("METADATA", b"\xff\xfe\x00\x00"),
        ("METADATA", b"Name: something-else\nVersion: 1\n"),
        ("METADATA", b"Name: broken\nVersion: 1 or so\n"),
        ("METADATA", b"Name: ../../broken\nVersion: 1\n"),
        ("RECORD", None),
        ("RECORD", b"\xff\xff,,\n"),
    ],
)
def test_broken_metadata_is_named_and_the_rest_is_searched(
    environment: Path, file: str, content: bytes | None
) -> None:
    site = environment / "lib" / "python3.11" / "site-packages"
    info = installed(site, "broken", "1", broken__core_py=CODE)
    (info / file).unlink()
    if content is not None:
        (info / file).write_bytes(content)
    source = InstalledSource([environment])
    found = found_by(source, "delay of waiting and broken")
    assert "dist:waiting==1.2:waiting/core.py" in {one.locator for one in found}
    assert ["broken-1.dist-info" in each.message for each in source.failures] == [True]


def test_links_out_of_an_environment_or_a_folder_lead_nowhere(
    environment: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("delay passphrase", encoding="utf-8")
    site = environment / "lib" / "python3.11" / "site-packages"
    info = installed(site, "sly", "1")
    (site / "sly.md").symlink_to(secret)
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write("\nsly.md,,\n")
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "note.md").write_text("The delay is explained here.", encoding="utf-8")
    (folder / "sly.md").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / ".hidden.md").write_text("delay", encoding="utf-8")
    sources = (InstalledSource([environment], "sly"), FolderSource("folder:notes", folder))
    for source in sources:
        assert all(b"passphrase" not in one.content for one in source.search(Query("delay")))
    assert [one.locator for one in found_by(sources[1], "delay")] == [f"file:{folder}/note.md"]
    for path in ("sly.md", "up/secret.md", "../secret.md"):
        with pytest.raises(SourceFailure):
            sources[1].read(f"file:{folder}/{path}")


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "internet",
        "repository:docs",
        "folder",
        "folder:",
        "command:",
        "command:grep 'open",
        "mcp",
        "url:ftp://example.org/",
        "url:https://user:word@example.org/",
        "url:example.org",
        "installed:../x",
    ],
)
def test_a_source_that_cannot_be_used_is_refused_by_its_field(spec: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_sources(["repository", spec])
    assert refused.value.field == "sources[1]"
    assert (
        refused.value.hint is not None or spec == "command:grep 'open" or "'" in str(refused.value)
    )


def test_sources_without_what_they_need_are_refused_or_left_out(tmp_path: Path) -> None:
    assert sources_for([], SourceSettings()) == ()
    for spec in ("repository", "history", "ledger", "installed", "folder:absent", "mcp:server"):
        with pytest.raises(BadInput) as refused:
            sources_for([spec], SourceSettings(base=tmp_path))
        assert refused.value.field == "sources[0]"


SHELF = """
from autopack.research.sources import Passage, Rank, SourceFacts


class Shelf:
    failures = ()

    def __init__(self, argument, settings):
        self.name = f"shelf:{argument}"

    def search(self, query):
        facts = SourceFacts(is_primary=False, rank=Rank.PROSE, origin="shelf")
        return [Passage(self.name, "file:/shelf/book", b"a book", 0, 6, 1.0, facts)]

    def read(self, locator):
        return b"a book"
"""


def test_a_package_brings_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = "[autopack.sources]\nshelf = own_shelf:Shelf\nbroken = own_shelf:Absent\n"
    monkeypatch.syspath_prepend(str(install(tmp_path, "own_shelf", SHELF, entry_points)))
    source_registry.installed_sources.cache_clear()
    try:
        [source] = sources_for(["shelf:top"], SourceSettings())
        assert isinstance(source, Source)
        assert [one.text for one in found_by(source, "book")] == ["a book"]
        with pytest.raises(BadInput, match="does not load") as refused:
            sources_for(["broken"], SourceSettings())
        assert refused.value.field == "sources[0]"
    finally:
        source_registry.installed_sources.cache_clear()


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("which licence is it", "Its license is MIT."),
        ("behavior of colors", "Colours and their behaviour."),
        ("normalise", "They are normalized."),
        ("retry", "All retries are counted."),
    ],
)
def test_words_are_found_however_they_are_spelled(tmp_path: Path, asked: str, text: str) -> None:
    (tmp_path / "note.md").write_text(text, encoding="utf-8")
    assert len(found_by(FolderSource("folder:notes", tmp_path), asked)) == 1


def test_what_looks_like_a_key_is_quoted_nowhere(tmp_path: Path) -> None:
    key = "ghp_" + "a1B2c3D4e5F6" * 3
    (tmp_path / "note.md").write_text(f"The delay is kept by {key}.", encoding="utf-8")
    (tmp_path / "id_rsa").write_text("delay", encoding="utf-8")
    (tmp_path / "secrets.yaml").write_text("delay: 5", encoding="utf-8")
    assert found_by(FolderSource("folder:notes", tmp_path), "delay") == []
