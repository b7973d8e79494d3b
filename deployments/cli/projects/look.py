"""`autopack plan check` and `toolchain`: looking without changing anything."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autopack.agents.crew import check_builders
from autopack.model.counted import counted
from autopack.model.errors import BadInput
from autopack.model.locations import is_folder
from autopack.runs.prepare.check_research import check_named_sources
from autopack.runs.prepare.prepare import read_plan
from autopack.toolchains.detect import detect, unsupported_language
from deployments.cli.shared.output import AsJson, note, out, plain_table, print_json
from deployments.cli.shared.piped import PlanArgument, plan_source


def check(file: PlanArgument, *, as_json: AsJson = False) -> int:
    """Check a plan file.

    Shows in which order its phases would run.
    """
    plan = read_plan(plan_source(file))
    check_builders(plan)
    check_named_sources(plan)
    if as_json:
        print_json({"valid": True, "plan_hash": plan.plan_hash, "plan": plan.to_dict()})
        return 0
    table = plain_table("phase", "tier", "after", "checks", wraps=("after", "checks"))
    for phase in plan.ordered():
        checks = "inferred" if phase.checks is None else "; ".join(map(shlex.join, phase.checks))
        table.add_row(phase.id, phase.tier, ", ".join(phase.depends_on), checks)
    out.print(table)
    out.print(f"\nthe plan is valid: {counted(len(plan.phases), 'phase')}")
    return 0


def toolchain(
    directory: Annotated[Path, Parameter(help="The project; default: this folder.")] = Path(),
    *,
    as_json: AsJson = False,
) -> int:
    """Show how a project is built.

    Which toolchains it uses, how sure that is, and its commands.
    """
    if not is_folder(directory):
        raise BadInput(
            f"{directory} is not a folder", field="directory", hint="name a project folder"
        )
    found = detect(directory)
    language = unsupported_language(directory)
    if as_json:
        print_json(
            {
                "unsupported_language": language,
                "toolchains": [
                    {
                        "name": one.name,
                        "manager": one.manager,
                        "path": one.path,
                        "confidence": one.confidence,
                        "evidence": list(one.evidence),
                        "install": [list(argv) for argv in one.install],
                        "build": [list(argv) for argv in one.build],
                        "test": [list(argv) for argv in one.test],
                    }
                    for one in found
                ],
            }
        )
        return 0
    table = plain_table(
        "toolchain", "path", "confidence", "test", "evidence", wraps=("test", "evidence")
    )
    for one in found:
        table.add_row(
            f"{one.name}/{one.manager}",
            one.path,
            f"{one.confidence:.2f}",
            "; ".join(map(shlex.join, one.test)),
            ", ".join(one.evidence),
        )
    out.print(table if found else "no toolchain found")
    if language is not None:
        note(
            f"the repository is mainly {language}, whose checks are not inferred: name them in the "
            "plan, as validate"
        )
    return 0
