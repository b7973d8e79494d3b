"""The plan of a run that does nothing but research."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from autopack.model.errors import BadInput
from autopack.plan.researching import MOST_QUESTIONS

PHASE = "research"
"""The only phase of such a run."""


def research_plan(
    questions: Sequence[str],
    *,
    sources: Sequence[str] = (),
    max_calls: int | None = None,
    tokens: int | None = None,
    ask: bool = True,
    sets_up: bool = True,
) -> str:
    """Return the text of the plan. Without ``sets_up`` nothing of the project is installed.

    Raises BadInput for questions that are none, or a bound that allows nothing.
    """
    asked = [" ".join(question.split()) for question in questions]
    if not asked or not all(asked):
        raise BadInput(
            "no question was asked" if not asked else "a question is empty",
            field="questions",
            hint='autopack research run "How is it done?" --repo DIR',
        )
    if len(asked) > MOST_QUESTIONS:
        raise BadInput(
            f"{len(asked)} questions are more than the {MOST_QUESTIONS} of one report",
            field="questions",
            hint="ask the rest in another",
        )
    for name, value in (("max_calls", max_calls), ("tokens", tokens)):
        if value is not None and value < 1:
            raise BadInput(f"invalid {name}: {value}", field=name, hint="use 1 or more")
    research: dict[str, Any] = {"questions": asked, "sources": list(sources), "ask": ask}
    research |= {} if max_calls is None else {"max_calls": max_calls}
    research |= {} if tokens is None else {"tokens": tokens}
    goal = asked[0] if len(asked) == 1 else f"{asked[0]} (and {len(asked) - 1} more)"
    plan: dict[str, Any] = {
        "goal": goal,
        # A question is no description of work: it does not drift from itself.
        "policy": {"drift": "off"},
        "phases": [{"id": PHASE, "research": research}],
    }
    if not sets_up:
        plan["setup"] = []
    return json.dumps(plan, ensure_ascii=False)
