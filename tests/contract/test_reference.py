"""The generated pages are what the code declares today."""

from __future__ import annotations

import re

import pytest
from support.documents import ROOT
from support.reference import FOLDER, floor_plan, names, written

from autopack.model.features import Feature
from autopack.settings import VARIABLES

DECLARATIONS = ROOT / "autopack" / "settings.py"


@pytest.mark.parametrize("name", names())
def test_a_committed_page_is_what_is_written(name: str) -> None:
    committed = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert committed == written(name), "write it again: uv run just reference"


def test_the_drawing_is_of_todays_imports() -> None:
    committed = floor_plan.PAGE.read_text(encoding="utf-8")
    assert committed == floor_plan.page(), "draw it again: uv run just reference"


def test_every_arrow_of_the_drawing_leads_down() -> None:
    order = floor_plan.packages()
    assert all(order.index(above) < order.index(below) for above, below in floor_plan.arrows())


def test_there_is_no_other_page() -> None:
    assert sorted(page.stem for page in FOLDER.glob("*.md")) == sorted(names())


def test_every_variable_of_the_code_is_described() -> None:
    read = {
        name
        for folder in ("autopack", "blocks", "tasks", "flows", "deployments")
        for path in (ROOT / folder).rglob("*.py")
        if path != DECLARATIONS
        for name in re.findall(r"\bAUTOPACK_[A-Z0-9_]*[A-Z0-9]\b", path.read_text(encoding="utf-8"))
    }
    described = {each.name for each in VARIABLES} | {each.variable for each in Feature}
    assert read - described == set()
