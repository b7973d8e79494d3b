"""`autopack context`: the files that a phase's builder would be shown, without a run."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

from cyclopts import Parameter

from autopack.context.context_pack import BudgetMode, PackedFile, PackLimits, packed
from autopack.context.file_ranking import Task
from autopack.model.counted import counted
from autopack.model.errors import BadInput
from autopack.model.locations import is_url
from autopack.plan.plan import PhaseSpec, Plan
from autopack.runs.prepare.prepare import read_plan
from autopack.secrecy.credentials import environment_secrets
from autopack.secrecy.redaction import Redactor
from autopack.settings import CONTEXT_BUDGET, CONTEXT_MODE, Settings, process_environment
from autopack.workspace.source import SourceRepository
from deployments.cli.shared.output import AsJson, out, plain_table, print_json
from deployments.cli.shared.piped import PlanArgument, plan_source


def context(
    plan: PlanArgument,
    *,
    phase: Annotated[
        str | None, Parameter(help="The phase; may be left out where there is one.")
    ] = None,
    repo: Annotated[str, Parameter(help="The git repository, a folder.")] = ".",
    commit: Annotated[str | None, Parameter(help="The commit; default: HEAD.")] = None,
    budget: Annotated[
        int | None, Parameter(help="The most tokens; default: AUTOPACK_CONTEXT_BUDGET.")
    ] = None,
    mode: Annotated[
        str | None, Parameter(help="lexical or semantic; default: AUTOPACK_CONTEXT_MODE.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Show the files that a builder would be shown.

    They are what the feature context_pack puts into the prompt of a phase.
    """
    read = read_plan(plan_source(plan))
    chosen = _phase(read, phase)
    limits = _limits(budget, mode)
    limits.check()
    if is_url(repo):
        raise BadInput(f"{repo} is a URL", field="repo", hint="clone it, and name the folder")
    source = SourceRepository.open(repo)
    at = source.resolve(commit)
    pack = packed(
        source.git,
        at,
        Task(
            chosen.instructions,
            goal=read.goal,
            deliverables=chosen.deliverables,
            scope=chosen.scope.paths,
        ),
        limits,
        home=Settings.from_environment().home,
        redact=Redactor(environment_secrets(process_environment())).text,
    )
    if as_json:
        print_json(
            {
                "phase_id": chosen.id,
                "commit": at,
                "budget_mode": pack.mode.value,
                "budget_cap": pack.cap,
                "budget_used": pack.used,
                "tokenizer": pack.tokenizer,
                "files_kept": len(pack.files),
                "files_omitted": pack.omitted,
                "context_files_total": pack.total,
                "artifact_substitutions": pack.substitutions,
                "tokens_saved_artifacts": pack.saved(),
                "files": [_as_json(file) for file in pack.files],
                "text": pack.text,
            }
        )
        return 0
    table = plain_table(
        "file", "shown", "tokens", "saves", wraps=("file",), right=("tokens", "saves")
    )
    for file in pack.files:
        table.add_row(file.path, file.form.value, f"{file.tokens:,}", f"{file.saves:,}")
    out.print(table)
    out.print(
        f"\n{len(pack.files)} of {counted(pack.total, 'file')}, {pack.used:,} of {pack.cap:,}"
        f" tokens ({pack.tokenizer}), ranked {pack.mode.value}"
    )
    return 0


def _as_json(file: PackedFile) -> dict[str, object]:
    return {
        "path": file.path,
        "locator": file.locator,
        "form": file.form.value,
        "tokens": file.tokens,
        "saves": file.saves,
    }


def _phase(plan: Plan, name: str | None) -> PhaseSpec:
    names = [phase.id for phase in plan.phases]
    if name is None and len(names) > 1:
        raise BadInput(
            f"the plan has {len(names)} phases", field="phase", hint=f"--phase {'|'.join(names)}"
        )
    for phase in plan.phases:
        if name in (None, phase.id):
            return phase
    close = get_close_matches(str(name), names, n=1)
    raise BadInput(
        f"--phase: the plan has no phase {name!r}",
        field="phase",
        hint=f"did you mean {close[0]}?" if close else f"its phases are {', '.join(names)}",
    )


def _limits(budget: int | None, mode: str | None) -> PackLimits:
    cap = int(CONTEXT_BUDGET.of()) if budget is None else budget
    if not 200 <= cap <= 200_000:
        raise BadInput(
            f"--budget is {cap}", field="budget", hint="use a number of tokens from 200 to 200000"
        )
    if mode is not None and mode not in frozenset(BudgetMode):
        raise BadInput(f"--mode is {mode!r}", field="mode", hint="use lexical or semantic")
    return PackLimits(cap, BudgetMode(mode or CONTEXT_MODE.of()))
