"""Registers an experiment before its first pair: everything resolved, hashed and laid out."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from autopack.agents.registry import DEFAULT_BUILDER, PATH_OPTIONS, make_builder
from autopack.experiments.definition import (
    PAIR,
    ArmSpec,
    Experiment,
    parse_experiment,
    treatments,
)
from autopack.experiments.protocol import AnalysisProtocol
from autopack.experiments.sequential import MIN_PLANS
from autopack.experiments.validity import ArmSettings, Declaration
from autopack.ledger.budgets import set_campaign
from autopack.model.budget import Limits
from autopack.model.errors import BadInput, SpecError
from autopack.model.features import Feature
from autopack.model.fingerprint import Treatment, digest
from autopack.plan.plan import DriftMode, Plan
from autopack.runs.prepare.prepare import RunRequest, read_plan, read_source
from autopack.runs.prepare.take_fingerprint import operator, option_files
from autopack.store.database.engine import Database
from autopack.store.experiments import (
    ExperimentRow,
    NewExperiment,
    PairRow,
    register,
    unfinished_test,
)
from autopack.store.folder_note import find_folder
from autopack.workspace.remote import Remote
from autopack.workspace.source import SourceRepository

ArmName = Literal["control", "treatment"]
ARM_NAMES: tuple[ArmName, ArmName] = ("control", "treatment")


@dataclass(frozen=True, kw_only=True)
class Registered:
    """An experiment as it was registered: all that carrying it out and judging it needs."""

    test_id: str
    protocol_hash: str
    repo: str
    commit: str
    declared: Experiment
    plans: dict[str, Plan]
    arms: dict[ArmName, ArmSpec]
    files: dict[ArmName, dict[str, str]]
    finished: bool
    stop_reason: str | None
    remote: Remote | None = None
    """Where its runs are pushed to: said whenever it is carried out, and no part of what it is."""

    @classmethod
    def of(cls, row: ExperimentRow) -> Registered:
        """The experiment that a row holds."""
        body = row.body
        declared = Experiment.model_validate(body["declared"])
        return cls(
            test_id=row.test_id,
            protocol_hash=row.protocol_hash,
            repo=row.repo,
            commit=row.commit_sha,
            declared=declared,
            plans={
                name: Plan.model_validate(plan, by_alias=True, by_name=False)
                for name, plan in body["plans"].items()
            },
            arms={name: ArmSpec.model_validate(body["arms"][name]) for name in ARM_NAMES},
            files={name: body["files"][name] for name in ARM_NAMES},
            finished=row.finished_at is not None,
            stop_reason=row.stop_reason,
        )

    def pushed_to(self, name: str | None) -> Registered:
        """The same, its runs pushed to that remote, which was looked at when it was registered.

        Raises BadInput naming the field ``push``, and RepositoryError.
        """
        if name is None:
            return self
        return replace(self, remote=Remote.named(name, SourceRepository.open(self.repo)))

    @property
    def differs(self) -> frozenset[Treatment]:
        """The declared treatment."""
        return treatments(self.arms["control"], self.arms["treatment"])

    @property
    def protocol(self) -> AnalysisProtocol:
        """How the pairs are analysed."""
        return protocol_of(self.declared)

    @property
    def campaign(self) -> str | None:
        """The budget that all runs share; None where none was declared."""
        return self.test_id if _is_limited(self.declared) else None

    def reserve(self, pair: PairRow) -> int:
        """The most tokens that both runs of a pair may spend."""
        return sum(_cap(self.arms[name], self.plans[pair.plan_name]) for name in ARM_NAMES)

    def request(self, pair: PairRow, arm: ArmName) -> RunRequest:
        """The run of one arm of a pair."""
        spec = self.arms[arm]
        on = None if spec.features is None else frozenset(spec.features)
        return RunRequest(
            plan=_text(self.plans[pair.plan_name]),
            repo=self.repo,
            commit=self.commit,
            builder=spec.builder,
            builder_options=spec.options_of(pair.number),
            model=spec.model,
            enable=() if on is None else tuple(sorted(on)),
            disable=() if on is None else tuple(sorted(set(Feature) - on)),
            token_cap=spec.budget.tokens,
            run_id=pair.control_run_id if arm == "control" else pair.treatment_run_id,
            campaign=self.campaign,
            prompt=spec.prompt,
            push=self.remote,
        )

    def declaration(self, pair: PairRow) -> Declaration:
        """What the runs of a pair were declared to be."""
        plan = self.plans[pair.plan_name]
        options = {name: self.arms[name].options_of(pair.number) for name in ARM_NAMES}
        named = {
            key
            for key in options["control"].keys() | options["treatment"].keys()
            if self.arms["control"].options.get(key) != self.arms["treatment"].options.get(key)
        }

        def settings(name: ArmName) -> ArmSettings:
            arm = self.arms[name]
            return ArmSettings(
                features=arm.features,
                builder=arm.builder or DEFAULT_BUILDER,
                options={key: value for key, value in options[name].items() if key in named},
                option_files=self.files[name],
                model=arm.model or plan.models.builder,
                prompt=arm.prompt,
                token_cap=_cap(arm, plan),
            )

        return Declaration(
            differs=self.differs, control=settings("control"), treatment=settings("treatment")
        )


def protocol_of(experiment: Experiment) -> AnalysisProtocol:
    """The declared choices of the analysis."""
    return AnalysisProtocol(
        ni_margin=experiment.ni_margin,
        seed=experiment.seed,
        monitored=True,
        max_pairs=experiment.planned,
        metrics=experiment.metrics,
        primary=experiment.primary,
        success_endpoint=experiment.success_endpoint,
        margin_alpha=experiment.margin_alpha,
    )


def register_experiment(
    source: str, *, db: Database, home: Path, push: str | None = None
) -> Registered:
    """Register the experiment at a path, a URL or in a text; it may be registered already.

    One of the same declaration that is not finished goes on from the commit it began at. Its
    repository is looked at from ``home`` to see that ``push`` takes its runs.
    Raises SpecError naming field and line, or another AutopackError naming what it speaks of.
    """
    text, name = read_source(source, what="spec")
    experiment = parse_experiment(text, name=name)
    base = Path.cwd() if name == "spec" or "://" in name else Path(name).absolute().parent
    plans = _plans(experiment, base)
    arms: dict[ArmName, ArmSpec] = {arm: _resolved(experiment.arm(arm), base) for arm in ARM_NAMES}
    files = {arm: _files(arms[arm]) for arm in ARM_NAMES}
    _check(experiment, plans, arms)
    repository = SourceRepository.open(_located(experiment.repo, base))
    repository.check_publishable()
    said = {
        **experiment.declaration(),
        "plans": {name: plan.plan_hash for name, plan in plans.items()},
        "repo": repository.location,
        "arms": {arm: arms[arm].model_dump(mode="json") for arm in ARM_NAMES},
        "files": files,
        "analysis": protocol_of(experiment).hash(),
    }
    spec_hash = digest(said)
    row = unfinished_test(db, spec_hash)
    commit = repository.resolve(experiment.commit) if row is None else row.commit_sha
    protocol_hash = digest([spec_hash, commit])
    test_id = f"{experiment.name or 'ab'}-{protocol_hash[:8]}"
    remote = None
    if push is not None:
        first, _ = _arm_ids(test_id, 1)
        remote = Remote.checked(
            push,
            repository,
            commit,
            home=home,
            run_id=first,
            name_here=find_folder(home, db, first).name,
        )
    if row is None:
        new = NewExperiment(
            test_id=test_id,
            spec_hash=spec_hash,
            protocol_hash=protocol_hash,
            repo=repository.location,
            commit_sha=commit,
            body={
                "declared": experiment.model_dump(mode="json"),
                "plans": {name: plan.to_dict() for name, plan in plans.items()},
                "arms": said["arms"],
                "files": files,
            },
            operator=operator(),
        )
        hashes = {name: plan.plan_hash for name, plan in plans.items()}
        row = register(db, new, lay_out(experiment, hashes, test_id))
    if _is_limited(experiment):
        budget = experiment.budget
        set_campaign(db, row.test_id, Limits(budget.tokens, budget.cost, budget.minutes))
    # How many pairs run at once is not part of what was registered.
    return replace(Registered.of(row), declared=experiment, remote=remote)


def lay_out(experiment: Experiment, plans: dict[str, str], test_id: str) -> list[PairRow]:
    """The planned pairs in order, from plan names and hashes: the seed decides it all.

    Every plan comes once before any comes again, in a new order each round, and a fair coin says
    which arm of a pair starts first.
    """
    dice = random.Random(f"order {experiment.seed}")  # noqa: S311
    planned: list[tuple[str, int]] = []
    for replicate in range(1, experiment.replicates + 1):
        names = list(plans)
        dice.shuffle(names)
        planned += [(name, replicate) for name in names]
    pairs: list[PairRow] = []
    for number, (name, replicate) in enumerate(planned[: experiment.planned], start=1):
        first = dice.choice(ARM_NAMES)
        control, treatment = _arm_ids(test_id, number)
        pairs.append(
            PairRow(
                test_id=test_id,
                number=number,
                plan_name=name,
                plan_hash=plans[name],
                replicate=replicate,
                first="together" if experiment.arms == "together" else first,
                control_run_id=control,
                treatment_run_id=treatment,
            )
        )
    return pairs


def _arm_ids(test_id: str, number: int) -> tuple[str, str]:
    """What the runs of a pair are called."""
    return f"{test_id}-{number:04d}-control", f"{test_id}-{number:04d}-treatment"


def cautions(registered: Registered) -> list[str]:
    """What an operator should know before the first pair is paid for."""
    found: list[str] = []
    planned = registered.declared.planned
    plans = min(len(registered.plans), planned)
    if plans < MIN_PLANS:
        found.append(
            f"a verdict needs at least {MIN_PLANS} plans and this experiment has {plans}: "
            "it can only end INSUFFICIENT"
        )
    if not registered.differs:
        found.append("the arms do not differ: this compares the agent with itself")
    return found


def _plans(experiment: Experiment, base: Path) -> dict[str, Plan]:
    """The plans by a name that is unique, in the order of the file."""
    plans: dict[str, Plan] = {}
    by_hash: dict[str, str] = {}
    for index, source in enumerate(experiment.plans):
        field = f"plans[{index}]"
        plan = read_plan(_located(source, base))
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


def _located(place: str, base: Path) -> str:
    """A path as seen from the file that names it; URLs stay as they are."""
    if "://" in place or (":" in place and not Path(base, place).exists()):
        return place
    return str(base / Path(place).expanduser())


def _resolved(arm: ArmSpec, base: Path) -> ArmSpec:
    """The arm with the paths in its options as seen from everywhere."""
    beside = {
        name: str(base / Path(value).expanduser()) if name in PATH_OPTIONS else value
        for name, value in arm.options.items()
    }
    return arm.model_copy(update={"options": beside})


def _files(arm: ArmSpec) -> dict[str, str]:
    """What the files that its options name hold; one for each pair is not known beforehand."""
    return option_files({key: value for key, value in arm.options.items() if PAIR not in value})


def _check(experiment: Experiment, plans: dict[str, Plan], arms: dict[ArmName, ArmSpec]) -> None:
    """Raise for what would only fail once pairs are being paid for."""
    for arm in ARM_NAMES:
        spec = arms[arm]
        name = spec.builder or DEFAULT_BUILDER
        if "/" in name:
            continue  # its block is read where the run is
        try:
            for plan in plans.values():
                model = spec.model or plan.models.builder
                make_builder(name, spec.options_of(1), model=model).check(plan)
        except BadInput as error:
            raise BadInput(
                f"{arm}: {error.message}",
                field=f"{arm}.{error.field}" if error.field else arm,
                hint=error.hint,
            ) from error
    cap = experiment.budget.tokens
    most = max(sum(_cap(arms[arm], plan) for arm in ARM_NAMES) for plan in plans.values())
    if cap is not None and most > cap:
        raise SpecError(
            f"budget.tokens: {cap:,} is less than the {most:,} that one pair may spend",
            field="budget.tokens",
            hint="raise it, or give the arms or the plans a smaller budget",
        )


def _cap(arm: ArmSpec, plan: Plan) -> int:
    return arm.budget.tokens or plan.budget.tokens


def _is_limited(experiment: Experiment) -> bool:
    budget = experiment.budget
    return any(limit is not None for limit in (budget.tokens, budget.cost, budget.minutes))


def _text(plan: Plan) -> str:
    """The plan as text that cannot be taken for a path."""
    return plan.to_json() + "\n"
