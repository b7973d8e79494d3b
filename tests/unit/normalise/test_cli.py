"""What `autopack plan normalise` prints and returns."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.research import make_words

from autopack.model.errors import AutopackError
from autopack.plan.load import parse_plan
from deployments.cli.projects.normalise import normalise


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.md"
    path.write_text("1. Fix inflection/rules.py\n2. Write docs/a.md\n", encoding="utf-8")
    return path


def test_plan_on_stdout_can_be_saved_and_loaded(notes: Path, repository: Path, capsys) -> None:
    assert normalise(str(notes), repo=repository) == 0
    shown = capsys.readouterr()
    assert [phase.scope.paths for phase in parse_plan(shown.out).phases] == [
        ("inflection/rules.py",),
        ("docs/a.md",),
    ]
    assert "confidence" in shown.err


def test_json_is_one_object(notes: Path, repository: Path, capsys) -> None:
    assert normalise(str(notes), repo=repository, as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["deliverables"] == ["Fix inflection/rules.py", "Write docs/a.md"]
    assert shown["validation"] == [["python", "-m", "pytest", "-q"]]


def test_weak_text_needs_to_be_accepted(notes: Path, repository: Path, capsys) -> None:
    notes.write_text("Do some work on the project", encoding="utf-8")
    with pytest.raises(AutopackError, match=r"below 0\.70") as caught:
        normalise(str(notes), repo=repository)
    assert caught.value.exit_code == 2
    assert normalise(str(notes), repo=repository, accept_low_confidence=True, as_json=True) == 0
    assert normalise(str(notes), repo=repository, threshold=0.3, as_json=True) == 0


REFUSED = [
    (lambda notes, repo: normalise(str(notes.with_name("gone.md")), repo=repo), "no such file"),
    (lambda notes, repo: normalise(str(notes), repo=notes), "is not a folder"),
    (lambda notes, repo: normalise(str(notes), repo=repo, threshold=70), "invalid confidence"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_bad_input_is_refused_by_name(call, message: str, notes: Path, repository: Path) -> None:
    with pytest.raises(AutopackError, match=message):
        call(notes, repository)


def test_research_fills_the_scope_of_phases_without_one(tmp_path: Path, capsys) -> None:
    words = make_words(tmp_path / "words")
    (tmp_path / "notes.md").write_text(
        "# Tasks\n- Make the ordinal suffix of 111 th\n\nCheck: `python -m pytest -q`\n"
    )
    asked: dict[str, Any] = {"repo": words, "accept_low_confidence": True, "as_json": True}
    assert normalise(str(tmp_path / "notes.md"), **asked) == 0
    (bare,) = json.loads(capsys.readouterr().out)["plan"]["phases"]
    assert normalise(str(tmp_path / "notes.md"), research=True, **asked) == 0
    shown = json.loads(capsys.readouterr().out)
    (phase,) = shown["plan"]["phases"]
    assert bare["scope"]["paths"] == []
    assert "words/inflect.py" in phase["scope"]["paths"]
    assert any(":words/inflect.py@" in warning for warning in shown["warnings"])
