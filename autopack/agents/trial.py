"""Trying a builder out: one tiny build in a scratch repository, and what it measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from autopack.agents.protocol import (
    Builder,
    BuildLimits,
    BuildRequest,
    BuildStatus,
)
from autopack.model.calls import (
    Exactness,
    ModelCall,
)
from autopack.model.ids import AttemptKey
from autopack.model.prices import price_of
from autopack.plan.plan import Models, PhaseSpec, Plan
from autopack.process.leftovers import marker_env
from autopack.process.supervisor import Supervisor
from autopack.workspace.git import Git

TRIAL = "autopack-check"
_FILE, _TEXT = "greeting.txt", "hello"


@dataclass(frozen=True)
class Trial:
    """What one build did. ``works``: the file is there with the right text."""

    works: bool
    status: BuildStatus
    summary: str
    seconds: float
    changed: tuple[str, ...]
    calls: tuple[ModelCall, ...]
    exactness: Exactness

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of `autopack builders check`."""
        prices = [price_of(call) for call in self.calls]
        known = [price.cost for price in prices if price is not None]
        exact = self.exactness is Exactness.EXACT
        nothing = self.exactness is Exactness.UNKNOWN
        return {
            "works": self.works,
            "status": self.status.value,
            "summary": self.summary,
            "seconds": round(self.seconds, 3),
            "changed": list(self.changed),
            "calls": len(self.calls),
            "tokens": None if nothing else sum(call.total for call in self.calls),
            "cost": float(sum(known, Decimal(0))) if exact and len(known) == len(prices) else None,
            "exactness": self.exactness.value,
        }


def trial_plan(model: str | None = None) -> Plan:
    """Return a plan of one phase, ``check``: write a file of one word."""
    check = f"import pathlib; assert pathlib.Path({_FILE!r}).read_text().strip() == {_TEXT!r}"
    return Plan(
        goal="Find out whether this builder works",
        models=Models(builder=model),
        phases=(
            PhaseSpec(
                id="check",
                instructions=f"Create the file {_FILE} with the one word {_TEXT} in it.",
                deliverables=(_FILE,),
                checks=((sys.executable, "-c", check),),
            ),
        ),
    )


async def try_builder(
    builder: Builder,
    *,
    folder: Path,
    environment: Mapping[str, str],
    model: str | None = None,
    seconds: float = 300.0,
    supervisor: Supervisor | None = None,
) -> Trial:
    """Build the trial plan in a repository below ``folder``. Raises BadInput like ``check``."""
    plan = trial_plan(model)
    builder.check(plan)
    worktree, spool = folder / "repository", folder / "spool"
    worktree.mkdir(parents=True)
    spool.mkdir(mode=0o700)
    git = Git(folder=worktree)
    git.run("init", "--quiet")
    git.run("commit", "--quiet", "--allow-empty", "--message", "Empty")
    phase = plan.phases[0]
    request = BuildRequest(
        run_id=TRIAL,
        phase_id=phase.id,
        attempt=1,
        build=1,
        goal=plan.goal,
        instructions=phase.instructions,
        worktree=worktree,
        spool=spool,
        model=model,
        deliverables=phase.deliverables,
        checks=phase.checks or (),
        limits=BuildLimits(seconds=seconds),
        environment={**environment, **marker_env(AttemptKey(TRIAL, phase.id, 1))},
    )
    began = time.monotonic()
    result = await builder.build(request, supervisor or Supervisor())
    took = time.monotonic() - began
    changed = git.run("status", "--porcelain", "--untracked-files=all").split("\n")
    written, spend = worktree / _FILE, builder.spend(spool)
    return Trial(
        works=written.is_file() and written.read_text(encoding="utf-8").strip() == _TEXT,
        status=result.status,
        summary=result.summary,
        seconds=took,
        changed=tuple(line[3:] for line in changed if line),
        calls=tuple(spend.calls),
        exactness=spend.exactness,
    )
