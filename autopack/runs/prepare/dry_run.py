"""Telling what a run would do: everything is checked, nothing is started and nothing stays."""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from autopack.agents.crew import Crew, run_ladder
from autopack.clock import Clock
from autopack.ledger.budget.budget_tree import campaign_level
from autopack.ledger.expected import expected_spend
from autopack.model.commands import Command
from autopack.plan.plan import PhaseSpec, Plan
from autopack.runs.prepare.prepare import RunRequest, check_request, checkout
from autopack.settings import SANDBOX, Settings
from autopack.store.database.engine import Database
from autopack.store.runs import NewRun
from autopack.toolchains.detect import detect, inferred_checks, inferred_setup

Json = dict[str, Any]
_PROBED = ("installed", "version", "access", "hint")


def dry_run(request: RunRequest, *, db: Database, settings: Settings, clock: Clock) -> Json:
    """Return what `run` would do with the request: phases, checks, environment, caps and spend.

    Clones and checkouts are made in a folder that is gone afterwards. Raises an AutopackError
    where `run` would.
    """
    with tempfile.TemporaryDirectory(prefix="autopack-dry-run-") as folder:
        apart = replace(settings, home=Path(folder).resolve())
        new, _, made = check_request(request, db=db, settings=apart, clock=clock)
        source = request.repository()
        with checkout(db, apart, source, new.base_commit, new.run_id) as root:
            detected = detect(root)
    plan = Plan.model_validate(new.plan_body, by_alias=True)
    ladder = run_ladder(new.models, new.model)
    crew = Crew(plan, new.builder, request.builder_options, ladder, request.builder_secrets)
    checks = [(check.path, check.argv) for check in inferred_checks(detected)]
    setup = [(one.path, one.argv) for one in inferred_setup(detected)]
    if plan.setup is not None:
        setup = [("", argv) for argv in plan.setup]
    builds = sum(phase.research is None for phase in plan.phases)
    expected = expected_spend(
        db, phases=builds, builder=new.builder, model=new.model, repo=new.repo
    )
    return {
        "dry_run": True,
        "goal": plan.goal,
        "repo": new.repo,
        "base_commit": new.base_commit,
        "branch": new.branch if request.run_id else None,
        "builder": _builder(new, crew),
        "features": list(new.features),
        "policy": plan.policy.model_dump(mode="json"),
        "phases": [_phase(crew, phase, checks) for phase in plan.ordered()],
        "environment": {
            "toolchains": [f"{one.name}/{one.manager}" for one in detected],
            "setup": [_command(*one) for one in setup],
            "setup_inferred": plan.setup is None,
            "sandbox": SANDBOX.of(),
        },
        "caps": _caps(new, db),
        "expected": expected.as_json(),
        "confidence": None if made is None else made[1].confidence,
        "warnings": [] if made is None else list(made[1].warnings),
    }


def _builder(new: NewRun, crew: Crew) -> Json:
    own = [place for place, _, phases in crew.everyone() if crew.is_own(phases[0])]
    if not own:  # every phase names another
        return {"name": new.builder, "model": new.model} | dict.fromkeys(_PROBED)
    probe = asdict(own[0].builder.probe())
    return {
        "name": new.builder,
        "model": new.model or probe["model"] or own[0].builder.model,
        **{name: probe[name] for name in _PROBED},
    }


def _phase(crew: Crew, phase: PhaseSpec, inferred: list[tuple[str, Command]]) -> Json:
    is_judged = phase.research is None
    checks = inferred if phase.checks is None else [("", argv) for argv in phase.checks]
    return {
        "phase_id": phase.id,
        "tier": phase.tier,
        "builder": crew.name if crew.is_own(phase) else phase.builder,
        "models": [model for model in crew.ladder(phase) if model is not None],
        "depends_on": list(phase.depends_on),
        "checks": [_command(*one) for one in checks] if is_judged else [],
        "checks_inferred": is_judged and phase.checks is None,
        "scope": list(phase.scope.paths),
        "approval": phase.approval,
        "budget": phase.budget.model_dump(mode="json"),
        "research": phase.research and phase.research.model_dump(mode="json"),
    }


def _command(path: str, argv: Command) -> str:
    text = shlex.join(argv)
    return f"{text} (in {path})" if path not in ("", ".") else text


def _caps(new: NewRun, db: Database) -> Json:
    above = None if new.campaign_id is None else campaign_level(db, new.campaign_id)
    return {
        "tokens": new.token_cap,
        "cost": None if new.cost_cap is None else float(new.cost_cap),
        "minutes": new.minutes_cap,
        "at_cap": new.at_cap,
        "campaign": None
        if above is None
        else {
            "name": above.name,
            "tokens": above.limits.tokens,
            "tokens_spent": above.spent.told,
            "cost": None if above.limits.cost is None else float(above.limits.cost),
            "cost_spent": None if above.spent.whole_cost is None else float(above.spent.whole_cost),
        },
    }
