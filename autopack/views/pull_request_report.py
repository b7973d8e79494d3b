"""What a pull request says of the run that it is made of; the same run says the same."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from autopack.model.counted import counted
from autopack.runs.delivery.pull_request import Report
from autopack.views.board import simulated_text, tokens_text
from autopack.views.escaping import code, markdown, markdown_table, one_line
from autopack.views.run_view import changed_test_paths

_LONGEST_TITLE = 100
Json = Mapping[str, Any]


def report_of(run: Json, plan: Json, toolchains: Sequence[Json] | None) -> Report:
    """Return title and body for a run (the JSON of `show`), its stored plan and toolchains."""
    goal = one_line(run["goal"])
    lines = [markdown(goal), ""]
    for key, heading in (("success_criteria", "What it is to reach"), ("non_goals", "Not part")):
        if plan.get(key):
            lines += [f"**{heading}**", "", *(f"- {markdown(text)}" for text in plan[key]), ""]
    lines += [_phases(run, plan), "", "**Checks**", "", *_checks(run, plan, toolchains), ""]
    for phase in run["phases"]:
        paths = changed_test_paths(phase)
        if paths:
            listed = ", ".join(map(code, paths))
            lines += [f"Tests that {markdown(phase['phase_id'])} changed: {listed}", ""]
    lines += [_spend(run), "", _origin(run)]
    title = textwrap.shorten(goal, _LONGEST_TITLE, placeholder="…")
    return Report(title or run["run_id"], "\n".join(lines) + "\n")


def _phases(run: Json, plan: Json) -> str:
    tasks = {phase["id"]: phase["instructions"] for phase in plan["phases"]}
    rows = [
        (
            phase["phase_id"],
            textwrap.shorten(one_line(tasks.get(phase["phase_id"], "")), 100, placeholder="…"),
            phase["state"],
            str(phase["attempts"]),
            tokens_text(phase["tokens"], phase["unknown_builds"]),
        )
        for phase in run["phases"]
    ]
    return markdown_table(("phase", "task", "state", "attempts", "tokens"), rows, rule="   rr")


def _checks(run: Json, plan: Json, toolchains: Sequence[Json] | None) -> list[str]:
    """Return how each phase was judged: by which commands, and what the last look said."""
    inferred = [shlex.join(argv) for one in toolchains or () for argv in one.get("test") or ()]
    by_phase = {phase["id"]: phase.get("validate") for phase in plan["phases"]}
    lines: list[str] = []
    for phase in run["phases"]:
        own = by_phase.get(phase["phase_id"])
        texts = inferred if own is None else [shlex.join(argv) for argv in own]
        told = ", ".join(map(code, texts)) or "none"
        lines.append(f"- {markdown(phase['phase_id'])}: {told}")
    last_look: Json = run["final_check"] or {}
    outdated: Sequence[Json] = last_look.get("outdated") or ()
    if run["final_check"] is not None and not outdated:
        lines.append("- All of them passed once more on the last commit, in a fresh checkout.")
    lines += [
        f"- A check of {markdown(one['phase_id'])} no longer holds at the end: "
        f"{markdown(one['message'])}"
        for one in outdated
    ]
    return lines


def _spend(run: Json) -> str:
    tokens, cost = run["tokens"], run["cost"]
    money = "cost unknown" if cost is None else f"${cost:,.4f}"
    money += simulated_text(run["simulated_calls"], run["calls"])
    total = tokens_text(tokens["total"], tokens["unknown_builds"])
    attempts = sum(phase["attempts"] for phase in run["phases"])
    return f"**Spent** {total} tokens, {money}, in {counted(attempts, 'attempt')}."


def _origin(run: Json) -> str:
    model = f" with {code(run['model'])}" if run["model"] else ""
    return (
        f"Made by Autopack, run {code(run['run_id'])}: built by {code(run['builder'])}{model} on "
        f"{code(run['base_commit'][:12])}. Look it over before you merge it."
    )
