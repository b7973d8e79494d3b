"""A run that starts from plain text: only when the feature is on, and on what the text says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.projects import make_repository, write_yaml

from autopack.model.errors import PlanError
from autopack.plan.normalise import NotNormalised
from autopack.store.database.engine import Database
from autopack.store.mitigations import get_normalisation

NOTES = """# Greetings

1. Add greet(name) to greet.py that returns "Hello, NAME".
2. Then document greet in README.md.

Validate with `python3 -m unittest -q`.
"""
TEST = """import unittest


class Greets(unittest.TestCase):
    def test_it(self):
        from greet import greet

        self.assertEqual(greet("Ada"), "Hello, Ada")
"""


def project(folder: Path, notes: str) -> dict[str, Any]:
    repository = make_repository(
        folder / "repository", {"README.md": "hello\n", "test_greet.py": TEST}
    )
    (folder / "notes.md").write_text(notes)
    return {"plan": str(folder / "notes.md"), "repo": str(repository)}


def record(folder: Path, *builds: tuple[str, dict[str, str]]) -> str:
    recording = folder / "recording"
    recording.mkdir()
    for phase_id, files in builds:
        write_yaml(recording / f"{phase_id}.yaml", {"builds": [{"steps": [{"files": files}]}]})
    return f"recording={recording}"


async def test_notes_run_when_the_feature_is_on(home: Path, tmp_path: Path) -> None:
    from flows import execute_run

    given = project(tmp_path, NOTES)
    options = record(
        tmp_path,
        (
            "add-greet-name-to-greet-py-that-returns",
            {"greet.py": 'def greet(name):\n    return f"Hello, {name}"\n'},
        ),
        ("document-greet-in-readme-md", {"README.md": "hello, and greet\n"}),
    )
    answer = await execute_run(
        **given, builder_options=options, features=["plan_normalization"], run_id="notes"
    )
    assert answer["state"] == "DONE_SUCCESS", answer
    assert answer["goal"] == "Greetings"
    assert answer["features"] == ["plan_normalization"]
    db = Database.open(os.environ["DATABASE_URL"])
    made = get_normalisation(db, "notes")
    db.close()
    assert made is not None
    assert made.text == NOTES
    assert made.confidence >= 0.7
    assert len(made.deliverables) == 2


async def test_without_the_feature_the_hint_names_it(home: Path, tmp_path: Path) -> None:
    from flows import execute_run

    with pytest.raises(PlanError) as refused:
        await execute_run(**project(tmp_path, NOTES), builder_options="recording=x")
    assert "plan_normalization" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        # nothing is asked for
        ("The weather is nice.\n", "no deliverables"),
        # too vague to be trusted
        ("- improve things\n- make it better somehow\n\nRun `python3 -m unittest`.\n", "confid"),
    ],
)
async def test_notes_that_cannot_be_trusted_are_refused_with_a_reason(
    home: Path, tmp_path: Path, notes: str, words: str
) -> None:
    from flows import execute_run

    with pytest.raises(NotNormalised) as refused:
        await execute_run(
            **project(tmp_path, notes),
            builder_options="recording=x",
            features=["plan_normalization"],
        )
    assert words in refused.value.message
