"""Registers an experiment before its first pair: everything resolved, hashed and laid out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autopack.agents.crew import as_models
from autopack.agents.registry import DEFAULT_BUILDER
from autopack.experiments.design.added_budget import add_budget, limits_of, parse_budget
from autopack.experiments.design.definition import (
    ArmSpec,
    Experiment,
    parse_experiment,
    treatments,
)
from autopack.experiments.design.differences import differences
from autopack.experiments.design.layout import ARM_NAMES, ArmName, lay_out
from autopack.experiments.design.replacement import replace_void
from autopack.experiments.design.resolving import (
    cap_of,
    check,
    files_of,
    located,
    most_of_a_pair,
    resolve_plans,
    resolved,
)
from autopack.experiments.recorded.validity import ArmSettings, Declaration
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.ledger.budget.budget_tree import set_campaign
from autopack.model.budget import Limits
from autopack.model.errors import BadInput
from autopack.model.features import Feature
from autopack.model.fingerprint import Treatment, digest
from autopack.plan.plan import Plan
from autopack.runs.prepare.prepare import RunRequest, read_source
from autopack.runs.prepare.take_fingerprint import operator
from autopack.secrecy.credentials import environment_secrets
from autopack.secrecy.refuse_keys import refuse_keys
from autopack.settings import process_environment
from autopack.store.database.engine import Database
from autopack.store.experiment_records import (
    ExperimentRow,
    NewExperiment,
    PairRow,
    find_test,
    get_pairs,
    newest_test,
    newest_unfinished_of,
    register,
    unfinished_test,
)
from autopack.store.folder_note import find_folder
from autopack.store.reading import find_run
from autopack.workspace.remote import Remote
from autopack.workspace.source import SourceRepository
from autopack.workspace.user.room import check_rooms


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
    limits: Limits = field(default_factory=Limits)
    """Of all pairs together: as declared, with what was added since."""
    remote: Remote | None = None
    """Where its runs are pushed to: said whenever it is carried out, and no part of what it is."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was found when it was registered that an operator should know."""

    @classmethod
    def of(cls, row: ExperimentRow) -> Registered:
        """Return the experiment that a row holds."""
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
            limits=limits_of(_declared_limits(declared), row.amendments),
        )

    def pushed_to(self, name: str | None) -> Registered:
        """Return the same, its runs pushed to that remote, which was looked at when it was
        registered.

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
        """Return the most tokens that both runs of a pair may spend."""
        return sum(cap_of(self.arms[name], self.plans[pair.plan_name]) for name in ARM_NAMES)

    def most_of_a_pair(self) -> int:
        """Return the most tokens that a pair of any plan may spend."""
        return most_of_a_pair(self.plans, self.arms)

    def request(self, pair: PairRow, arm: ArmName) -> RunRequest:
        """Return the run of one arm of a pair."""
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
        """Return what the runs of a pair were declared to be."""
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
                model=as_models(arm.model or plan.models.builder)[0],
                prompt=arm.prompt,
                token_cap=cap_of(arm, plan),
            )

        return Declaration(
            differs=self.differs, control=settings("control"), treatment=settings("treatment")
        )


def protocol_of(experiment: Experiment) -> AnalysisProtocol:
    """Return the declared choices of the analysis."""
    return AnalysisProtocol(
        ni_margin=experiment.ni_margin,
        seed=experiment.seed,
        monitored=True,
        max_pairs=experiment.planned,
        metrics=experiment.metrics,
        primary=experiment.primary,
        success_endpoint=experiment.success_endpoint,
        margin_alpha=experiment.margin_alpha,
        min_pairs=experiment.min_pairs,
        earlier_days=experiment.earlier_days,
        replicated_others=experiment.replicated_others,
    )


def register_experiment(
    source: str,
    *,
    db: Database,
    home: Path,
    push: str | None = None,
    more_budget: Collection[str] = (),
    void_again: bool = False,
) -> Registered:
    """Register the experiment at a path, a URL or in a text; it may be registered already.

    One of the same declaration that is not finished goes on from the commit it began at, and so
    does one that is given ``more_budget`` or is to run its void pairs again. Its repository is
    looked at from ``home`` to see that ``push`` takes its runs.
    Raises SpecError naming field and line, or another AutopackError naming what it speaks of.
    """
    text, name = read_source(source, what="spec")
    experiment = parse_experiment(text, name=name)
    base = Path.cwd() if name == "spec" or "://" in name else Path(name).absolute().parent
    plans = resolve_plans(experiment, base)
    arms: dict[ArmName, ArmSpec] = {arm: resolved(experiment.arm(arm), base) for arm in ARM_NAMES}
    files = {arm: files_of(arms[arm]) for arm in ARM_NAMES}
    check(experiment, plans, arms)
    repository = SourceRepository.open(located(experiment.repo, base, "repo"))
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
    body: dict[str, Any] = {
        "declared": experiment.model_dump(mode="json"),
        "plans": {name: plan.to_dict() for name, plan in plans.items()},
        "arms": said["arms"],
        "files": files,
    }
    refuse_keys(body["declared"] | body, environment_secrets(process_environment()))
    more = parse_budget(more_budget)
    row = unfinished_test(db, spec_hash)
    if row is None and (more is not None or void_again):
        row = newest_test(db, spec_hash)
        if row is None:
            raise _nothing_to_continue(db, experiment, repository, body)
    commit = repository.resolve(experiment.commit) if row is None else row.commit_sha
    protocol_hash = digest([spec_hash, commit])
    test_id = f"{experiment.name or 'ab'}-{protocol_hash[:8]}"
    notes = _why_another(db, experiment, repository, body) if row is None else []
    row = row or find_test(db, test_id)
    hashes = {name: plan.plan_hash for name, plan in plans.items()}
    pairs = lay_out(experiment, hashes, test_id) if row is None else get_pairs(db, row.test_id)
    remote = _check_room(db, repository, commit, pairs, push, home=home, is_new=row is None)
    if row is None:
        new = NewExperiment(
            test_id=test_id,
            spec_hash=spec_hash,
            protocol_hash=protocol_hash,
            repo=repository.location,
            commit_sha=commit,
            body=body,
            operator=operator(),
        )
        row = register(db, new, pairs)
    if more is not None:
        row = add_budget(db, row, more, _declared_limits(experiment))
    if void_again:
        row = replace_void(db, row)
    registered = Registered.of(row)
    if _is_limited(experiment):
        set_campaign(db, row.test_id, registered.limits)
    # How many pairs run at once is not part of what was registered; everything else stays as it
    # was, also where a default has become another since.
    declared = registered.declared.model_copy(update={"concurrency": experiment.concurrency})
    return replace(registered, declared=declared, remote=remote, notes=tuple(notes))


def _why_another(
    db: Database, experiment: Experiment, repository: SourceRepository, body: dict[str, Any]
) -> list[str]:
    """That an experiment of the same name is under way, and what makes this one another."""
    other = newest_unfinished_of(db, repository.location, experiment.name or "ab")
    if other is None:
        return []
    found = differences(other.body, body)
    pairs = get_pairs(db, other.test_id)
    run = sum(pair.finished_at is not None for pair in pairs)
    if not run or not found:
        return []
    return [
        f"this is another experiment than {other.test_id}, of which {run} of {len(pairs)} pairs "
        f"have run: {'; '.join(found)}. Undo that to resume it"
    ]


def _nothing_to_continue(
    db: Database, experiment: Experiment, repository: SourceRepository, body: dict[str, Any]
) -> BadInput:
    why = _why_another(db, experiment, repository, body)
    return BadInput(
        why[0] if why else "there is no experiment of this file to resume",
        field="spec",
        hint="run it without --add-budget and --replace-void to begin one",
    )


def _check_room(
    db: Database,
    repository: SourceRepository,
    commit: str,
    pairs: Sequence[PairRow],
    push: str | None,
    *,
    home: Path,
    is_new: bool,
) -> Remote | None:
    """Raise for a run of any pair whose id or branch is taken, before the first one is paid for.

    The remote of the runs, which takes them.
    """
    ids = [run_id for pair in pairs for run_id in pair.runs]
    known = {run_id for run_id in ids if find_run(db, run_id) is not None}
    if is_new and known:
        raise BadInput(
            f"there is a run {min(known)} already, which is of no pair of this experiment",
            field="name",
            hint="give the experiment another name",
        )
    new = [run_id for run_id in ids if run_id not in known]
    check_rooms(repository, new, commit)
    if push is None:
        return None
    first = new[0] if new else ids[0]
    name_here = find_folder(home, db, first).name
    remote = Remote.checked(
        push,
        repository,
        commit,
        home=home,
        run_id=first,
        name_here=name_here,
        is_new=bool(new),
    )
    remote.check_branches(repository, new, home=home)
    return remote


def _declared_limits(experiment: Experiment) -> Limits:
    budget = experiment.budget
    return Limits(budget.tokens, budget.cost, budget.minutes)


def _is_limited(experiment: Experiment) -> bool:
    budget = experiment.budget
    return any(limit is not None for limit in (budget.tokens, budget.cost, budget.minutes))


def _text(plan: Plan) -> str:
    """Return the plan as text that cannot be taken for a path."""
    return plan.to_json() + "\n"
