"""The recorded plan texts and what must hold of their plans."""

import json
from pathlib import Path
from typing import Any

import pytest

from autopack.plan.normalise import NotNormalised, normalise
from autopack.toolchains.detect import detect

CASES = json.loads(
    (Path(__file__).parents[2] / "data/plans/cases.json").read_text(encoding="utf-8")
)["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_recorded_text(case: dict[str, Any], tmp_path: Path) -> None:
    for name, text in case["input"]["workspace_files"].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    expected = case["expected"]
    given: dict[str, Any] = {"root": tmp_path, "detected": detect(tmp_path)}
    if expected.get("success") is False:
        with pytest.raises(NotNormalised, match=expected["error_contains"]):
            normalise(case["input"]["raw_plan"], **given)
        return
    found = normalise(case["input"]["raw_plan"], **given)
    told = " ".join(found.deliverables).lower()
    assert expected.get("min_deliverables", 0) <= len(found.deliverables)
    assert len(found.deliverables) <= expected.get("max_deliverables", 20)
    assert all(words in told for words in expected.get("contains", []))
    assert found.category == expected.get("category", found.category)
