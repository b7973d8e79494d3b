"""From text to a plan: reads, groups, orders, scopes and weighs, or refuses with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autopack.model.commands import (
    Command,
)
from autopack.model.counted import counted
from autopack.model.errors import PlanError
from autopack.plan.normalise.blocks import Block, Kind, read_blocks
from autopack.plan.normalise.categories import category
from autopack.plan.normalise.check_commands import (
    is_only_a_check,
    looks_like_a_check,
    named_commands,
)
from autopack.plan.normalise.confidence import confidence, confidence_parts
from autopack.plan.normalise.genres import genre
from autopack.plan.normalise.hazards import hazards
from autopack.plan.normalise.issue import as_markdown
from autopack.plan.normalise.lists import only_work
from autopack.plan.normalise.named_paths import Files, named_paths
from autopack.plan.normalise.phases import MOST_PATHS, at_most, phases_of
from autopack.plan.normalise.sections import Placed, placed, texts_of
from autopack.plan.normalise.step_order import dependencies
from autopack.plan.normalise.steps import Step, find_steps
from autopack.plan.normalise.titles import Role
from autopack.plan.normalise.written_out import embedded_plan
from autopack.plan.plan import Plan, RunBudget
from autopack.toolchains.detect import inferred_checks
from autopack.toolchains.toolchain import Detected
from autopack.toolchains.tree import Tree

CONFIDENCE_THRESHOLD = 0.7
MOST_DELIVERABLES = 20
MOST_PHASES = 10
TOKENS = 420_000
"""What a plan made from free text may spend."""

_GENERIC_TITLES = re.compile(r"(?:the )?(?:plan|to-?dos?|tasks?|notes?|steps|work|ideas?)", re.I)
_LONGEST_GOAL = 300
_LONGEST_CONTEXT = 1_500


class NotNormalised(PlanError):
    """The text cannot be turned into a plan that is worth running; the message says why."""

    kind = "not_normalised"


@dataclass(frozen=True)
class Normalised:
    """A plan made from text, and how much it can be trusted."""

    plan: Plan
    deliverables: tuple[str, ...]
    category: str
    scope: tuple[str, ...]
    validation: tuple[Command, ...]
    confidence: float
    confidence_parts: dict[str, float]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As ``autopack plan normalise --json`` prints it; the plan can be saved and run."""
        return {
            "plan": self.plan.model_dump(mode="json", by_alias=True, exclude_none=True),
            "deliverables": list(self.deliverables),
            "category": self.category,
            "scope": list(self.scope),
            "validation": [list(argv) for argv in self.validation],
            "confidence": self.confidence,
            "confidence_parts": self.confidence_parts,
            "warnings": list(self.warnings),
        }


def normalise(
    text: str, *, root: Path | None, detected: Sequence[Detected], name: str = ""
) -> Normalised:
    """Turn ``text`` into a plan for the repository at ``root`` with its toolchains.

    ``name`` is the file's. A plan written out in the text is used as it is. Raises NotNormalised
    when the text is no plan, asks for nothing, or nothing safe can judge the work; PlanError when
    a written plan is wrong. Whether the result is good enough to run is up to ``accept``.
    """
    text = as_markdown(text)
    blocks = read_blocks(text)
    inferred = tuple(check.argv for check in inferred_checks(detected))
    written = embedded_plan(text, blocks)
    if written is not None:
        return _as_written(written, inferred)
    instead = genre(blocks, name=name)
    if instead is not None:
        raise NotNormalised(
            f"no deliverables found: the text reads as {instead}, not as a plan",
            field="deliverables",
            hint="write down what shall be changed, one item a line, under a heading such as Tasks",
        )
    parts, put_aside = only_work([_checks_apart(each) for each in placed(blocks)])
    files = Files.of(Tree.scan(root) if root else None)
    steps = find_steps(parts, files)
    if not steps:
        raise NotNormalised(
            "no deliverables found: the text asks for nothing that could be checked",
            field="deliverables",
            hint="say what shall be there afterwards, one item a line: - Add …",
        )
    named, unsafe = named_commands("\n".join(_validating(parts)))
    if not named and not inferred:
        raise NotNormalised(
            "no safe validation found: the text names no test command and the repository has no "
            "toolchain with tests",
            field="validation",
            hint="name a command such as `pytest -q` in the text",
        )
    read = _Read(
        blocks,
        parts,
        files,
        checks=named or None,
        validation=named or inferred,
        sure=1.0 if named else max((d.confidence for d in detected if d.test), default=0.5),
        unsafe=unsafe,
        put_aside=put_aside,
    )
    return _built(steps, read)


def accept(found: Normalised, *, threshold: float = CONFIDENCE_THRESHOLD) -> Plan:
    """Return the plan, when its confidence reaches ``threshold``; raises NotNormalised
    otherwise.
    """
    if found.confidence >= threshold:
        return found.plan
    weakest = min(found.confidence_parts, key=lambda name: found.confidence_parts[name])
    raise NotNormalised(
        f"confidence {found.confidence:.2f} is below {threshold:.2f}, above all for {weakest}",
        field=weakest,
        hint="be more specific, or accept it as it is with --accept-low-confidence",
    )


def _as_written(plan: Plan, inferred: tuple[Command, ...]) -> Normalised:
    texts = [phase.instructions for phase in plan.phases]
    paths = dict.fromkeys(path for phase in plan.phases for path in phase.scope.paths)
    checks = dict.fromkeys(argv for phase in plan.phases for argv in phase.checks or ())
    dangers = hazards("\n".join(texts))
    return Normalised(
        plan=plan,
        deliverables=tuple(texts[:MOST_DELIVERABLES]),
        category=category("\n".join([plan.goal, *texts])),
        scope=tuple(paths)[:MOST_PATHS],
        validation=tuple(checks) or inferred,
        confidence=0.5 if dangers else 1.0,
        confidence_parts={"written": 1.0, "safety": 0.0 if dangers else 1.0},
        warnings=tuple(dangers),
    )


@dataclass(frozen=True)
class _Read:
    """What a text says besides its steps.

    ``checks`` are those that it names, ``validation`` those that will judge, and ``sure`` is how
    certain that is; ``unsafe`` are commands that are no known check,
    and ``put_aside`` says what else was left out.
    """

    blocks: tuple[Block, ...]
    parts: Sequence[Placed]
    files: Files
    checks: tuple[Command, ...] | None
    validation: tuple[Command, ...]
    sure: float
    unsafe: tuple[str, ...]
    put_aside: list[str]


def _built(steps: list[Step], read: _Read) -> Normalised:
    parts, files = read.parts, read.files
    merged = at_most(steps, MOST_PHASES)
    needs, warnings = dependencies(merged)
    dangers = hazards("\n".join([step.text + "\n" + "\n".join(step.details) for step in merged]))
    warnings += [*dangers, *read.put_aside]
    if len(merged) < len(steps):
        warnings.append(f"{counted(len(steps), 'step')} were joined into {MOST_PHASES} phases")
    warnings += [f"`{command}` was skipped: it is not a known check" for command in read.unsafe]
    works = [work for step in merged for work in step.works]
    if len(works) > MOST_DELIVERABLES:
        warnings.append(
            f"only the first {MOST_DELIVERABLES} of {len(works)} deliverables are listed"
        )
    forbidden = named_paths("do not change " + " ".join(texts_of(parts, Role.NON_GOALS)), files)
    named = [[named_paths(work.text, files) for work in step.works] for step in merged]
    doubts = [warning for names in named for each in names for warning in each.warnings]
    scope = tuple(dict.fromkeys(path for names in named for each in names for path in each.scope))
    if not scope:
        warnings.append("no file is named: the phases may change the whole repository")
    elif len(scope) > MOST_PATHS:
        warnings.append(f"only the first {MOST_PATHS} of {len(scope)} named paths are listed")
    weighed = confidence_parts(
        works, scope=scope, doubts=len(doubts), validation=read.sure, dangers=len(dangers)
    )
    return Normalised(
        plan=Plan(
            goal=_goal(read.blocks, parts, merged),
            success_criteria=tuple(texts_of(parts, Role.CRITERIA)),
            non_goals=tuple(texts_of(parts, Role.NON_GOALS)),
            budget=RunBudget(tokens=TOKENS, phases=MOST_PHASES),
            phases=phases_of(
                merged,
                named=named,
                needs=needs,
                forbidden=forbidden,
                context=_context(parts, steps),
                checks=read.checks,
            ),
        ),
        deliverables=tuple(work.text for work in works[:MOST_DELIVERABLES]),
        category=category("\n".join(step.text for step in merged)),
        scope=scope[:MOST_PATHS],
        validation=read.validation,
        confidence=confidence(weighed),
        confidence_parts=weighed,
        warnings=tuple(dict.fromkeys([*warnings, *doubts])),
    )


def _checks_apart(each: Placed) -> Placed:
    """Take what only asks for a check as validation, under whatever heading."""
    is_check = each.block.kind is not Kind.CODE and is_only_a_check(each.block.text)
    return replace(each, role=Role.VALIDATION) if is_check else each


def _validating(parts: Iterable[Placed]) -> list[str]:
    """Return the texts that may name checks: all inline code, and whole lines about validation."""
    texts: list[str] = []
    for each in parts:
        if each.block.kind is not Kind.CODE:
            whole = each.role is Role.VALIDATION and looks_like_a_check(each.block.text)
            texts.append(f"`{each.block.text}`" if whole else each.block.text)
        elif each.role is Role.VALIDATION:
            texts += [f"`{line.strip()}`" for line in each.block.text.splitlines() if line.strip()]
    return texts


def _goal(blocks: tuple[Block, ...], parts: Sequence[Placed], steps: Sequence[Step]) -> str:
    """Return what the text calls its goal, else its title, else what the steps amount to."""
    told = " ".join(texts_of(parts, Role.GOAL))
    title = next((b.text for b in blocks if b.kind is Kind.HEADING and b.level == 1), "")
    if _GENERIC_TITLES.fullmatch(title):
        title = ""
    amounts_to = "; ".join(step.title or step.works[0].text.rstrip(".") for step in steps)
    goal = told or title or amounts_to
    return goal if len(goal) <= _LONGEST_GOAL else goal[: _LONGEST_GOAL - 1] + "…"


def _context(parts: Sequence[Placed], steps: Sequence[Step]) -> str:
    """Return what the text tells besides work, for every phase's instructions."""
    first = min((work.line for step in steps for work in step.works), default=0)
    titles = {step.title for step in steps}
    texts = [
        each.block.text
        for each in parts
        if each.role is Role.CONTEXT
        or (
            each.role is Role.WORK
            and each.block.line < first
            and each.block.text.rstrip(":") not in titles
        )
    ]
    return "\n".join(texts)[:_LONGEST_CONTEXT]
