"""A first plan: whatever it is made of, the file says it, and can be read."""

from __future__ import annotations

import pytest

from autopack.model.commands import Check
from autopack.plan.load import parse_plan
from autopack.plan.outline import Outline, written

TEXTS = [
    "Fix ordinals of 11th",
    "x",
    "Ünïcode: „naïve“ # not a comment",
    "- a: b",
    "off",
    "null",
    "007",
    "'quoted' \"twice\" {braces} [brackets] & * ! | > % @ `",
    "# Title\n\n    indented\nand not\n\ttab\n",
    "long " * 200,
    "%TAG ! x",
    "---",
    "🙂 " * 3,
    "line\u2028separator",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "checks", [(), (Check(".", ("sh", "-c", "a | b # c")),)], ids=["none", "one"]
)
def test_a_plan_says_what_it_was_made_of(text: str, checks: tuple[Check, ...]) -> None:
    plan = parse_plan(written(Outline.of_tasks("A goal: " + text, [text, text]), checks))
    assert plan.goal == " ".join(("A goal: " + text).split())
    assert [" ".join(one.instructions.split()) for one in plan.phases] == [
        " ".join(text.split())
    ] * 2
    assert len({one.id for one in plan.phases}) == 2
    assert all(one.checks == ((checks[0].argv,) if checks else None) for one in plan.phases)


def test_checks_of_a_subfolder_stay_inferred() -> None:
    text = written(Outline.of_tasks("G", []), [Check("web", ("npm", "test"))])
    assert parse_plan(text).phases[0].checks is None
    assert "npm test in web" in text
