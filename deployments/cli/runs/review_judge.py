"""`autopack review judge`: a person says whether a reviewer's rejection was right."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from autopack.model.errors import BadInput
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.reading import row_number
from autopack.store.reviews import judge_findings
from autopack.views.repair_view import review_view
from deployments.cli.shared.output import AsJson, out, print_json

_VERDICTS: dict[str, Literal["right", "wrong"]] = {"right": "right", "wrong": "wrong"}


def judge_review(
    review: Annotated[str, Parameter(help="Its review_id, as `show RUN --json` has it.")],
    verdict: Annotated[str, Parameter(help="right or wrong")],
    *,
    finding: Annotated[
        int | None, Parameter(name="--finding", help="Only of this one, from 1; else of all.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Say that a rejection was right or wrong.

    Its reviewer is measured by it.
    """
    said = _VERDICTS.get(verdict)
    if said is None:
        raise BadInput(f"invalid verdict: {verdict!r}", field="verdict", hint="say right or wrong")
    number = row_number(review, "review", hint="use a review_id of a run's JSON")
    db = Database.open(Settings.from_environment().database_url)
    row = db.transact(lambda conn: judge_findings(conn, number, said, finding))
    if as_json:
        print_json({"run_id": row.run_id, "phase_id": row.phase_id, **review_view(row)})
        return 0
    which = "its findings were" if finding is None else f"its finding {finding} was"
    out.print(f"review {row.id} of {row.phase_id} in {row.run_id}: {which} {said}")
    return 0
