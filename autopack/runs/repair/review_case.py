"""What a reviewer may see of an attempt: nothing of what its builder said."""

from __future__ import annotations

from autopack.context import DOCTOR_BYTES, intention
from autopack.files import safe_files
from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.repair.facts import RepairState
from autopack.repair.review.review_question import CHECKS_BYTES, DIFF_BYTES, Case
from autopack.runs.attempt.judge import phase_checks
from autopack.runs.session.session import RunSession
from autopack.runs.spools.spool import spool_folder

_CUT = "[the rest of the diff is left out"


def review_case(session: RunSession, key: AttemptKey, repair: RepairState) -> Case:
    """Return what the reviewer of an attempt is told."""
    plan, phase = session.plan, session.phase(key.phase_id)
    goal = plan.goal
    if session.has(Feature.INTENTION_CONTEXT):
        goal = intention(plan.goal, plan.success_criteria, plan.non_goals, limit=DOCTOR_BYTES).text
    checks = repair.checks if repair.checks is not None else phase_checks(session, phase)
    return Case(
        goal=goal,
        instructions=phase.instructions,
        deliverables=phase.deliverables,
        scope=phase.scope.paths,
        read_only=phase.scope.read_only,
        diff=session.mirror.diff(session.head(), session.attempt(key).built_commit, DIFF_BYTES),
        checks=[check.argv for check in checks],
        said=_printed(session, key),
    )


def is_cut(diff: str) -> bool:
    """Return whether a diff is not whole."""
    return diff.rstrip("\n").rpartition("\n")[2].startswith(_CUT)


def _printed(session: RunSession, key: AttemptKey) -> str:
    """Return the end of what the checks printed."""
    try:
        log = safe_files.read_bytes(spool_folder(session.folder, key) / "validation.log")
    except OSError:
        return ""
    return log[-4 * CHECKS_BYTES :].decode("utf-8", "replace")
