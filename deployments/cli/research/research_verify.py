"""`autopack research verify`: check a report's citations again, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autopack.model.counted import counted
from autopack.model.errors import BadInput
from autopack.model.locations import is_folder
from autopack.research.evidence import EvidenceKind
from autopack.research.report_file import read_report
from autopack.research.verify import Checked, Places
from autopack.research.verify import verify as check_again
from autopack.workspace.source import SourceRepository
from deployments.cli.shared.output import AsJson, out, print_json
from deployments.cli.shared.terminal import styled


def verify(
    report: Annotated[Path, Parameter(help="The report, as JSON.")],
    *,
    repo: Annotated[
        Path | None,
        Parameter(help="The repository that was asked about, or another clone of it."),
    ] = None,
    environment: Annotated[
        tuple[Path, ...],
        Parameter(
            help="A virtual environment to check citations of packages in; may be repeated.",
            negative="",
        ),
    ] = (),
    as_json: AsJson = False,
) -> int:
    """Check the citations of a report again.

    Without a network and without a model: citations of the repository are checked in --repo, those
    of packages in --environment, all others against the bytes that the report carries. Exit code 1:
    some no longer hold, or cannot be checked here.
    """
    found = read_report(report)
    checked = check_again(found, _places(repo, environment))
    failed = [one for one in checked if not one.holds]
    if as_json:
        print_json(
            {
                "report": str(report),
                "report_id": found.report_id,
                "holds": not failed,
                "evidence": len(checked),
                "failed": len(failed),
                "unverified": _unverified(checked),
                "citations": [one.as_json() for one in checked],
            }
        )
    else:
        _tell(checked, failed)
    return 1 if failed else 0


def _places(repo: Path | None, environment: tuple[Path, ...]) -> Places:
    for each in environment:
        if not is_folder(each):
            raise BadInput(
                f"{each} is not a folder", field="environment", hint="name a virtual environment"
            )
    if repo is None:
        return Places(environments=environment)
    source = SourceRepository.open(str(repo))
    return Places(source.git, Path(source.location), environment)


def _tell(checked: list[Checked], failed: list[Checked]) -> None:
    for one in failed:
        out.print(styled(f"[{one.number}]", "red"), one.evidence.claim, soft_wrap=True)
        where = one.evidence.locator or one.evidence.kind.value
        lines = "" if one.lines is None else f", line {one.lines[0]}"
        out.print(f"    {where}{lines}", soft_wrap=True)
        for reason in one.reasons:
            out.print(f"    {reason.sentence}", soft_wrap=True)
    holding = len(checked) - len(failed) - _unverified(checked)
    told = [f"{holding:,} of {counted(len(checked), 'claim')} hold"]
    if _unverified(checked):
        told.append(f"{_unverified(checked):,} unverified")
    unread = sum(one.is_unread for one in failed)
    if len(failed) > unread:
        fallen = len(failed) - unread
        told.append(f"{fallen:,} no longer {'holds' if fallen == 1 else 'hold'}")
    if unread:
        told.append(f"{unread:,} cannot be checked here")
    out.print(", ".join(told))


def _unverified(checked: list[Checked]) -> int:
    return sum(one.holds and one.evidence.kind is EvidenceKind.UNVERIFIED for one in checked)
