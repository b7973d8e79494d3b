"""`autopack patterns expand`: detectors made from what keeps failing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from autopack.mining.expand import Expanded, Offer
from autopack.mining.expand import expand as expand_signatures
from autopack.mining.generation.write import (
    branch_of,
    offer_branch,
    offer_folder,
    repository_of,
)
from autopack.model.errors import BadInput
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from deployments.cli.shared.output import AsJson, out, print_json

_SHORT = 12


def expand(
    *signatures: Annotated[
        str, Parameter(help="A signature of `patterns mine`, or its first digits.")
    ],
    top: Annotated[
        int | None, Parameter(help="Instead of signatures: the N costliest failures.")
    ] = None,
    output: Annotated[
        Path | None, Parameter(name="--out", help="A folder to put the detectors into.")
    ] = None,
    repo: Annotated[
        Path | None,
        Parameter(help="A repository that gets a branch autopack/pattern-ID for each."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Turn what keeps failing into detectors for review.

    They come from failures that no pattern caught; nothing acts on them.
    """
    if (output is None) == (repo is None):
        raise BadInput(
            "say where the detectors go: --out or --repo, one of them",
            field="out",
            hint="--out DIR writes folders, --repo DIR makes branches",
        )
    offer = _offer(output, repo)

    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    expanded = expand_signatures(
        db, process_environment(), datetime.now(UTC), offer, signatures=signatures, top=top
    )
    places = {
        each.pattern_id: branch_of(each.pattern_id)
        if output is None
        else str(output / each.pattern_id)
        for each in expanded.kept
    }
    if as_json:
        print_json(_view(expanded, places))
    else:
        _print(expanded, places)
    return 0


def _offer(output: Path | None, repo: Path | None) -> Offer:
    """Return what gives a detector away: into a folder, or as a branch of a repository."""
    if repo is not None:
        return partial(offer_branch, repository_of(repo))
    return partial(offer_folder, output or Path())


def _view(expanded: Expanded, places: Mapping[str, str]) -> dict[str, Any]:
    return {
        "mined": expanded.mined,
        "chosen": expanded.chosen,
        "generated": expanded.generated,
        "passed": expanded.passed,
        "kept": [{**asdict(each), "place": places[each.pattern_id]} for each in expanded.kept],
        "refused": [asdict(each) for each in expanded.refused],
    }


def _print(expanded: Expanded, places: Mapping[str, str]) -> None:
    for each in expanded.refused:
        out.print(f"refused  {each.signature[:_SHORT]}  {each.reason}", soft_wrap=True)
    for each in expanded.kept:
        out.print(
            f"kept     {each.signature[:_SHORT]}  {places[each.pattern_id]}"
            f" (matches {each.positives} texts of its failure and none of {each.negatives} others)",
            soft_wrap=True,
        )
    out.print(
        f"{expanded.mined} mined, {expanded.chosen} chosen, {expanded.generated} generated,"
        f" {expanded.passed} passed their own test, {len(expanded.kept)} kept"
    )
