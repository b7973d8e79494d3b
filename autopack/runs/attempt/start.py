"""Where an attempt begins, and what its builder is told of the ones before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autopack.model.causes import POLICIES, FailureCause
from autopack.model.states import AttemptState
from autopack.process.informative_excerpt import BUDGET, select
from autopack.runs.prepare.retry import inherited
from autopack.runs.session.session import RunSession
from autopack.store.mitigations import get_consultations, get_mitigations
from autopack.store.runs import (
    AttemptRow,
    RunRow,
)

HINT_BYTES = BUDGET
LEFT_OUT_HINT = (
    "what you made in ignored places, or installed without declaring it, is no part of the change "
    "and was set aside before the checks; put what the project needs where git takes it, or "
    "change .gitignore or the manifest"
)
_CUT_OFF = "The provider cut off the last build: what it had changed by then is in the worktree"


@dataclass(frozen=True)
class Start:
    """Where an attempt begins: a commit, and what the builder is told of the one before."""

    commit: str
    hint: str | None


def starting_point(attempts: list[AttemptRow], head: str, advice: Sequence[str] = ()) -> Start:
    """Return where the next attempt of a phase begins, from its earlier ones.

    From the last attempt's tree when the decision after it keeps that work, else from the branch
    head. Interrupted attempts teach nothing. ``advice``
    is what recovery has to say besides the failure.
    """
    failed = [attempt for attempt in attempts if attempt.state is AttemptState.FAILED]
    listed = "What may help:\n" + "\n".join(f"- {each}" for each in advice) if advice else ""
    if not failed:
        return Start(head, listed or None)
    last = failed[-1]
    # Attempts of earlier versions were concluded without storing it.
    decided = POLICIES[_cause(last)].keeps_work if last.keeps_work is None else last.keeps_work
    keeps = decided and last.commit is not None
    parts = [_told(attempt) for attempt in failed if attempt.counts][-1:]
    if not last.counts:
        parts.append(f"{_CUT_OFF}." if last.changed_paths else "")
    hint = "\n\n".join(part for part in (*parts, listed) if part)
    return Start(last.commit if keeps and last.commit else head, hint or None)


def _cause(attempt: AttemptRow) -> FailureCause:
    return FailureCause(attempt.failure_cause or FailureCause.VALIDATION_FAILED)


def _told(attempt: AttemptRow) -> str:
    """Return what the next builder is told of a failed attempt."""
    if POLICIES[_cause(attempt)].opinion:
        return (
            f"Attempt {attempt.attempt} passed its checks, and a reviewer rejected it:\n\n"
            f"{attempt.failure_output}"
        )
    output = select(attempt.failure_output or "", HINT_BYTES)
    why = f"({_cause(attempt).value}): {attempt.failure_message}"
    told = f"Attempt {attempt.attempt} failed {why}\n\n{output}".strip()
    return f"{told}\n\n[the full output: {_log(attempt)}]" if output else told


def _log(attempt: AttemptRow) -> str:
    """Return where all that an attempt's checks printed is, in the run's folder."""
    return f"spool/{attempt.phase_id}/{attempt.attempt}/validation.log"


def inherited_start(session: RunSession, run: RunRow, phase_id: str) -> Start | None:
    """Return where the first attempt at a phase begins that failed in the run that this one
    retries.
    """
    failed, commit = inherited(session.db, run, phase_id)
    if not failed:
        return None
    hint = starting_point(failed, session.head()).hint
    return Start(commit or session.head(), f"In the earlier run {run.retry_of}:\n{hint}")


def advice_on(session: RunSession, attempts: list[AttemptRow]) -> list[str]:
    """Return what recovery has to say of the last attempt: a doctor's hint, and what patterns
    suggest.
    """
    if not attempts:
        return []
    last = (attempts[-1].phase_id, attempts[-1].attempt)
    left = [one["path"] for one in attempts[-1].left_out or () if one["kind"] != "cache"]
    away = [f"{LEFT_OUT_HINT}: {', '.join(left)}"] if left else []
    hints = [
        call.hint
        for call in get_consultations(session.db, session.run_id)
        if (call.phase_id, call.attempt) == last and call.hint and call.action != "replan"
    ]
    return (
        hints[-1:]
        + away
        + [
            suggestion
            for row in get_mitigations(session.db, session.run_id)
            if (row["phase_id"], row["attempt"]) == last and not row["fixed"]
            for suggestion in row["suggestions"]
        ]
    )
