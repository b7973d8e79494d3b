"""A report is checked again on another machine: what holds, what changed since, what was forged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autopack.model.errors import BadInput
from autopack.research.evidence import Evidence
from autopack.research.kept_bytes import EmbeddedBytes, KeptBytes
from autopack.research.rejection import Reason
from autopack.research.report_file import read_report
from autopack.research.sources import Query
from autopack.research.sources.source_registry import SourceSettings, sources_for
from autopack.research.validate import rejections, sealed
from autopack.research.verify import Checked, Places, verify
from autopack.workspace.git import Git
from deployments.cli import run_command

CODE = """def delay(number, base=0.5):
    return base * 2**number


def first():
    return delay(number=5)


def second():
    return delay(number=5)
"""
README = "# Waiting\n\nTries are repeated with exponential backoff, doubled each time.\n"
FILES = {"waiting.py": CODE, "docs/README.md": README, "notes.txt": "A note that nobody cites.\n"}

Json = dict[str, Any]


def commit(git: Git, files: Mapping[str, str | None], message: str = "Change") -> str:
    for path, text in files.items():
        file = git.files / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            file.unlink()
        else:
            file.write_text(text, encoding="utf-8")
    git.run("add", "-A")
    git.run("commit", "-q", "-m", message)
    return git.run("rev-parse", "HEAD").strip()


def at(folder: Path) -> Git:
    return Git(git_dir=folder / ".git", work_tree=folder)


class Made:
    """A repository, an environment, and a report about them with a citation for each source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git = at(folder / "project")
        self.git.files.mkdir(parents=True)
        self.git.run("init", "-q", "-b", "main")
        self.commit = commit(self.git, FILES, "Wait between tries, for the server refuses haste")
        info = folder / "venv" / "lib" / "python3.11" / "site-packages" / "waiting-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: waiting\nVersion: 1.2\n\n{README}")
        (info / "RECORD").write_text(f"{info.name}/METADATA,,\n")
        notes = folder / "notes"
        notes.mkdir()
        (notes / "note.md").write_text("Callers that hurry are refused.\n")
        self.kept = KeptBytes(folder / "kept-bytes")
        self.report = self._report()

    def _report(self) -> Json:
        settings = SourceSettings(
            git=self.git,
            commit=self.commit,
            environments=(self.folder / "venv",),
            base=self.folder,
        )
        names = ["repository", "history", "installed", "folder:notes"]
        sources = {one.name: one for one in sources_for(names, settings)}
        evidence: list[Evidence] = []
        for source, query, quote in (
            ("repository", "how delay waits", "    return base * 2**number\n"),
            ("repository", "exponential backoff", "repeated with exponential backoff"),
            ("history", "why the server refuses", "for the server refuses haste"),
            ("installed", "exponential backoff", "Tries are repeated with exponential backoff"),
            ("folder:notes", "callers refused", "Callers that hurry are refused."),
        ):
            [found, *_] = sources[source].search(Query(query))
            content = sources[source].read(found.locator)
            self.kept.keep(content)
            draft = {
                "claim": f"As {source} says",
                "kind": "quoted",
                "source_id": source,
                "locator": found.locator,
                "quote": quote,
                "retrieved_at": datetime(2026, 1, 1, tzinfo=UTC),
                "tool": source,
                "query": query,
            }
            record = sealed(Evidence.model_validate(draft), content)
            assert rejections(record, content) == ()
            evidence.append(record)
        listed = [one.as_json() for one in evidence]
        unverified = Evidence.model_validate({"claim": "Users like it", "kind": "unverified"})
        listed.append(unverified.as_json())
        names_kept = [str(one.source_sha256) for one in evidence]
        return {
            "report_id": "research-1",
            "evidence": listed,
            "findings": [
                {
                    "sentences": [
                        {
                            "citation": number,
                            "text": one["claim"],
                            "excerpt": one["quote"],
                            "locator": one["locator"],
                        }
                        for number, one in enumerate(listed, start=1)
                    ]
                }
            ],
            "kept": EmbeddedBytes.of(self.kept, names_kept).as_json(),
        }

    def checked(self, places: Places, **changed: Any) -> list[Checked]:
        file = self.folder / "report.json"
        file.write_text(json.dumps(self.report | changed), encoding="utf-8")
        return verify(read_report(file), places)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


@pytest.fixture
def clone(made: Made) -> Git:
    """The repository on another machine; where it was read, it is gone."""
    second = made.folder / "second"
    Git(folder=made.folder).run("clone", "-q", "--no-hardlinks", str(made.git.files), str(second))
    shutil.rmtree(made.git.files)
    shutil.rmtree(made.folder / "notes")
    return at(second)


def of(clone: Git) -> Places:
    return Places(clone, clone.files)


def fallen(checked: list[Checked]) -> dict[int, set[Reason]]:
    return {one.number: {why.reason for why in one.reasons} for one in checked if not one.holds}


def test_every_citation_holds_on_a_second_clone(made: Made, clone: Git) -> None:
    checked = made.checked(of(clone))
    assert fallen(checked) == {}
    places = [one.against for one in checked]
    assert places == ["repository", "repository", "repository", "kept", "kept", None]
    assert checked[0].lines == (2, 2)


def test_what_is_kept_with_the_report_is_enough(made: Made, clone: Git) -> None:
    assert fallen(made.checked(Places())) == {}
    beside = made.folder / "kept"
    shutil.move(made.folder / "kept-bytes", beside)
    assert fallen(made.checked(Places(), kept={})) == {}
    shutil.rmtree(beside)
    unread = fallen(made.checked(Places(), kept={}))
    assert unread == {number: {Reason.NOT_KEPT} for number in range(1, 6)}
    # What git and the environment have needs no keeping.
    places = Places(clone, clone.files, (made.folder / "venv",))
    assert set(fallen(made.checked(places, kept={}))) == {5}


LINE = "return base * 2**number"
CHANGES: list[tuple[str, Mapping[str, str | None], set[int]]] = [
    ("another file", {"notes.txt": "Changed."}, set()),
    ("lines around", {"waiting.py": f"import math\n\n{CODE}\n# end\n"}, set()),
    ("blanks", {"waiting.py": CODE.replace("    ", "\t")}, set()),
    ("moved below", {"waiting.py": f"def other():\n    return 1\n\n\n{CODE}"}, set()),
    ("other words of the line", {"docs/README.md": README.replace("doubled", "tripled")}, set()),
    ("the line", {"waiting.py": CODE.replace(LINE, "return base * 3**number")}, {1}),
    ("a comment to it", {"waiting.py": CODE.replace(LINE, f"{LINE}  # seconds")}, {1}),
    ("the line is gone", {"waiting.py": CODE.replace(f"    {LINE}\n", "")}, {1}),
    ("the file is gone", {"waiting.py": None}, {1}),
    ("the file has another name", {"waiting.py": None, "wait.py": CODE}, {1}),
    ("the words", {"docs/README.md": README.replace("exponential", "linear")}, {2}),
    ("both", {"waiting.py": "", "docs/README.md": ""}, {1, 2}),
]


@pytest.mark.parametrize("is_committed", [True, False], ids=["committed", "in the checkout"])
@pytest.mark.parametrize(("what", "files", "expected"), CHANGES, ids=[one[0] for one in CHANGES])
def test_citations_of_changed_lines_are_named(
    made: Made, what: str, files: Mapping[str, str | None], expected: set[int], is_committed: bool
) -> None:
    commit(made.git, files, what)
    if not is_committed:
        # The files stay, HEAD goes back.
        made.git.run("reset", "-q", made.commit)
    found = fallen(made.checked(of(made.git)))
    assert found == {number: {Reason.CHANGED_SINCE} for number in expected}


def test_a_changed_line_is_told_with_its_number(made: Made) -> None:
    commit(made.git, {"waiting.py": CODE.replace(LINE, "return base * 3**number")})
    [why, *_] = made.checked(of(made.git))[0].reasons
    assert why.sentence == (
        "waiting.py at HEAD: line 2, 'return base * 2**number', is now 'return base * 3**number'"
    )


def test_of_two_equal_lines_the_cited_one_is_meant(made: Made) -> None:
    content = CODE.encode()
    at_second = content.rfind(b"    return delay(number=5)")
    second = made.report["evidence"][0] | {
        "quote": "    return delay(number=5)",
        "quote_sha256": None,
        "start": at_second,
        "end": at_second + len("    return delay(number=5)"),
    }
    body = "():\n    return delay(number=5)"
    for name, expected in (("first", {}), ("second", {1: {Reason.CHANGED_SINCE}})):
        text = CODE.replace(f"{name}{body}", f"{name}():\n    return 1")
        commit(made.git, {"waiting.py": text})
        record = sealed(Evidence.from_json(second), content)
        checked = made.checked(of(made.git), evidence=[record.as_json()], findings=[])
        assert fallen(checked) == expected


def test_a_rewritten_history_with_the_same_content_holds(made: Made) -> None:
    made.git.run("commit", "-q", "--amend", "-m", "Said otherwise")
    made.git.run("reflog", "expire", "--expire=now", "--all")
    made.git.run("gc", "-q", "--prune=now")
    # The commit is kept with the report; without it, it is gone.
    assert fallen(made.checked(of(made.git))) == {}
    assert set(fallen(made.checked(of(made.git), kept={}))) == {3, 4, 5}


def test_packages_are_checked_in_an_environment(made: Made) -> None:
    environment = made.folder / "venv"
    site = environment / "lib" / "python3.11" / "site-packages"
    places = Places(made.git, made.git.files, (environment,))
    assert [one.against for one in made.checked(places)][3] == "environment"
    metadata = site / "waiting-1.2.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("exponential", "linear"))
    assert Reason.OTHER_SOURCE in fallen(made.checked(places))[4]
    metadata.write_text(metadata.read_text().replace("1.2", "1.3"))
    [why] = made.checked(places)[3].reasons
    assert "installed as 1.3, 1.2 was quoted" in why.sentence


FORGED: list[tuple[str, Callable[[Json], Any], set[int]]] = [
    ("a word", lambda r: r["evidence"][1].update(quote="repeated with polynomial backoff"), {2}),
    ("a claim", lambda r: r["evidence"][0].update(claim="It waits 7 seconds"), {1}),
    ("an offset", lambda r: r["evidence"][0].update(start=0, end=24), {1}),
    ("a path", lambda r: _locate(r, 0, "waiting.py", "notes.txt"), {1}),
    ("a blob", lambda r: _locate(r, 0, "@", "@00"), {1}),
    ("bytes", lambda r: r["kept"].update({r["evidence"][4]["source_sha256"]: "eJwDAAAAAAE="}), {5}),
    ("an excerpt", lambda r: r["findings"][0]["sentences"][1].update(excerpt="Else"), {2}),
    ("a sentence", lambda r: r["findings"][0]["sentences"][5].update(text="All like it"), {6}),
]


def _locate(report: Json, number: int, old: str, new: str) -> None:
    locator = report["evidence"][number]["locator"].replace(old, new)
    head, _, blob = locator.rpartition("@")
    report["evidence"][number]["locator"] = f"{head}@{blob[:40]}"


@pytest.mark.parametrize(("what", "forge", "expected"), FORGED, ids=[one[0] for one in FORGED])
def test_a_forged_report_is_found_out(
    made: Made, what: str, forge: Callable[[Json], Any], expected: set[int]
) -> None:
    forged = json.loads(json.dumps(made.report))
    forge(forged)
    assert expected <= set(fallen(made.checked(of(made.git), **forged)))


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("", "report"),
        ("[]", "report"),
        ("[" * 100_000, "report"),
        ("{}", "evidence"),
        ('{"evidence": {}}', "evidence"),
        ('{"evidence": [1]}', "evidence[0]"),
        ('{"evidence": [{"kind": "quoted"}]}', "evidence[0].claim"),
        ('{"evidence": [{"claim": "a", "kind": "guessed"}]}', "evidence[0].kind"),
        ('{"evidence": [{"claim": "a", "kind": "quoted", "start": "1"}]}', "evidence[0].start"),
        ('{"evidence": [{"claim": "a", "kind": "quoted", "sure": true}]}', "evidence[0].sure"),
        ('{"evidence": [], "kept": {"a": 1}}', "kept"),
        ('{"evidence": [], "findings": [[]]}', "findings[0]"),
        (
            '{"evidence": [], "findings": [{"sentences": [{"citation": 1}]}]}',
            "findings[0].sentences[0].citation",
        ),
    ],
)
def test_a_report_that_cannot_be_read_is_refused_by_its_field(
    tmp_path: Path, content: str, field: str
) -> None:
    file = tmp_path / "report.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        verify(read_report(file), Places())
    assert refused.value.field == field


def test_the_command_ends_as_what_it_found(
    made: Made, clone: Git, capsys: pytest.CaptureFixture[str]
) -> None:
    report, repo = str(made.folder / "report.json"), str(clone.files)
    made.checked(Places())
    assert run_command(["research", "verify", report, "--repo", repo]) == 0
    assert capsys.readouterr().out == "5 of 6 claims hold, 1 unverified\n"
    commit(clone, {"waiting.py": CODE.replace("2**", "3**")})
    assert run_command(["research", "verify", report, "--repo", repo]) == 1
    assert "waiting.py at HEAD: line 2, " in capsys.readouterr().out
    assert run_command(["research", "verify", report, "--repo", repo, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["holds"], told["failed"], told["unverified"]) == (False, 1, 1)
    assert [one["number"] for one in told["citations"] if one["holds"] is False] == [1]
    assert told["citations"][0]["reasons"][0]["reason"] == "changed_since"
    for words in (
        [str(made.folder / "absent.json")],
        [str(made.folder)],
        [report, "--repo", str(made.folder)],
        [report, "--environment", str(made.folder / "absent")],
    ):
        assert run_command(["research", "verify", *words]) == 2
        assert capsys.readouterr().err.startswith("error:")
