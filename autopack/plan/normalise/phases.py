"""Makes the phases of a plan from steps: not too many, scoped, ordered and named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from autopack.model.commands import (
    Command,
)
from autopack.plan.normalise.named_paths import Named
from autopack.plan.normalise.steps import Step
from autopack.plan.plan import PhaseSpec, Scope

MOST_PATHS = 50


def phases_of(
    steps: Sequence[Step],
    *,
    named: Sequence[Sequence[Named]],
    needs: Sequence[set[int]],
    forbidden: Named,
    context: str,
    checks: tuple[Command, ...] | None,
) -> tuple[PhaseSpec, ...]:
    """One phase for each of ``steps``.

    ``named`` has for each step the paths that each of its works names, ``needs`` the indices of
    the steps it depends on; ``forbidden`` and ``context`` hold for all of them.
    """
    ids = _ids(steps)
    return tuple(
        PhaseSpec(
            id=ids[index],
            instructions=_instructions(step, context),
            deliverables=tuple(
                path for each in names for path in each.new if not path.endswith("/")
            ),
            scope=_scope(names, forbidden),
            checks=checks,
            depends_on=tuple(ids[other] for other in sorted(needs[index])),
        )
        for index, (step, names) in enumerate(zip(steps, named, strict=True))
    )


def at_most(steps: Sequence[Step], most: int) -> list[Step]:
    """Return the steps, neighbours joined evenly where there are more than ``most``."""
    if len(steps) <= most:
        return list(steps)
    bounds = [len(steps) * part // most for part in range(most + 1)]
    return [_joined(steps[start:end]) for start, end in pairwise(bounds)]


def _joined(steps: Sequence[Step]) -> Step:
    titles = dict.fromkeys(step.title for step in steps if step.title)
    return Step(
        [work for step in steps for work in step.works],
        title=" and ".join(titles) or None,
        number=steps[0].number,
        details=[detail for step in steps for detail in step.details],
    )


def _instructions(step: Step, context: str) -> str:
    works = [work.text for work in step.works]
    lines = works if len(works) == 1 and not step.title else [f"- {text}" for text in works]
    parts = [f"{step.title}:"] if step.title else []
    parts += [*lines, *step.details]
    if context:
        parts += ["", "Context:", context]
    return "\n".join(parts)


def _scope(names: Sequence[Named], forbidden: Named) -> Scope:
    """Return the named paths, if each piece of work names one; else some would be out of its own
    scope.
    """
    paths = dict.fromkeys(path for each in names for path in each.scope)
    complete = all(each.scope for each in names)
    read_only = dict.fromkeys(
        path for each in (*names, forbidden) for path in each.read_only if path not in paths
    )
    return Scope(
        paths=tuple(paths)[:MOST_PATHS] if complete else (), read_only=tuple(read_only)[:MOST_PATHS]
    )


def _ids(steps: Sequence[Step]) -> list[str]:
    """Return a readable, unique id for each step."""
    ids: list[str] = []
    for number, step in enumerate(steps, start=1):
        words = re.findall(r"[a-z0-9]+", (step.title or step.works[0].text).lower())
        slug = "-".join(word for word in words if word not in ("a", "an", "the"))[:40].strip("-")
        slug = slug.rpartition("-")[0] if len(slug) == 40 and "-" in slug else slug
        candidate = slug or f"phase-{number}"
        ids.append(candidate if candidate not in ids else f"{candidate}-{number}")
    return ids
