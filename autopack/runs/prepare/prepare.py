"""Turning a request into a stored run, after checking everything that can be wrong with it."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from autopack.agents.crew import Crew, as_models, stored_models
from autopack.agents.registry import DEFAULT_BUILDER, absolute_options
from autopack.clock import Clock
from autopack.failpoints import Step, durable
from autopack.ledger.budget.budget_tree import campaign_level, check_period
from autopack.model.budget import check_cap
from autopack.model.errors import BadInput, PlanError
from autopack.model.features import Feature, resolve_features
from autopack.model.ids import check_id, new_run_id
from autopack.model.locations import expanded
from autopack.plan.defaults import Defaults
from autopack.plan.load import MAX_BYTES, is_plain_text, parse_plan, read_plan_text
from autopack.plan.normalise import Normalised, NotNormalised, accept, normalise
from autopack.plan.plan import DoctorMode, Plan, PullRequestMode
from autopack.process import sandbox
from autopack.process.child_environment import passed_on_purpose
from autopack.repair.patterns.pattern_files import of_commit
from autopack.repair.patterns.pattern_registry import enabled_patterns
from autopack.runs.delivery.pull_request import check_pull_request
from autopack.runs.prepare.check_research import check_research
from autopack.runs.prepare.priced_caps import check_prices
from autopack.secrecy.addresses import read_text
from autopack.secrecy.credentials import known_secrets
from autopack.secrecy.refuse_keys import refuse_keys
from autopack.settings import CONTEXT_BUDGET, CONTEXT_MODE, Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.holders import Holder
from autopack.store.mitigations import record_normalisation
from autopack.store.runs import NewRun, RunRow, check_same, create_run, find_run
from autopack.toolchains.detect import detect, inferred_checks, unsupported_language
from autopack.workspace.mirror import Mirror
from autopack.workspace.remote import Remote
from autopack.workspace.source import SourceRepository
from autopack.workspace.user.room import check_room
from autopack.workspace.workspace import Workspace

_START_LEASES = 10
"""For how many lengths of a lease a process may be about to take a run that it stored."""

AT_CAP = ("fail", "ask")


@dataclass(frozen=True)
class RunRequest:
    """What a user asks for. ``plan`` is a path, a URL, or the text of a plan file.

    ``commit`` is any revision, HEAD when None. ``token_cap`` overrides the plan's.
    ``campaign`` names the budget that the run shares with others. ``prompt`` is what builders are
    told beyond their tasks. ``push`` is the remote that the run is pushed to as it goes: its name
    in the repository, a folder or a URL, which is checked, or a Remote, which has been.
    ``pr`` is off, draft or ready, and beats the plan's.
    ``builder_secrets`` are options of the builder that are used but never stored. ``defaults``
    are the repository's, for what the plan does not say either. ``opened`` is the repository where
    it was opened a moment ago.
    """

    plan: str
    repo: str
    commit: str | None = None
    builder: str | None = None
    builder_options: Mapping[str, str] = field(default_factory=dict[str, str])
    model: str | None = None
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    token_cap: int | None = None
    at_cap: str = "fail"
    run_id: str | None = None
    campaign: str | None = None
    prompt: str | None = None
    push: str | Remote | None = None
    pr: str | None = None
    builder_secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    defaults: Defaults | None = None
    opened: SourceRepository | None = field(default=None, repr=False, compare=False)

    def repository(self) -> SourceRepository:
        """Return the repository. Raises RepositoryError when it cannot be used."""
        return self.opened or SourceRepository.open(self.repo)


def read_plan(source: str) -> Plan:
    """Read a plan from a path, an http(s) URL or its own text.

    Raises PlanError naming the field and, where there is one, the line.
    """
    text, name = read_source(source)
    return parse_plan(text, name=name)


def read_source(source: str, *, what: str = "plan") -> tuple[str, str]:
    """Return the text at a path or an http(s) URL, or the text itself, and what errors call it.

    ``what`` names the kind of file. A URL is read within bounds of size and time. Raises NotFound
    or PlanError.
    """
    if source.startswith(("http://", "https://")):
        try:
            return read_text(source, most_bytes=MAX_BYTES, field=what), source
        except BadInput as error:
            raise PlanError(error.message, field=what, hint=error.hint) from error
    if "\n" in source or source.lstrip().startswith("{"):  # JSON may be a single line
        return source, what
    path = expanded(source, what)
    return read_plan_text(path, what=what), str(path)


def prepare_run(
    request: RunRequest,
    *,
    db: Database,
    settings: Settings,
    clock: Clock,
    starter: Holder | None = None,
) -> RunRow:
    """Check the request and store the run; the same request with the same id is stored once.

    ``starter`` is the process that will have it executed: see `create_run`.
    Raises an AutopackError that names the field at fault; then nothing has been stored.
    """
    new, phases, made = check_request(request, db=db, settings=settings, clock=clock)
    run_id = new.run_id
    with durable(Step.RUN_STORED):
        return create_run(
            db,
            new,
            phases,
            starter=starter,
            seconds=_START_LEASES * settings.lease_seconds,
            also=None if made is None else lambda conn: record_normalisation(conn, run_id, *made),
        )


def check_request(
    request: RunRequest, *, db: Database, settings: Settings, clock: Clock
) -> tuple[NewRun, list[tuple[str, str]], tuple[str, Normalised] | None]:
    """Return the run that a request asks for, its phases with their tiers, and what text it came
    from.

    Stores nothing. Raises an AutopackError that names the field at fault.
    """
    run_id = check_id(request.run_id, "run_id") if request.run_id else new_run_id(clock.now())
    if request.token_cap is not None:
        check_cap(request.token_cap, "token_cap")
    if request.at_cap not in AT_CAP:
        raise BadInput(
            f"invalid at_cap: {request.at_cap!r}", field="at_cap", hint="choose fail or ask"
        )
    campaign = None if request.campaign is None else campaign_level(db, request.campaign)
    if campaign is not None and _stored_commit(db, request.run_id) is None:
        check_period(campaign)
    above = None if campaign is None else campaign.limits.cost
    plan, made = _plan_of(request, db=db, settings=settings, run_id=run_id)
    if request.defaults is not None:
        is_default = request.defaults.builder in (None, request.builder)
        own = is_default and "model" not in request.builder_options
        plan = request.defaults.under(plan, own_builder=own, from_text=made is not None)
    listed = [*plan.features, *_by_policy(request, plan)]
    features = _features(request, listed)
    if made is not None:
        features |= {Feature.PLAN_NORMALIZATION}
    if Feature.CONTEXT_PACK in features:
        from autopack.context.context_pack import BudgetMode, PackLimits  # only with its feature

        PackLimits(int(CONTEXT_BUDGET.of()), BudgetMode(CONTEXT_MODE.of())).check()
    if plan.policy.doctor is DoctorMode.API:
        from autopack.repair.doctor.api_doctor import ApiDoctor  # only with its extra

        ApiDoctor.of(plan.models)
    builder_name = request.builder or DEFAULT_BUILDER
    models = as_models(request.model or plan.models.builder)
    crew = Crew(plan, builder_name, request.builder_options, models, request.builder_secrets)
    crew.check()
    asked = plan.to_dict() | {"prompt": request.prompt, "plan": None if made is None else made[0]}
    hidden = [*request.builder_secrets.values(), *crew.hidden()]
    refuse_keys(asked, known_secrets(process_environment(), request.builder_options, hidden))
    check_research(crew)
    if (plan.budget.cost is not None or above is not None) and request.at_cap == "fail":
        field = "budget.cost" if plan.budget.cost is not None else "campaign"
        check_prices(crew, field)
    sandbox.required(process_environment())
    passed_on_purpose(process_environment())
    source = request.repository()
    stored = _stored_commit(db, request.run_id)
    base_commit = source.resolve(request.commit or stored)
    if Feature.FAILURE_HARDENING in features:
        # Of a URL the repository is not here yet; its patterns are read when the run begins.
        there = () if source.is_url else of_commit(source.git, base_commit)
        enabled_patterns(process_environment(), there)
    if stored is None:
        check_room(source, run_id, base_commit)
    if any(phase.checks is None for phase in plan.phases):
        _refuse_unchecked(plan, db, settings, source, base_commit, run_id)
    push = request.push
    if isinstance(push, str):
        push = Remote.checked(
            push,
            source,
            base_commit,
            home=settings.home,
            run_id=run_id,
            name_here=find_folder(settings.home, db, run_id).name,
            is_new=stored is None,
        )
    pr = _pull_request(request, plan)
    if pr is not None:
        mirror = Mirror.open(
            settings.home, source, alias=(run_id, find_folder(settings.home, db, run_id).name)
        )
        mirror.ensure(base_commit, run_id)
        to = push.name if push is not None else None
        check_pull_request(source, to, mirror, base_commit, run_id)
    new = NewRun(
        run_id=run_id,
        plan_hash=plan.plan_hash,
        plan_body=plan.to_dict(),
        goal=plan.goal,
        repo=source.location,
        base_commit=base_commit,
        branch=f"autopack/{run_id}",
        builder=builder_name,
        builder_options=absolute_options(builder_name, request.builder_options),
        model=models[0],
        models=stored_models(plan, request.model),
        features=tuple(sorted(features)),
        token_cap=request.token_cap or plan.budget.tokens,
        cost_cap=plan.budget.cost,
        minutes_cap=plan.budget.minutes,
        at_cap=request.at_cap,
        campaign_id=request.campaign,
        prompt=request.prompt,
        push=None if push is None else push.name,
        pr=pr,
    )
    check_same(db, new)
    return new, [(phase.id, phase.tier) for phase in plan.ordered()], made


def _pull_request(request: RunRequest, plan: Plan) -> str | None:
    asked = request.pr or plan.policy.pr.value
    known = [one.value for one in PullRequestMode]
    if asked not in known:
        raise BadInput(
            f"invalid pr: {asked!r}", field="pr", hint=f"choose one of {', '.join(known)}"
        )
    return None if asked == PullRequestMode.OFF else asked


def check_remote(
    name: str,
    *,
    repo: str,
    commit: str | None,
    run_ids: Iterable[str],
    db: Database,
    settings: Settings,
) -> Remote | None:
    """The remote of those of the runs that are yet to be stored, looked at once for all of them.

    None when there is no such run: the others keep the remote that they have, and go on also
    while it does not answer. Raises BadInput naming the field ``push``, and RepositoryError.
    """
    new = next((run_id for run_id in run_ids if _stored_commit(db, run_id) is None), None)
    if new is None:
        return None
    source = SourceRepository.open(repo)
    return Remote.checked(
        name,
        source,
        source.resolve(commit),
        home=settings.home,
        run_id=new,
        name_here=find_folder(settings.home, db, new).name,
    )


def _plan_of(
    request: RunRequest, *, db: Database, settings: Settings, run_id: str
) -> tuple[Plan, tuple[str, Normalised] | None]:
    """Return the plan, and where it was made from plain text, that text and how far to trust it."""
    text, name = read_source(request.plan)
    listed = () if request.defaults is None else request.defaults.features
    on = Feature.PLAN_NORMALIZATION in _features(request, listed)
    if not (on and is_plain_text(text, name=name)):
        return parse_plan(text, name=name), None
    source = request.repository()
    commit = source.resolve(request.commit or _stored_commit(db, request.run_id))
    with checkout(db, settings, source, commit, run_id) as root:
        found = normalise(text, root=root, detected=detect(root), name=name)
    try:
        return accept(found), (text, found)
    except NotNormalised as refused:
        refused.hint = (
            "be more specific, or look it over and run what "
            "`autopack plan normalise FILE --accept-low-confidence` prints"
        )
        raise


def _by_policy(request: RunRequest, plan: Plan) -> tuple[Feature, ...]:
    """Return the features that the plan's policy turns on, unless the command line says not."""
    if plan.policy.holdout > 0 and Feature.HOLDOUT not in request.disable:
        return (Feature.HOLDOUT,)
    return ()


def _features(request: RunRequest, listed: Iterable[str]) -> frozenset[Feature]:
    return resolve_features(
        plan=listed, enable=request.enable, disable=request.disable, environ=process_environment()
    )


@contextmanager
def checkout(
    db: Database, settings: Settings, source: SourceRepository, commit: str, run_id: str
) -> Generator[Path]:
    """Yield the files of a commit in a folder of their own, while the block is open."""
    name = find_folder(settings.home, db, run_id).name
    mirror = Mirror.open(settings.home, source, alias=(run_id, name))
    mirror.ensure(commit, run_id)
    with tempfile.TemporaryDirectory(prefix="autopack-") as folder:
        workspace = Workspace.create(mirror, Path(folder).resolve() / "tree", commit)
        try:
            yield workspace.path
        finally:
            workspace.remove()


def _stored_commit(db: Database, run_id: str | None) -> str | None:
    """Return the base of a run that exists already, so that HEAD may have moved since it began."""
    run = find_run(db, run_id) if run_id is not None else None
    return None if run is None else run.base_commit


def _refuse_unchecked(
    plan: Plan,
    db: Database,
    settings: Settings,
    source: SourceRepository,
    commit: str,
    run_id: str,
) -> None:
    """Raise PlanError when a phase names no checks and the repository suggests none."""
    with checkout(db, settings, source, commit, run_id) as root:
        if inferred_checks(detect(root)):
            return
        language = unsupported_language(root)
    index, phase = next((i, p) for i, p in enumerate(plan.phases) if p.checks is None)
    raise PlanError(
        f"phases[{index}].validate: phase {phase.id} names no checks, and "
        + (
            f"the repository is mainly {language}, whose checks are not inferred"
            if language
            else "no toolchain with tests was found in the repository"
        ),
        field=f"phases[{index}].validate",
        hint="name the commands that must succeed, for example validate: [pytest -q]",
    )
