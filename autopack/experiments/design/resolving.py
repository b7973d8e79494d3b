"""What an experiment file names, resolved, and everything that would only fail while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from autopack.agents.crew import Crew, as_models
from autopack.agents.registry import DEFAULT_BUILDER, absolute_options
from autopack.experiments.design.definition import PAIR, ArmSpec, Experiment
from autopack.experiments.design.layout import ARM_NAMES, ArmName
from autopack.model.errors import BadInput, SpecError
from autopack.model.features import kill_switches
from autopack.model.locations import expanded, is_there
from autopack.plan.plan import DriftMode, Plan
from autopack.runs.prepare.prepare import read_plan
from autopack.runs.prepare.priced_caps import check_prices
from autopack.runs.prepare.take_fingerprint import option_files
from autopack.settings import process_environment


def resolve_plans(experiment: Experiment, base: Path) -> dict[str, Plan]:
    """Return the plans by a name that is unique, in the order of the file."""
    plans: dict[str, Plan] = {}
    by_hash: dict[str, str] = {}
    for index, source in enumerate(experiment.plans):
        field = f"plans[{index}]"
        plan = read_plan(located(source, base, field))
        name = Path(source).stem
        if name in plans:
            name = f"{name}-{plan.plan_hash[:8]}"
        if plan.plan_hash in by_hash:
            raise SpecError(
                f"{field}: {source} is the same plan as {by_hash[plan.plan_hash]}",
                field=field,
                hint="use replicates to run a plan more than once",
            )
        waits = any(phase.approval for phase in plan.phases)
        if waits or plan.policy.drift is DriftMode.BLOCK:
            raise SpecError(
                f"{field}: {source} may wait for a person, which an experiment cannot",
                field=field,
                hint="leave out approval and policy.drift: block",
            )
        by_hash[plan.plan_hash] = source
        plans[name] = plan
    return plans


def located(place: str, base: Path, field: str) -> str:
    """Return a path as seen from the file that names it; URLs stay as they are.

    Raises BadInput naming ``field``.
    """
    if "://" in place or (":" in place and not is_there(base / place)):
        return place
    return str(base / expanded(place, field))


def resolved(arm: ArmSpec, base: Path) -> ArmSpec:
    """Return the arm with the paths in its options as seen from everywhere."""
    try:
        beside = absolute_options(arm.builder or DEFAULT_BUILDER, arm.options, base)
    except BadInput:
        return arm  # there is no such builder, which is told of where arms are checked
    return arm.model_copy(update={"options": beside})


def files_of(arm: ArmSpec) -> dict[str, str]:
    """Return what the files that its options name hold; one for each pair is not known
    beforehand.
    """
    return option_files({key: value for key, value in arm.options.items() if PAIR not in value})


def check(experiment: Experiment, plans: dict[str, Plan], arms: dict[ArmName, ArmSpec]) -> None:
    """Raise for what would only fail once pairs are being paid for."""
    for arm in ARM_NAMES:
        spec = arms[arm]
        _refuse_forced_off(arm, spec)
        name = spec.builder or DEFAULT_BUILDER
        if "/" in name:
            continue  # its block is read where the run is
        try:
            for plan in plans.values():
                models = as_models(spec.model or plan.models.builder)
                crew = Crew(plan, name, spec.options_of(1), models)
                crew.check()
                if experiment.budget.cost is not None:
                    check_prices(crew, "budget.cost")
        except BadInput as error:
            raise BadInput(
                f"{arm}: {error.message}",
                field=_field(arm, error.field),
                hint=error.hint,
            ) from error
    cap = experiment.budget.tokens
    most = most_of_a_pair(plans, arms)
    if cap is not None and most > cap:
        raise SpecError(
            f"budget.tokens: {cap:,} is less than the {most:,} that one pair may spend",
            field="budget.tokens",
            hint="raise it, or give the arms or the plans a smaller budget",
        )


def _field(arm: ArmName, field: str | None) -> str:
    """Return where in the file it is; the budget is of both arms."""
    return "budget.cost" if field == "budget.cost" else f"{arm}.{field}" if field else arm


def _refuse_forced_off(arm: ArmName, spec: ArmSpec) -> None:
    """Raise SpecError for a feature that the arm declares and the environment forces off."""
    off = kill_switches(process_environment())
    for feature in spec.features or ():
        if off[feature]:
            raise SpecError(
                f"{arm}.features: {feature} is forced off by {feature.variable}",
                field=f"{arm}.features",
                hint=f"unset {feature.variable}, or leave the feature out",
            )


def most_of_a_pair(plans: Mapping[str, Plan], arms: Mapping[ArmName, ArmSpec]) -> int:
    return max(sum(cap_of(arms[arm], plan) for arm in ARM_NAMES) for plan in plans.values())


def cap_of(arm: ArmSpec, plan: Plan) -> int:
    return arm.budget.tokens or plan.budget.tokens
