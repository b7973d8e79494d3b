"""A first plan file, with comments that say what else may stand in it: `autopack plan init`."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from autopack.model.commands import Check
from autopack.plan.plan import PhaseSpec, Plan

_WIDTH = 96
_LONGEST_ID = 40


@dataclass(frozen=True)
class Outline:
    """What a first plan is made of: its goal, and what to do for it, a phase each."""

    goal: str
    phases: tuple[PhaseSpec, ...]
    criteria: tuple[str, ...] = ()
    non_goals: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan) -> Outline:
        """Return the outline of a plan that was made from text."""
        return cls(plan.goal, plan.ordered(), plan.success_criteria, plan.non_goals)

    @classmethod
    def of_tasks(cls, goal: str, tasks: Sequence[str]) -> Outline:
        """Return an outline with a phase for each task; for the goal itself where there is none."""
        ids: list[str] = []
        for task in tasks or [goal]:
            plain = phase_id(task)
            number = 2
            name = plain
            while name in ids:
                name, number = f"{plain}-{number}", number + 1
            ids.append(name)
        phases = [
            PhaseSpec(id=name, instructions=task)
            for name, task in zip(ids, tasks or [goal], strict=True)
        ]
        return cls(goal, tuple(phases))


def phase_id(text: str) -> str:
    """Return a phase id made of the first words of ``text``."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    name = ""
    for word in words:
        if len(name) + len(word) + 1 > _LONGEST_ID:
            break
        name = f"{name}-{word}" if name else word
    return name or (words[0][:_LONGEST_ID] if words else "phase-1")


def written(outline: Outline, checks: Sequence[Check]) -> str:
    """Return the text of a plan file; ``checks`` are those that the repository suggests."""
    lines = [
        "# A plan for Autopack: what to do, in phases, and what judges each of them.",
        "# Look it over with `autopack plan check`, and at what it would do with",
        "# `autopack run FILE --repo DIR --dry-run`.",
        "",
        "# What the plan is for, in a sentence.",
        f"goal: {_scalar(outline.goal)}",
        "",
    ]
    lines += _listed("success_criteria", outline.criteria, "What must be true at the end.")
    lines += _listed("non_goals", outline.non_goals, "What is out of scope.")
    lines += [
        "# Features that are on; see `autopack features`.",
        "# features: [failure_hardening]",
        "",
        "# The most that the run may spend.",
        "budget:",
        "  tokens: 1000000",
        "  # cost: 5.00        # US dollars",
        "  # minutes: 120",
        "",
        "phases:",
    ]
    for phase in outline.phases:
        lines += _phase(phase, checks)
    return "\n".join(lines) + "\n"


def _phase(phase: PhaseSpec, checks: Sequence[Check]) -> list[str]:
    lines = [f"  - id: {_scalar(phase.id)}", "    # What the agent is told to do."]
    if "\n" in phase.instructions or len(phase.instructions) > _WIDTH - 20:
        folded = _folded(phase.instructions)
        lines += ["    instructions: |", *(f"      {line}".rstrip() for line in folded)]
    else:
        lines.append(f"    instructions: {_scalar(phase.instructions)}")
    if phase.deliverables:
        lines.append(f"    deliverables: {_flow(phase.deliverables)}")
    else:
        lines.append("    # deliverables: [src/module.py]    # files that must exist afterwards")
    if phase.scope.paths or phase.scope.read_only:
        lines.append("    scope:")
        if phase.scope.paths:
            lines.append(f"      paths: {_flow(phase.scope.paths)}")
        if phase.scope.read_only:
            lines.append(f"      read_only: {_flow(phase.scope.read_only)}")
    else:
        lines.append("    # scope: {paths: [src/], read_only: [tests/]}    # what it may change")
    lines += _checks(phase, checks)
    if phase.depends_on:
        lines.append(f"    depends_on: {_flow(phase.depends_on)}")
    lines += ["    # approval: true    # a person has to approve before it starts", ""]
    return lines


def _checks(phase: PhaseSpec, checks: Sequence[Check]) -> list[str]:
    if phase.checks is not None:
        texts = [shlex.join(argv) for argv in phase.checks]
    elif all(check.path in ("", ".") for check in checks):
        texts = [shlex.join(check.argv) for check in checks]
    else:  # commands of a plan run at the top of the repository
        told = "; ".join(f"{shlex.join(one.argv)} in {one.path}" for one in checks)
        return [f"    # validate: left out, so that these are run: {told}"]
    if not texts:
        return [
            "    # The commands that must succeed. No tests were found here: name some.",
            "    # validate: [pytest -q]",
        ]
    return [
        "    # The commands that must succeed.",
        "    validate:",
        *(f"      - {_scalar(text)}" for text in texts),
    ]


def _listed(key: str, texts: Sequence[str], meaning: str) -> list[str]:
    if not texts:
        return [f"# {meaning}", f"# {key}: []", ""]
    return [f"# {meaning}", f"{key}:", *(f"  - {_scalar(text)}" for text in texts), ""]


def _folded(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.strip().splitlines():
        lines += textwrap.wrap(line, _WIDTH - 6, break_long_words=False) or [""]
    return lines


def _flow(texts: Sequence[str]) -> str:
    return yaml.safe_dump(
        list(texts), default_flow_style=True, width=10_000, allow_unicode=True
    ).strip()


def _scalar(text: str) -> str:
    """Return a text as YAML writes it in one line, quoted where it must be."""
    dumped = yaml.safe_dump(" ".join(text.split()), width=10_000, allow_unicode=True)
    return dumped.removesuffix("\n...\n").strip()
