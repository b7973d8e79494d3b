"""`autopack plan normalise`: free text or Markdown in, a plan out."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import yaml
from cyclopts import Parameter

from autopack.model.errors import BadInput
from autopack.model.locations import is_folder
from autopack.plan.load import read_plan_text
from autopack.plan.normalise import CONFIDENCE_THRESHOLD, Normalised, accept
from autopack.plan.normalise import normalise as normalise_text
from autopack.toolchains.detect import detect
from deployments.cli.shared.output import AsJson, note, out, print_json
from deployments.cli.shared.piped import STANDARD_INPUT, plan_source


def normalise(
    file: Annotated[
        str,
        Parameter(
            help="A text or Markdown file that says what to do; - for standard input.",
            allow_leading_hyphen=True,
        ),
    ],
    *,
    repo: Annotated[Path, Parameter(help="The repository; default: this folder.")] = Path(),
    threshold: Annotated[
        float, Parameter(help="The confidence below which a plan is refused.")
    ] = CONFIDENCE_THRESHOLD,
    accept_low_confidence: Annotated[
        bool, Parameter(negative="", help="Print the plan however little it can be trusted.")
    ] = False,
    research: Annotated[
        bool,
        Parameter(negative="", help="Search the repository for the files of phases without scope."),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Turn plain text into a plan.

    Says how much it can be trusted.
    """
    if not is_folder(repo):
        raise BadInput(f"{repo} is not a folder", field="repo", hint="name the project's folder")
    if not 0 <= threshold <= 1:
        raise BadInput(
            f"invalid confidence: {threshold}", field="threshold", hint="use a number from 0 to 1"
        )
    source = plan_source(file)
    text = source if file == STANDARD_INPUT else read_plan_text(Path(source))
    found = normalise_text(text, root=repo, detected=detect(repo), name=Path(file).name)
    if research:
        found = _with_scope(found, repo)
    plan = accept(found, threshold=0.0 if accept_low_confidence else threshold)
    if as_json:
        print_json(found.to_dict())
        return 0
    for warning in found.warnings:
        note(f"warning: {warning}")
    parts = ", ".join(f"{name} {value:.2f}" for name, value in found.confidence_parts.items())
    note(f"confidence {found.confidence:.2f} ({parts}); {found.category}")
    note(f"judged by: {'; '.join(map(shlex.join, found.validation))}")
    written = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=100)
    out.print(text, end="")
    return 0


def _with_scope(found: Normalised, repo: Path) -> Normalised:
    from autopack.research.scope_search import with_scope
    from autopack.research.sources.repository import RepositorySource
    from autopack.workspace.source import SourceRepository

    source = SourceRepository.open(str(repo))
    return with_scope(found, RepositorySource(source.git, source.resolve(None)))
