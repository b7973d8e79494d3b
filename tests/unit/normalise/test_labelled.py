"""Texts of many kinds and languages: what is a plan is trusted, and nothing else becomes work."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from autopack.model.errors import PlanError
from autopack.plan.normalise import CONFIDENCE_THRESHOLD, Normalised

LABELLED: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "data/plans/labelled.yaml").read_text(encoding="utf-8")
)


def tried(normalise, text: str) -> Normalised | None:
    try:
        return normalise(text)
    except PlanError:
        return None


def told(found: Normalised) -> str:
    """What the phases are told to do, without what is context."""
    return "\n".join(each.instructions.partition("\n\nContext:")[0] for each in found.plan.phases)


def test_the_labels_cover_what_people_write() -> None:
    assert len(LABELLED) >= 60
    assert sum("language" in each for each in LABELLED) >= 10
    assert len({each["id"] for each in LABELLED}) == len(LABELLED)


def test_nine_of_ten_are_trusted_as_they_deserve(normalise) -> None:
    wrong = []
    for each in LABELLED:
        found = tried(normalise, each["text"])
        trusted = found is not None and found.confidence >= CONFIDENCE_THRESHOLD
        if trusted != (each["label"] == "good"):
            wrong.append((each["id"], found and (found.confidence, found.confidence_parts)))
    assert len(wrong) <= 0.1 * len(LABELLED), wrong


@pytest.mark.parametrize(
    "each", [each for each in LABELLED if each["label"] == "good"], ids=lambda each: each["id"]
)
def test_a_plan_has_its_work_and_nothing_else(each: dict[str, Any], normalise) -> None:
    found = tried(normalise, each["text"])
    assert found is not None
    work = told(found)
    assert [text for text in each["work"] if text.lower() not in work.lower()] == []
    assert [text for text in each.get("absent", ()) if text in work] == []
